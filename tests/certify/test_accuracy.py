"""Verified accuracy: labelled, sound against attacks, and the clean accuracy without a radius."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from certify.nets import CLASSES, net, photos
from helpers.refusal import unchecked
from helpers.victims import victim
from minmax_jax.attacks import pgd
from minmax_jax.certify import margin_bounds, verified

pytestmark = pytest.mark.slow

RADII = [0.0, 0.005, 0.1, 0.3]


@pytest.fixture(scope="module")
def model():
    return victim("robust")


@pytest.fixture(scope="module")
def data():
    return mm.load("mnist").test[:60]


@pytest.fixture(scope="module")
def result(model, data):
    return verified(model, data, RADII, progress=False)


@pytest.fixture(scope="module")
def small():
    """A LeNet of the smallest kind, images as it classifies them but for the last, and all bounds of it."""
    images, _ = photos(12)
    labels = np.array(net()(images).argmax(-1))
    labels[-1] = (labels[-1] + 1) % CLASSES
    split = mm.Split(np.asarray(images), labels)
    methods = ("ibp", "crown-ibp", "crown")
    return net(), split, verified(net(), split, [0.0, 0.001, 0.005, 0.2], methods=methods, progress=False)


def test_the_result_is_labelled_and_without_radius_it_is_clean_accuracy(small):
    result = small[2]
    assert dict(result.sizes) == {"bound": 4, "eps": 4, "image": 12} and result.attrs["images"] == 12
    assert result.bound.values.tolist() == ["ibp", "crown-ibp", "crown", "combined"]
    assert result.eps.values.tolist() == [0.0, 0.001, 0.005, 0.2] and result.accuracy.dims == ("bound", "eps")
    assert result.certified.dims == result.margin.dims == ("bound", "eps", "image")
    np.testing.assert_allclose(result.accuracy, result.certified.mean("image"))
    np.testing.assert_allclose(result.accuracy.sel(eps=0), 11 / 12)
    parts, combined = result.isel(bound=slice(-1)), result.sel(bound="combined")
    np.testing.assert_array_equal(combined.certified, parts.certified.any("bound"))
    np.testing.assert_array_equal(combined.margin, parts.margin.max("bound"))


def test_it_falls_with_the_radius_and_tells_methods_apart(model, data, result, small):
    np.testing.assert_allclose(result.accuracy.sel(eps=0), mm.accuracy(model, data))
    for accuracy in (result.accuracy, small[2].accuracy):
        assert (np.diff(accuracy, axis=1) <= 0).all()
        assert (accuracy.isel(eps=-1) < accuracy.isel(eps=0)).all()
    ibp, crown_ibp = result.accuracy.values[:2]
    assert (crown_ibp >= ibp).all() and (crown_ibp > ibp + 0.1).any()
    *_, crown_ibp, crown, _ = small[2].margin.values
    assert (crown >= crown_ibp - 1e-4).all() and (crown > crown_ibp + 0.1).any()


def test_no_attack_breaks_a_certified_image(model, data, result, small):
    for network, split, bounds in ((model, data, result), small):
        truth = jnp.asarray(split.labels)
        attack = jax.jit(partial(pgd, network, steps=30, restarts=4, loss="margin"))
        broken = []
        for eps in bounds.eps.values[1:]:
            certified = bounds.certified.sel(bound="combined", eps=eps).values
            attacked = attack(jnp.asarray(split.images), truth, float(eps))
            right = np.asarray(network(attacked).argmax(-1) == truth)
            assert (right | ~certified).all()
            broken.append((~right).mean())
        assert network is not model or broken[-1] > broken[0]  # the attack is one


def test_margins_are_those_of_the_bounds_and_certificates_keep_a_reserve(small):
    model, data, result = small
    bounds = np.asarray(margin_bounds(model, data.images, data.labels, 0.005, "crown-ibp"))
    others = np.where(np.arange(CLASSES)[None] == data.labels[:, None], np.inf, bounds)
    margin = result.margin.sel(bound="crown-ibp", eps=0.005)
    np.testing.assert_allclose(margin, others.min(1), rtol=1e-4, atol=1e-4)
    each = result.isel(bound=slice(-1))
    assert (each.margin.where(each.certified, 1) > 0).all()


def test_a_margin_within_the_reserve_is_not_certified():
    """Of two classes with the same weights, neither is above the other: a bound of 0 proves nothing."""
    equal = nnx.clone(net())
    equal.dense3.kernel[...] = jnp.repeat(equal.dense3.kernel[...][:, :1], CLASSES, 1)
    equal.dense3.bias[...] = jnp.zeros(CLASSES).at[0].set(1e-7)
    images, labels = photos()
    split = mm.Split(np.asarray(images), np.zeros(len(labels), np.int32))
    got = verified(equal, split, [0.0, 0.1], methods=["ibp"], progress=False)
    assert (got.margin > 0).all()
    assert not got.certified.any()


def test_the_batch_size_changes_nothing(small):
    model, data, result = small
    got = verified(model, data, [0.005], methods=["crown-ibp"], batch_size=5, progress=False)
    expected = result.sel(bound=["crown-ibp"], eps=[0.005])
    np.testing.assert_allclose(got.margin[:1], expected.margin, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(got.certified[:1], expected.certified)


@pytest.mark.parametrize("variant", ["modern", "classic"])
@unchecked()
def test_bounds_are_float32_whatever_the_default(variant):
    images, labels = photos()
    plain = margin_bounds(net(variant), images, labels, 0.05, "crown")
    with jax.enable_x64(True):
        wide = np.asarray(images, np.float64)
        got = margin_bounds(net(variant), wide, np.asarray(labels), np.float64(0.05), "crown")
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, plain, rtol=1e-4, atol=1e-4)
