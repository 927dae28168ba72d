"""Findings on the property, from made-up results whose answer is known."""

import re

import numpy as np
import pytest

from helpers.made_up import PLAIN, SEEDS, observation
from minmax_jax.study.analysis.observed import controls, hardened, held


def test_a_reading_is_counted_over_conditions_that_learn():
    layer, _, fixed, _ = held(observation(PLAIN), "observation")
    assert (layer.reading, layer.result) == ("layer, signed", "does not hold")
    assert fixed.reading == "fixed, signed"
    assert fixed.result == "holds in 1 of 2 conditions (only: mnist modern adam)"
    first = re.match(r"F on mnist modern adam: conv1 (\S+) ", fixed.effect)
    assert float(first[1]) == pytest.approx(-0.1, abs=2e-3) and fixed.seeds == SEEDS


def test_a_network_that_did_not_learn_does_not_count():
    table = observation(PLAIN)
    table.test_accuracy[1] = 0.1
    assert held(table, "observation")[2].result == "holds in all 1 conditions"


def test_controls_are_told_apart():
    found = controls(observation(PLAIN))
    assert [(one.claim.split(":")[0], one.reading) for one in found] == [
        (f"Control, {control}", reading)
        for control in ("random labels", "dense layers")
        for reading in ("layer, signed", "layer, magnitude", "fixed, signed")
    ]
    results = [one.result for one in found]
    assert results == ["holds in all 2 layers"] * 3 + ["does not hold"] * 2 + ["holds in all 2 layers"]


def test_training_under_attack_is_told_apart_and_judged_alike():
    attacked = observation({"mnist modern adam eps 0.1": {"layer": 0.2, "fixed": -0.2}}, eps=0.1)
    layer, _, fixed, _ = held(attacked, "observation_attacked")
    assert "Training under attack lowers" in layer.claim
    assert (layer.result, fixed.result) == ("holds in all 1 conditions", "does not hold")
    assert fixed.effect.startswith("F on mnist modern adam eps 0.1: conv1 +0.2")


@pytest.mark.parametrize(
    ("fall", "result"),
    [
        (0.2, "lower in 1, higher in 0 of 1 conditions"),
        (-0.4, "lower in 0, higher in 1 of 1 conditions"),
        (None, "lower in 0, higher in 0 of 1 conditions"),
    ],
)
def test_adversarial_training_is_compared_with_plain_training(fall, result):
    plain = observation(PLAIN)
    attacked = observation({"mnist modern adam eps 0.1": {"layer": fall or 0, "fixed": fall or 0}}, eps=0.1)
    if fall is None:
        attacked.fuzziness.values[:] = plain.fuzziness.values[:1]
    found, _, fixed, _ = hardened(plain, attacked)
    assert found.result == result and found.reading == "layer, signed"
    first = re.match(r"F on mnist modern adam at eps 0.1 conv1 (\S+) \[", found.effect)
    # Plainly trained, F fell by -0.1 in the layer's interval and rose by 0.1 in the fixed one.
    assert float(first[1]) == pytest.approx(-0.1 - fall if fall else 0, abs=2e-3)
    assert fixed.experiment == "observation_attacked"


def test_a_condition_with_a_network_that_diverged_is_no_evidence():
    table = observation(PLAIN)
    table.fuzziness[0, 1] = table.test_accuracy[0, 1] = np.nan
    layer, _, fixed, _ = held(table, "observation")
    assert layer.effect.startswith("F on mnist modern sgd") and fixed.result == "does not hold"
    table.test_accuracy[:] = np.nan
    assert held(table, "observation") == []
    attacked = observation({f"{name} eps 0.1": PLAIN[name] for name in list(PLAIN)[:2]}, eps=0.1)
    found, *_ = hardened(table, attacked)
    assert found.result == "lower in 0, higher in 0 of 1 conditions"
