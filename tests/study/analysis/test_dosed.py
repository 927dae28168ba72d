"""Findings on the radius of adversarial training, on a made-up table whose answer is known."""

import pytest

from helpers.made_up import doses
from minmax_jax.study.analysis.dosed import UNLEARNED, dosed


@pytest.fixture(scope="module")
def table():
    return doses()


def test_weights_come_near_zero_where_they_do(table):
    found = {one.reading: one for one in dosed(table, "dose_mnist") if "near zero" in one.claim}
    assert list(found) == ["modern, conv1", "modern, conv2", "classic, conv1", "classic, conv2"]
    first, second = found["modern, conv1"], found["modern, conv2"]
    assert (first.result, second.result) == ("holds", "no clear effect")
    assert "within a tenth of the largest 0 % [0, 0] at eps 0, 90 % [90, 90] at 0.3" in first.effect
    assert first.seeds == 3 and first.experiment == "dose_mnist"


def test_robustness_and_stable_units_grow_together(table):
    (found, _) = (one for one in dosed(table, "dose_mnist") if "radius" in one.claim)
    assert found.result == "holds" and found.attack == "pgd + autoattack"
    assert "at 0.15 45 % [45, 45], 60 % [60, 60]; at 0.3 90 % [90, 90], 30 % [30, 30]" in found.effect


def test_what_has_not_learned_is_not_judged(table):
    worse = table.assign(clean_accuracy=table.clean_accuracy.where(table.dose < 0.3, 0.1))
    assert {one.result for one in dosed(worse, "dose_mnist")} == {UNLEARNED}
