"""Crisp networks: what is made by hand is what it says, and what is to be found is told apart."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from helpers.small import lenet, train
from minmax_jax.models.pixels import OnPixels, Squashed
from minmax_jax.study.design.crisp import BY_HAND, BY_LOSS, UNITS, Made, by_layer, made_kernel
from minmax_jax.units import margins


@pytest.mark.parametrize("taps", [1, 2, 5, 25])
def test_a_made_kernel_has_equal_taps_around_its_centre(taps):
    kernel = made_kernel((5, 5, 1, 6), taps, 20.0)
    assert ((kernel != 0).sum((0, 1, 2)) == taps).all()
    np.testing.assert_allclose(kernel.sum((0, 1, 2)), 20, rtol=1e-6)
    assert kernel[2, 2, 0, 0] == kernel.max()
    assert len({kernel[..., number].tobytes() for number in range(6)}) == (6 if taps < 25 else 1)
    with pytest.raises(ValueError, match=r"taps must be in \[1, 25\]"):
        made_kernel((5, 5, 1, 6), 26, 1.0)


def test_a_made_unit_compares_a_pixel_with_its_threshold():
    model = Made(1, 20.0, 0.3).model(0)
    images = jnp.asarray(np.random.default_rng(0).random((2, 28, 28, 1)), jnp.float32)
    outputs = model.conv1(images)
    np.testing.assert_allclose(outputs[..., 0], 20 * (images[..., 0] - 0.3), atol=1e-4)
    away = margins(outputs, model.conv1.kernel[...])[..., 0]
    np.testing.assert_allclose(away, jnp.abs(images[..., 0] - 0.3), atol=1e-5)
    np.testing.assert_array_equal(model.conv2.kernel[...], Made(0).model(0).conv2.kernel[...])


def test_filters_for_the_dark_are_on_where_the_others_are_off():
    images = jnp.asarray(np.random.default_rng(0).random((1, 28, 28, 1)), jnp.float32)
    bright, dark = (Made(1, 20.0, 0.3, dark=turned).model(0).conv1(images) for turned in (0, 2))
    np.testing.assert_array_equal(dark[..., :4], bright[..., :4])
    np.testing.assert_allclose(dark[..., 4:], -bright[..., 4:], atol=1e-5)


def test_squashed_pixels_are_nearly_binary():
    inner = lenet()
    model = OnPixels(inner, Squashed(80.0, 0.5))
    images = jnp.array([0.1, 0.9]).reshape(2, 1, 1, 1) * jnp.ones((1, 28, 28, 1))
    np.testing.assert_allclose(model(images), inner(jnp.round(images)), atol=1e-4)


def test_what_is_made_stays_unless_it_learns():
    for arm, stays in ((Made(1, 20.0), True), (Made(1, 20.0, learns=True), False)):
        start = arm.model(0)
        options = arm.training()
        found = train(start, options["objective"], optimiser=options["optimiser"]).model
        assert np.array_equal(found.conv1.kernel[...], start.conv1.kernel[...]) == stays
        assert not np.array_equal(found.conv2.kernel[...], start.conv2.kernel[...])


def test_the_first_convolution_learns_at_a_rate_of_its_own():
    start, sgd = lenet(), by_layer(2e-2)
    found = train(start, optimiser=sgd, epochs=1).model
    steps = [
        float(jnp.abs(getattr(found, name).kernel[...] - getattr(start, name).kernel[...]).max())
        for name in ("conv1", "conv2", "dense1")
    ]
    assert steps[0] > 3 * max(steps[1:]) and isinstance(sgd, optax.GradientTransformationExtraArgs)


def test_arms_are_named_apart():
    for arms in (BY_HAND, BY_LOSS):
        assert len({arm.name for arm in arms}) == len(arms)
    assert UNITS.name == "classic, units 100" and len(UNITS.terms) == 2
    assert [str(arm.terms) for arm in BY_LOSS[:2]] == ["()", "()"]
