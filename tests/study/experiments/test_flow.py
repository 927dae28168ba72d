"""The flow of fuzziness alone against networks: those in which nothing else matters, and others."""

import numpy as np
import optax
import pytest

import minmax_jax as mm
from helpers.small import digits, lenet
from minmax_jax.intervals import initial_bound
from minmax_jax.study.experiments.flow import FLOW, flow
from minmax_jax.theory import descend
from minmax_jax.training import Diverged, Run


@pytest.fixture(scope="module")
def found():
    return flow(lenet(), digits(), 0, (0.0, 1000.0), 4)


def test_a_strong_term_explains_the_paths_and_none_explains_nothing(found):
    explained = found["explained"]
    assert explained.shape == (len(FLOW), 2, 2)
    np.testing.assert_allclose(explained[:, 0], 0, atol=1e-6)
    assert (explained[:, 1] > 0.99).all()


def test_trained_weights_grow_as_the_flow_predicts(found):
    """Many steps of a small rate would be the flow; four of a larger one lie a little below it."""
    assert found["predicted"][0].tolist() == [1, 1]  # strength 0
    assert (found["predicted"][1] > 1.1).all()
    assert (found["growth"][1] < found["predicted"][1]).all()
    assert (found["growth"][1] > found["growth"][0]).all()


def test_the_growth_in_discrete_steps(found):
    """(1 + 8 r)^4 with r of the layer is what four steps give; the loss adds a little."""
    for k, shape in enumerate([(5, 5, 1, 6), (5, 5, 6, 16)]):
        rate = 0.02 * 1000 / (2550 * (2 * initial_bound(shape)) ** 2)
        assert found["predicted"][1, k] == pytest.approx(np.exp(8 * rate * 4))
        assert found["growth"][1, k] == pytest.approx((1 + 8 * rate) ** 4, rel=0.02)


def test_where_training_diverges_there_is_a_hole(monkeypatch):
    def diverge(*_, **__):
        raise Diverged("too far", Run(lenet(), None, "diverged"))

    monkeypatch.setattr("minmax_jax.study.experiments.flow.fit", diverge)
    found = flow(lenet(), digits(), 0, (1.0,), 4)
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
