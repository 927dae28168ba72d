"""Cause and effect on made-up tables whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from helpers.made_up import penalties
from minmax_jax.study.analysis import cause
from minmax_jax.study.design.arm import Arm

ARMS = (Arm(), Arm(reading="fixed"), Arm("fuzziness", 30.0), Arm("fuzziness", 30.0, "fixed", "magnitude"))
SEEDS = 4


@pytest.fixture
def table() -> xr.Dataset:
    """Robust accuracy is 0.1 for the base, 0.2 for the fixed one, and 0.3 more with a penalty on each."""
    one, random = penalties(ARMS, SEEDS), np.random.default_rng(0)
    noise = random.normal(0, 0.05, SEEDS)  # of the seed: the same in all arms, so pairing removes it
    values = np.array([0.1, 0.2, 0.4, 0.5])[:, None] + noise
    one["accuracy"] = one.accuracy * 0 + xr.DataArray(values, dims=("arm", "seed")) + (one.eps < 0.08) * 0.2
    one["fuzziness"] = one.fuzziness.dims, random.uniform(0, 1, one.fuzziness.shape)
    return one


def test_differences_are_against_the_own_base_and_seed(table):
    found = cause.paired(table, cause.robust_accuracy(table))
    assert found.arm.values.tolist() == [arm.name for arm in ARMS[2:]]
    np.testing.assert_allclose(found, 0.3)
    effects = cause.paired_effect(table, table.accuracy)
    assert effects["mean"].dims == ("arm", "attack", "eps")
    np.testing.assert_allclose(effects["mean"], 0.3)
    np.testing.assert_allclose(effects.low, 0.3)
    table.finished[2, 1] = False
    left = cause.paired(table, cause.robust_accuracy(table))
    assert left.arm.values.tolist() == [ARMS[3].name], "an arm that diverged is left out"


def test_accuracy_is_that_at_the_radius(table):
    np.testing.assert_allclose(cause.robust_accuracy(table, 0.05), cause.robust_accuracy(table) + 0.2)


def test_the_effect_of_adversarial_training_is_against_the_plain_arm():
    arms = (Arm(), Arm(eps=0.1), Arm("l1", 0.1, eps=0.1), Arm(eps=0.2))
    table = penalties(arms, SEEDS)
    values = np.array([0.5, 0.2, 0.0, 0.9])[:, None] + np.random.default_rng(0).normal(0, 1, SEEDS)
    table["values"] = ("arm", "seed"), values
    found = cause.adversarial_training_effect(table, table["values"])
    assert found.arm.values.tolist() == ["none eps 0.1", "none eps 0.2"]
    np.testing.assert_allclose(found["mean"], [-0.3, 0.4])
    np.testing.assert_allclose(found.high, [-0.3, 0.4])
    table.finished[3, 1] = False
    found = cause.adversarial_training_effect(table, table["values"])
    assert found.arm.values.tolist() == ["none eps 0.1"], "one diverged"


def test_fuzziness_is_by_one_membership_or_by_the_arms_own_reading(table):
    def means(**place: str) -> np.ndarray:
        cells = table.fuzziness.sel(measure="entropy", **place).transpose("arm", "seed", "convolution").values
        return (cells * [150, 2400]).sum(-1) / 2550

    by = means(reading="layer", membership="magnitude")
    found = cause.changed_fuzziness(table, "magnitude")
    assert found.dims == ("arm", "seed")
    np.testing.assert_allclose(found, [by[2] - by[0], by[3] - by[1]])
    by = means(reading="fixed", membership="magnitude")
    np.testing.assert_allclose(cause.own_fuzziness(table).sel(arm=ARMS[3].name), by[3] - by[1])


def test_rank_correlation():
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert cause.rank_correlation(x, np.exp(x)) == pytest.approx(1)
    assert cause.rank_correlation(x, -x) == pytest.approx(-1)
