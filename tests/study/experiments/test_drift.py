"""Drift: gradients and changes are those of the network, and the training is that of ``fit``."""

import jax
import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.small import digits, lenet, same_weights, train
from minmax_jax.intervals import initial_bound
from minmax_jax.minmax import sign_test
from minmax_jax.objective import cross_entropy
from minmax_jax.study.experiments.drift import drift, loss_gradient


@pytest.fixture(scope="module")
def found():
    return drift(lenet(), digits(), 0, epochs=2, looks=5, count=100)


def test_the_network_is_the_one_that_fit_trains(found):
    model, _ = found
    assert same_weights(model, train().model)


def test_drift_is_the_change_of_membership(found):
    model, arrays = found
    for name in ("conv1", "conv2"):
        first, last = (mm.kernels(one)[name] for one in (lenet(), model))
        before, after = (mm.memberships(w, mm.interval(w, "fixed")) for w in (first, last))
        inside = np.abs(np.asarray(last).ravel()) < initial_bound(first.shape)
        change = np.asarray(after - before).ravel()
        np.testing.assert_allclose(arrays[f"drift_{name}"][inside], change[inside], atol=1e-6)
        np.testing.assert_allclose(arrays[f"start_{name}"], np.asarray(before).ravel(), atol=1e-6)
        assert ((arrays[f"sign_constancy_{name}"] >= 0) & (arrays[f"sign_constancy_{name}"] <= 1)).all()
        assert set(np.unique(arrays[f"direction_{name}"])) <= {-1, 0, 1}


def test_the_gradient_is_that_of_cross_entropy():
    images, labels = digits().train.images[:50], digits().train.labels[:50]

    def loss(model):
        return cross_entropy(model(images), labels)

    expected = mm.kernels(nnx.grad(loss)(lenet()))
    for name, slope in loss_gradient(lenet(), jax.numpy.asarray(images), jax.numpy.asarray(labels)).items():
        np.testing.assert_allclose(slope, expected[name], atol=1e-6)


def test_weights_with_a_steady_gradient_go_against_it(found):
    _, arrays = found
    steady = arrays["sign_constancy_conv2"] == 1
    assert steady.sum() > 100
    agree = np.sign(arrays["drift_conv2"]) == arrays["direction_conv2"]
    assert sign_test(int(agree[steady].sum()), int((~agree[steady]).sum())) < 1e-9
    assert agree[steady].mean() > agree[~steady].mean() > 0.5
