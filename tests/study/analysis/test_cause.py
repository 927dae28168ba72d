"""Cause and effect on made-up tables whose answer is known."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from helpers.made_up import penalties
from helpers.refusal import refuses
from minmax_jax.study.analysis import cause
from minmax_jax.study.design.arm import Arm, coordinates

ARMS = [Arm(), Arm(reading="fixed"), Arm("fuzziness", 30.0), Arm("fuzziness", 30.0, "fixed", "magnitude")]
SEEDS = 4


def table() -> xr.Dataset:
    """Robust accuracy is 0.1 for the base, 0.2 for the fixed one, and 0.3 more with a penalty on each."""
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.05, SEEDS)  # of the seed: the same in all arms, so pairing removes it
    level = np.array([0.1, 0.2, 0.4, 0.5])
    accuracy = (level[:, None] + noise)[:, :, None, None] + np.array([0.2, 0.0])
    fuzziness = random.uniform(0, 1, (4, SEEDS, 2, 3, 2, 4))
    labels = coordinates(ARMS) | {
        "seed": range(SEEDS),
        "attack": ["worst"],
        "eps": np.float32([0.05, 0.1]),
        "convolution": ["conv1", "conv2"],
        "reading": ["layer", "filter", "fixed"],
        "membership": ["signed", "magnitude"],
        "measure": ["entropy", "quadratic", "linear", "yager"],
    }
    variables = {
        "accuracy": (("arm", "seed", "attack", "eps"), accuracy),
        "finished": (("arm", "seed"), np.ones((4, SEEDS), bool)),
        "fuzziness": (
            ("arm", "seed", "convolution", "reading", "membership", "measure"),
            fuzziness,
        ),
    }
    return xr.Dataset(variables, labels)


def test_differences_are_against_the_own_base_and_seed():
    found = cause.paired(table(), cause.robust(table()))
    assert found.arm.values.tolist() == [arm.name for arm in ARMS[2:]]
    np.testing.assert_allclose(found, 0.3)


def test_effects_have_the_axes_of_their_values():
    found = cause.paired_effect(table(), table().accuracy)
    assert found["mean"].dims == ("arm", "attack", "eps")
    np.testing.assert_allclose(found["mean"], 0.3)
    np.testing.assert_allclose(found.low, 0.3)


def test_the_effect_of_adversarial_training_is_against_the_plain_arm():
    arms = [Arm(), Arm(eps=0.1), Arm("l1", 0.1, eps=0.1), Arm(eps=0.2)]
    noise = np.random.default_rng(0).normal(0, 1, SEEDS)
    labels = coordinates(arms) | {"seed": range(SEEDS)}
    values = np.array([0.5, 0.2, 0.0, 0.9])[:, None] + noise
    finished = np.ones(values.shape, bool)
    one = xr.Dataset({"values": (("arm", "seed"), values), "finished": (("arm", "seed"), finished)}, labels)
    found = cause.hardening(one, one["values"])
    assert found.arm.values.tolist() == ["none eps 0.1", "none eps 0.2"]
    np.testing.assert_allclose(found["mean"], [-0.3, 0.4])
    np.testing.assert_allclose(found.high, [-0.3, 0.4])
    for arm in (slice(0, 1), slice(1, None)):
        with refuses("table has the arms", "it takes 'none', and with an eps"):
            cause.hardening(one.isel(arm=arm), one["values"].isel(arm=arm))
    one.finished[3, 1] = False
    assert cause.hardening(one, one["values"]).arm.values.tolist() == ["none eps 0.1"], "one diverged"


def test_fuzziness_is_by_the_arms_own_reading():
    one = table()
    found = cause.own_fuzziness(one)
    place = {"reading": "fixed", "membership": "magnitude", "measure": "entropy"}
    cells = one.fuzziness.sel(place).transpose("arm", "seed", "convolution").values
    means = (cells * [150, 2400]).sum(-1) / 2550
    np.testing.assert_allclose(found.sel(arm=ARMS[3].name), means[3] - means[1])


def test_fuzziness_is_by_one_membership_for_all_arms():
    one = table()
    found = cause.changed_fuzziness(one, "magnitude")
    place = {"reading": "layer", "membership": "magnitude", "measure": "entropy"}
    cells = one.fuzziness.sel(place).transpose("arm", "seed", "convolution").values
    means = (cells * [150, 2400]).sum(-1) / 2550
    np.testing.assert_allclose(found, [means[2] - means[0], means[3] - means[1]])
    assert found.dims == ("arm", "seed")


def test_what_goes_with_robustness_is_ranked():
    one = penalties()  # a strength takes from accuracy and from fuzziness alike
    for name in ("l1", "l2", "gain", "sensitivity"):
        one[name] = one[name].isel(arm=0, drop=True) * np.exp(-cause.robust(one))
    found = cause.companions(one)
    np.testing.assert_allclose(found, [1, 1, -1, -1, -1, -1])
    assert found.thing.values[1] == "fuzziness F, magnitude"
    with refuses("eps must be one of, got 0.7"):
        cause.companions(one, eps=0.7)


@given(st.integers(0, 99))
def test_explained_alone_is_the_squared_correlation(seed):
    x, y, z = np.random.default_rng(seed).normal(size=(3, 30))
    found = cause.explained(z, {"x": x, "y": y})
    assert found["x"] == pytest.approx(stats.pearsonr(x, z).statistic ** 2)
    assert found["all"] >= max(found["x"], found["y"]) - 1e-12


def test_an_arm_that_diverged_is_left_out():
    one = table()
    one.finished[2, 1] = False
    assert cause.paired(one, cause.robust(one)).arm.values.tolist() == [ARMS[3].name]


def test_causes_at_right_angles_add_what_they_explain_alone():
    x = np.array([1.0, 1.0, -1.0, -1.0, 0.0, 0.0])
    y = np.array([1.0, -1.0, 1.0, -1.0, 0.0, 0.0])
    found = cause.explained(2 * x + y, {"x": x, "y": y})
    assert found["x added"] == pytest.approx(found["x"]) and found["x"] == pytest.approx(0.8)
    assert found["y added"] == pytest.approx(0.2)


def test_explained_by_hand():
    x, y = np.random.default_rng(1).normal(size=(2, 50))
    found = cause.explained(3 * x - 1, {"x": x, "y": y})
    assert found["x"] == pytest.approx(1) and found["y added"] == pytest.approx(0, abs=1e-9)
    with refuses("outcome has 3 rows; 2 causes take 4"):
        cause.explained(x[:3], {"x": x[:3], "y": y[:3]})


def test_rank_correlation():
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert cause.rank_correlation(x, np.exp(x)) == pytest.approx(1)
    assert cause.rank_correlation(x, -x) == pytest.approx(-1)
