"""The findings of made-up results whose answer is known."""

import re

import numpy as np
import pytest
import xarray as xr

from minmax_jax.study import findings
from minmax_jax.study.result import write

SEEDS = 4
READINGS = ["layer", "fixed"]
DIMS = ("condition", "seed", "snapshot", "layer", "reading", "membership", "measure")


def observed(falls: dict[str, dict[str, float]], eps: float = 0.0) -> xr.Dataset:
    """Fuzziness from 0.9 down by so much in each condition and reading, up by 0.01 in the random walk."""
    shape = (len(falls), SEEDS, 2, 4, len(READINGS), 2, 1)
    fuzziness = np.full(shape, 0.9)
    fuzziness += np.random.default_rng(0).normal(0, 1e-3, shape)
    for i, by_reading in enumerate(falls.values()):
        for j, fall in enumerate(by_reading.values()):
            fuzziness[i, :, 1, :, j] -= fall
    walk = np.full(shape, 0.9)
    walk[:, :, 1] += 0.01
    names = list(falls)
    return xr.Dataset(
        {
            "fuzziness": (DIMS, fuzziness),
            "walk_fuzziness": (DIMS, walk),
            "moved_away": (DIMS[:-1], np.full(shape[:-1], 0.5)),
            "test_accuracy": (("condition", "seed", "epoch"), np.full((len(falls), SEEDS, 1), 0.9)),
        },
        {
            "condition": names,
            "labels": ("condition", ["random" if "random" in name else "true" for name in names]),
            "eps": ("condition", [eps] * len(names)),
            "seed": range(SEEDS),
            "layer": ["conv1", "conv2", "dense1", "dense2"],
            "reading": READINGS,
            "membership": ["signed", "magnitude"],
            "measure": ["entropy"],
        },
    )


PLAIN = {
    "mnist modern adam": {"layer": -0.1, "fixed": 0.1},
    "mnist modern sgd": {"layer": -0.1, "fixed": -0.1},
    "mnist modern adam random labels": {"layer": 0.1, "fixed": 0.1},
}


def test_a_reading_is_counted_over_conditions_that_learn():
    layer, _, fixed, _ = findings.observed(observed(PLAIN))
    assert (layer.reading, layer.result) == ("layer, signed", "does not hold")
    assert (fixed.reading, fixed.result) == ("fixed, signed", "holds in 1 of 2 conditions")
    first = re.match(r"F on MNIST with Adam: conv1 (\S+) ", fixed.effect)
    assert float(first[1]) == pytest.approx(-0.1, abs=2e-3) and fixed.seeds == SEEDS


def test_a_network_that_did_not_learn_does_not_count():
    table = observed(PLAIN)
    table.test_accuracy[1] = 0.1
    assert findings.observed(table)[2].result == "holds in all 1 conditions"


def test_controls_are_told_apart():
    found = findings.controls(observed(PLAIN))
    assert [(one.claim.split(":")[0], one.reading) for one in found] == [
        (f"Control, {control}", reading)
        for control in ("random labels", "dense layers")
        for reading in ("layer, signed", "layer, magnitude", "fixed, signed")
    ]
    results = [one.result for one in found]
    assert results == ["holds in all 2 layers"] * 3 + ["does not hold"] * 2 + ["holds in all 2 layers"]


@pytest.mark.parametrize(
    ("fall", "result"), [(0.2, "holds"), (-0.4, "the opposite"), (-0.1, "no clear effect")]
)
def test_adversarial_training_is_compared_with_plain_training(fall, result):
    attacked = observed({"mnist modern adam eps 0.1": {"layer": fall, "fixed": fall}}, eps=0.1)
    attacked.fuzziness.values[:] = np.where(
        np.isclose(fall, -0.1), observed(PLAIN).fuzziness.values[:1], attacked.fuzziness.values
    )
    found, _ = findings.hardened(observed(PLAIN), attacked)
    assert found.result == result and "at eps 0.1" in found.claim


def test_theory_is_read_off_the_weights():
    weights = {"sign_constancy": [1.0, 1.0, 0.2], "direction": [1, -1, 1], "drift": [0.1, -0.2, -0.3]}
    table = xr.Dataset(
        {
            f"{name}_{layer}": (("seed", f"weight_{layer}"), np.array([values, values]))
            for name, values in weights.items()
            for layer in ("conv1", "conv2")
        }
        | {f"identity_{name}": (("seed", "layer"), np.full((2, 2), 2e-7)) for name in ("magnitude", "signed")}
        | {
            "explained": (
                ("seed", "flow", "strength", "layer"),
                np.tile(np.array([0.0, 0.5, 0.95, np.nan])[:, None], (2, 1, 1, 2)),
            )
        },
        {
            "flow": ["entropy"],
            "strength": [0.0, 10.0, 100.0, 1000.0],
            "layer": ["conv1", "conv2"],
        },
    )
    identity, first, _, flow, _ = findings.predicted(table)
    assert identity.effect == "largest error 2e-07"
    assert (
        first.result == "holds" and "of the tenth with the steadiest sign 100% (100% to 100%)" in first.effect
    )
    assert "of all weights 67% do" in first.effect
    assert flow.result == "holds" and flow.effect.endswith("0.50 at lambda 10, 0.95 at lambda 100")


def test_the_most_robust_is_judged_by_the_worst_attack():
    table = xr.Dataset(
        {
            "accuracy": (
                ("seed", "attack", "eps"),
                np.array([[[0.9, 0.8], [0.7, 0.6]], [[0.9, 0.8], [0.7, 0.5]]]),
            ),
            "clean_accuracy": ("seed", np.array([0.98, 0.96])),
        },
        {"seed": [0, 1], "attack": ["pgd", "worst"], "eps": [0.1, 0.3]},
    )
    found = findings.most_robust(table)
    assert found.result == "55.0%" and found.effect == "50.0% to 60.0%; clean 97.0%"


def test_what_is_not_there_is_left_out(tmp_path):
    assert findings.findings(tmp_path) == []
    write(tmp_path / "observation.nc", observed(PLAIN), {})
    assert {one.experiment for one in findings.findings(tmp_path)} == {"observation"}
