"""Theory against practice: gradients, drift and flow of networks, compared with other ways to them."""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.small import digits, lenet, same_weights, train
from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import initial_bound
from minmax_jax.minmax import sign_test
from minmax_jax.objective import cross_entropy
from minmax_jax.study.experiments import theory
from minmax_jax.study.experiments.drift import loss_gradient, weight_drift
from minmax_jax.study.experiments.flow import FLOW, explained_by_flow
from minmax_jax.theory import descend

pytestmark = pytest.mark.slow

SHAPES = {"conv1": (5, 5, 1, 6), "conv2": (5, 5, 6, 16)}


def test_sharpening_by_hand():
    kernel = jnp.array([0.0, 0.25, 0.5, 1.0]).reshape(1, 1, 1, 4)
    model = {"conv1": {"kernel": kernel}, "conv2": {"kernel": kernel}}
    found = theory.sharpening(model)["sharpened"][0]
    quadratic = found[:, MEASURES.index("quadratic")]
    # mu = 0, 1/4, 1/2, 1; at factor 1: 4 mu (1 - mu) = 0, 3/4, 1, 0; at 0.5: mu = 1/4, 3/8, 1/2, 3/4
    assert quadratic[theory.SHARPNESS.index(1.0)] == pytest.approx(1.75 / 4)
    assert quadratic[theory.SHARPNESS.index(0.5)] == pytest.approx((0.75 + 0.9375 + 1 + 0.75) / 4)
    assert quadratic[theory.SHARPNESS.index(2.0)] == pytest.approx(1 / 4)


def test_the_identities_hold_to_rounding_and_are_really_looked_at(monkeypatch):
    found = theory.identity(lenet())
    assert (found["identity_magnitude"] < 1e-5).all() and (found["identity_signed"] < 1e-5).all()
    monkeypatch.setattr(theory, "amplification_parts", lambda kernel: (jnp.ones(kernel.shape[-1]), 1.0))
    assert (theory.identity(lenet())["identity_magnitude"] > 0.1).all()


def test_the_gradient_is_that_of_cross_entropy():
    images, labels = (jnp.asarray(one[:50]) for one in (digits().train.images, digits().train.labels))
    expected = mm.kernels(nnx.grad(lambda model: cross_entropy(model(images), labels))(lenet()))
    for name, slope in loss_gradient(lenet(), images, labels).items():
        np.testing.assert_allclose(slope, expected[name], atol=1e-6)


@pytest.fixture(scope="module")
def drifted():
    return weight_drift(lenet(), digits(), 0, epochs=2, looks=5, count=100)


def test_drift_is_the_change_of_membership_in_the_training_of_fit(drifted):
    model, arrays = drifted
    assert same_weights(model, train().model)
    for name in SHAPES:
        first, last = (mm.kernels(one)[name] for one in (lenet(), model))
        before, after = (mm.memberships(w, mm.interval(w, "fixed")) for w in (first, last))
        inside = np.abs(np.asarray(last).ravel()) < initial_bound(first.shape)
        change = np.asarray(after - before).ravel()
        np.testing.assert_allclose(arrays[f"drift_{name}"][inside], change[inside], atol=1e-6)
        np.testing.assert_allclose(arrays[f"start_{name}"], np.asarray(before).ravel(), atol=1e-6)
        assert ((arrays[f"sign_constancy_{name}"] >= 0) & (arrays[f"sign_constancy_{name}"] <= 1)).all()
        assert set(np.unique(arrays[f"direction_{name}"])) <= {-1, 0, 1}


def test_weights_with_a_steady_gradient_go_against_it(drifted):
    _, arrays = drifted
    steady = arrays["sign_constancy_conv2"] == 1
    assert steady.sum() > 100
    agree = np.sign(arrays["drift_conv2"]) == arrays["direction_conv2"]
    assert sign_test(int(agree[steady].sum()), int((~agree[steady]).sum())) < 1e-9
    assert agree[steady].mean() > agree[~steady].mean() > 0.5


def test_a_strong_term_explains_the_paths_and_lets_them_grow():
    """(1 + 8 r)^4, r of the layer, is what four steps give, a little below the flow; the loss adds little."""
    found = explained_by_flow(lenet(), digits(), 0, (0.0, 1000.0), 4)
    assert found["explained"].shape == (len(FLOW), 2, 2)
    np.testing.assert_allclose(found["explained"][:, 0], 0, atol=1e-6)
    assert (found["explained"][:, 1] > 0.99).all()
    assert found["predicted"][0].tolist() == [1, 1]
    assert (found["growth"][0] < found["growth"][1]).all()
    assert (found["growth"][1] < found["predicted"][1]).all()
    for k, shape in enumerate(SHAPES.values()):
        rate = 0.02 * 1000 / (2550 * (2 * initial_bound(shape)) ** 2)
        assert found["predicted"][1, k] == pytest.approx(np.exp(8 * rate * 4)) and np.exp(8 * rate * 4) > 1.1
        assert found["growth"][1, k] == pytest.approx((1 + 8 * rate) ** 4, rel=0.02)


def test_where_training_diverges_there_is_a_hole():
    start = lenet()
    start.dense3.kernel[...] = start.dense3.kernel[...] * 1e30
    found = explained_by_flow(start, digits(), 0, (1.0,), 4)
    assert np.isnan(found["explained"]).all() and np.isfinite(found["predicted"]).all()


def test_descent_on_fuzziness_is_what_fit_does():
    """With a loss that does not matter, ``descend`` predicts the trained memberships themselves."""
    short = mm.Dataset("short", digits().train[:512], digits().test, digits().class_names)
    aim = mm.Objective(strength=200_000.0, reading="fixed", measure="quadratic")
    run = mm.fit(lenet(), short, aim, optimiser=optax.sgd(2e-4), snapshots=2, progress=False)
    kernels = [mm.kernels(model)["conv2"] for model in (lenet(), run.model)]
    mu = [np.asarray(mm.memberships(w, mm.interval(w, "fixed"))).ravel() for w in kernels]
    rate = 2e-4 * 200_000.0 / (2550 * (2 * initial_bound(kernels[0].shape)) ** 2)
    np.testing.assert_allclose(descend(mu[0], "quadratic", rate, 4), mu[1], atol=2e-3)


def test_the_experiment_makes_one_table():
    setting = replace(theory.PLANS["theory"].quick, seeds=(0,))
    unit, told = setting.experiment("theory", "").units[0], []
    table = setting.table([unit.work(Path("unused"), told.append)])
    assert told == [0.6]
    assert table.sharpened.dims == ("seed", "layer", "sharpness", "measure")
    assert table.explained.dims == ("seed", "flow", "strength", "layer")
    assert table.sizes["weight_conv1"] == 150 and table.sizes["weight_conv2"] == 2400
    assert all(table[name].attrs["long_name"] and table[name].dtype == np.float32 for name in table.data_vars)
    assert (table.sharpened.diff("sharpness") <= 1e-6).all()
    assert (table.sharpened.sel(sharpness=100) < 0.2).all() and (
        table.sharpened.sel(sharpness=0.5) > 0.7
    ).all()
