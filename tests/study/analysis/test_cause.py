"""Cause and effect on made-up tables whose answer is known."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from helpers.made_up import penalties
from minmax_jax.study import correlates
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


def test_what_goes_with_robustness_is_ranked():
    table = penalties()  # a strength takes from accuracy and from fuzziness alike
    for name in ("l1", "l2", "gain", "sensitivity"):
        table[name] = table[name].isel(arm=0, drop=True) * np.exp(-cause.robust_accuracy(table))
    found = correlates(table)
    np.testing.assert_allclose(found, [1, 1, -1, -1, -1, -1])
    assert found.thing.values[1] == "fuzziness F, magnitude"


@given(st.integers(0, 99))
def test_variance_explained_by_one_is_the_squared_correlation(seed):
    x, y, z = np.random.default_rng(seed).normal(size=(3, 30))
    found = cause.variance_explained(z, {"x": x, "y": y})
    assert found["x"] == pytest.approx(stats.pearsonr(x, z).statistic ** 2)
    assert found["all"] >= max(found["x"], found["y"]) - 1e-12


def test_causes_at_right_angles_add_what_they_explain_alone():
    x = np.array([1.0, 1.0, -1.0, -1.0, 0.0, 0.0])
    y = np.array([1.0, -1.0, 1.0, -1.0, 0.0, 0.0])
    found = cause.variance_explained(2 * x + y, {"x": x, "y": y})
    assert found["x added"] == pytest.approx(found["x"]) and found["x"] == pytest.approx(0.8)
    assert found["y added"] == pytest.approx(0.2)
    found = cause.variance_explained(3 * x[:4] - 1, {"x": x[:4], "y": y[:4]})  # no more rows than needed
    assert found["x"] == pytest.approx(1) and found["y added"] == pytest.approx(0, abs=1e-9)


def test_rank_correlation():
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert cause.rank_correlation(x, np.exp(x)) == pytest.approx(1)
    assert cause.rank_correlation(x, -x) == pytest.approx(-1)
