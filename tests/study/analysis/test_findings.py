"""The findings of made-up results whose answer is known."""

import numpy as np
import xarray as xr

from helpers.made_up import PLAIN, observation
from minmax_jax.study.analysis import findings
from minmax_jax.study.engine.result import write


def practice():
    """A result of the theory: half and nearly all of the paths are explained; the last strength diverged."""
    weights = {"sign_constancy": [1.0, 1.0, 0.2], "direction": [1, -1, 1], "drift": [0.1, -0.2, -0.3]}
    return xr.Dataset(
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


def test_theory_is_read_off_the_weights():
    identity, first, _, flow, _ = findings.predicted(practice())
    assert identity.effect == "largest error 2e-07"
    assert (
        first.result == "holds" and "of the tenth with the steadiest sign 100% (100% to 100%)" in first.effect
    )
    assert "of all weights 67% do" in first.effect
    assert flow.result == "holds" and flow.effect.endswith("0.50 at lambda 10, 0.95 at lambda 100")


def test_without_a_strength_that_finished_the_flow_is_not_judged():
    table = practice()
    *_, flow = findings.predicted(table.assign(explained=table.explained * np.nan))
    assert flow.result == "unknown, as all diverged"


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
    write(tmp_path / "observation.nc", observation(PLAIN), {})
    assert {one.experiment for one in findings.findings(tmp_path)} == {"observation"}
