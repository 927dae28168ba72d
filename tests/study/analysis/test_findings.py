"""Findings on made-up results whose answer is known; ``test_shipped`` compares those of the real ones."""

import re

import numpy as np
import pytest
import xarray as xr

from helpers.made_up import PLAIN, SEEDS, observation, penalties
from minmax_jax.study.analysis import penalised
from minmax_jax.study.analysis.finding import (
    Finding,
    counted,
    direction,
    markdown,
    number,
    plain,
    points,
    robustness_change,
)
from minmax_jax.study.analysis.findings import findings, most_robust, tables_in
from minmax_jax.study.analysis.observed import held
from minmax_jax.study.analysis.practice import predicted
from minmax_jax.study.analysis.verdict import Effect
from minmax_jax.study.design.arm import Arm
from minmax_jax.study.engine.result import write


def made(low: float, high: float) -> Effect:
    return Effect(*(np.array(value) for value in ((low + high) / 2, low, high, 1.0)))


@pytest.mark.parametrize(
    ("holds", "words"),
    [
        ([True, True, True], "holds in all 3 cases"),
        ([True, False, False], "holds in 1 of 3 cases (only: a)"),
        ([True, False, True], "holds in 2 of 3 cases (not: b)"),
        ([False, False, False], "does not hold"),
        ([], "no cases to judge"),
    ],
)
def test_counts_name_the_shorter_list(holds, words):
    assert counted(np.array(holds, bool), "cases", ["a", "b", "c"]) == words
    assert counted(np.array(holds, bool), "cases") == words.split(" (")[0]


def test_an_interval_that_holds_zero_shows_nothing():
    words = {"falls": "down", "rises": "up"}
    assert direction([made(-2, -1)], **words) == "down"
    assert direction([made(1, 2), made(0.1, 3)], **words) == "up"
    for mixed in ([made(-1, 1)], [made(-2, -1), made(1, 2)], [made(-1, 0)], [made(0, 1)]):
        assert direction(mixed, **words) == "no clear effect"
    assert robustness_change(made(-0.062, 0.02)) == "no effect beyond 6 points"
    assert robustness_change(made(0.0, 0.02)) == "no effect beyond 2 points"
    assert robustness_change(made(0.01, 0.02)) == "more robust"
    assert robustness_change(made(-0.02, -0.01)) == "less robust"
    assert number(made(-0.02, 0.01)) == "-0.005 [-0.020, +0.010]"
    assert points(made(0.01, 0.03)) == "+2.0 [+1.0, +3.0] points"


def test_findings_are_a_markdown_table_or_text_of_a_terminals_width():
    found = [Finding("a", one, "c", "d " * 60, "e", 5, "f", "1_one#Two words") for one in ("b", "B")]
    assert markdown([found[0]._replace(effect="d")]).splitlines() == [
        "| claim | reading | result | effect | attack | seeds | experiment |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| a | b | c | d | e | 5 | [f](../1_one.ipynb#Two-words) |",
    ]
    lines = plain(found).splitlines()
    assert lines[:3] == ["a", "  f, 5 seeds, attack: e", "  - b: c"] and lines[5] == "  - B: c"
    assert len(lines) == 8 and 90 < max(map(len, lines)) <= 100
    assert plain([found[0], found[0]._replace(claim="A")]).count("\n\n") == 1


def test_a_reading_is_counted_over_conditions_that_learn():
    layer, _, fixed, _ = held(observation(PLAIN))
    assert (layer.reading, layer.result) == ("layer, signed", "does not hold")
    assert fixed.result == "holds in 1 of 2 conditions (only: mnist modern adam)"
    first = re.match(r"F on mnist modern adam: conv1 (\S+) ", fixed.effect)
    assert float(first[1]) == pytest.approx(-0.1, abs=2e-3) and fixed.seeds == SEEDS
    table = observation(PLAIN)
    table.test_accuracy[1] = 0.1  # one that did not learn
    assert held(table)[2].result == "holds in all 1 conditions"
    table.fuzziness[0, 1] = table.test_accuracy[0, 1] = np.nan  # one that diverged
    assert held(table) == []


@pytest.fixture
def table() -> xr.Dataset:
    """Fuzziness down makes networks less robust, up more so, and L1 more so too."""
    arms = (Arm(), Arm("fuzziness", 30.0), Arm("fuzziness", -30.0), Arm("fuzziness", 1.0), Arm("l1", 1e-3))
    level, fuzzy = np.array([0.4, 0.1, 0.6, 0.39, 0.5]), np.array([0.9, 0.5, 0.95, 0.89, 0.8])
    random = np.random.default_rng(0)
    noise = random.normal(0, 1e-3, (5, 3))
    one, axes = penalties(arms), ("arm", "seed")
    one["accuracy"] = one.accuracy * 0 + xr.DataArray(level[:, None] + noise, dims=axes)
    one["fuzziness"] = one.fuzziness * 0 + xr.DataArray(fuzzy, dims="arm")
    one["clean_accuracy"] = axes, 0.98 + noise
    return one


def test_a_pair_and_the_best_are_shown_and_all_arms_are_ranked(table):
    down, up, best, control, *ranks = penalised.penalty_effects(table, "regularisation")
    assert (down.result, up.result) == ("less robust", "more robust")
    assert best.reading.endswith("lambda 1") and control.reading == "l1 0.001"
    assert "F signed -0.100 [-0.100, -0.100], by magnitude -0.100" in control.effect
    assert down.claim == "A term for lower fuzziness makes a network more robust"
    assert down.reading == "layer, signed, entropy, lambda 30"
    assert "accuracy under attack -30." in down.effect and "F -0.400" in down.effect
    assert [one.reading for one in ranks] == ["layer, signed", "layer, magnitude", "each by its own"]
    assert all(one.result == "not supported" and "over all 4 arms" in one.claim for one in ranks)
    assert len(penalised.penalty_effects(table, "confirmation")) == 4, "all of a confirmation"
    assert penalised.trained_under_attack(table, "regularisation") == []


def test_theory_is_read_off_the_weights_and_unknown_where_all_diverged():
    weights = {"sign_constancy": [1.0, 1.0, 0.2], "direction": [1, -1, 1], "drift": [0.1, -0.2, -0.3]}
    variables = {
        f"{name}_{layer}": (("seed", f"weight_{layer}"), np.array([values, values]))
        for name, values in weights.items()
        for layer in ("conv1", "conv2")
    }
    error = ("seed", "layer"), np.full((2, 2), 2e-7)
    shares = np.tile(np.array([0.0, 0.5, 0.95, np.nan])[:, None], (2, 1, 1, 2))
    variables |= {"identity_magnitude": error, "identity_signed": error}
    variables |= {"explained": (("seed", "flow", "strength", "layer"), shares)}
    strengths = [0.0, 10.0, 100.0, 1000.0]
    table = xr.Dataset(variables, {"flow": ["entropy"], "strength": strengths, "layer": ["conv1", "conv2"]})
    identity, first, _, flow, _ = predicted(table)
    assert identity.effect == "largest error 2e-07"
    assert first.result == "holds" and "of all weights 67% do" in first.effect
    assert "of the tenth with the steadiest sign 100% (100% to 100%)" in first.effect
    assert flow.result == "holds" and flow.effect.endswith("0.50 at lambda 10, 0.95 at lambda 100")
    *_, flow = predicted(table.assign(explained=table.explained * np.nan))
    assert flow.result == "unknown, as all diverged"


def test_the_most_robust_is_judged_by_the_worst_attack():
    accuracy = np.array([[[0.9, 0.8], [0.7, 0.6]], [[0.9, 0.8], [0.7, 0.5]]])
    table = xr.Dataset(
        {"accuracy": (("seed", "attack", "eps"), accuracy), "clean_accuracy": ("seed", [0.98, 0.96])},
        {"seed": [0, 1], "attack": ["pgd", "worst"], "eps": [0.1, 0.3]},
    )
    found = most_robust(table)
    assert found.result == "55.0%" and found.effect == "50.0% to 60.0%; clean 97.0%"


def test_missing_results_are_left_out_and_quick_ones_are_a_toys(tmp_path, table):
    assert findings({}) == []
    write(tmp_path / "observation.nc", observation(PLAIN), {"config": {"small": False}})
    write(tmp_path / "regularisation_weak.nc", table, {"config": {"small": True}})
    by = {one.experiment: one.result for one in findings(tables_in(tmp_path))}
    assert set(by) == {"observation", "regularisation"}
    assert by["regularisation"].endswith(" (a toy's verdict: of a quick run)")
    assert "toy" not in by["observation"]
