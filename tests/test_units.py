"""Crisp filters make crisp units: margins, bounds, stable units, and what their sides tell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minmax_jax as mm
from helpers.refusal import unchecked
from minmax_jax.units import margins, stable, unit_bounds, unit_information, unit_memberships, unstable_share

SHAPE = (2, 5, 6, 2)
WINDOWS = ((1, 1), (3, 3), (2, 3))


def layer(seed, window=(3, 3), cout=4):
    """Kernel, bias, and images of which many pixels are near the ends of the box."""
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(*window, SHAPE[3], cout)).astype(np.float32)
    images = np.clip(rng.normal(0.5, 0.5, SHAPE), 0, 1).astype(np.float32)
    return kernel, rng.normal(size=cout).astype(np.float32), images


def norms(kernel):
    return np.abs(kernel).sum((0, 1, 2))


cases = given(
    st.integers(0, 99),
    st.floats(0, 0.7),
    st.sampled_from(WINDOWS),
    st.sampled_from(["SAME", "VALID", 1]),
    st.booleans(),
)


@cases
@settings(max_examples=25)
def test_no_perturbation_leaves_the_bounds_or_crosses_a_stable_unit(seed, eps, window, padding, boxed):
    kernel, bias, images = layer(seed, window)
    low, high = unit_bounds(kernel, bias, images, eps, padding=padding, boxed=boxed)
    keeps = np.asarray(stable(low, high))
    low, high, y = map(np.asarray, (low, high, mm.convolve(images, kernel, bias, padding)))
    small = 1e-5 * (norms(kernel) + np.abs(bias))
    rng = np.random.default_rng(seed)
    changes = [rng.uniform(-eps, eps, SHAPE), eps * rng.choice([-1, 1], SHAPE)]
    # sign attacks on y: up and down, on all units of a channel and of a random part of them
    part = rng.random(y.shape) < 0.3
    channel = np.arange(len(bias)) == rng.integers(len(bias))
    for weights in (np.broadcast_to(channel, y.shape), part * rng.choice([-1, 1], y.shape)):
        (slope,) = jax.vjp(lambda x: mm.convolve(x, kernel, bias, padding), images)[1](jnp.float32(weights))
        changes += [eps * np.sign(slope), -eps * np.sign(slope)]
    for change in changes:
        moved = images + np.asarray(change, np.float32)
        moved = np.clip(moved, 0, 1) if boxed else moved
        attacked = np.asarray(mm.convolve(moved, kernel, bias, padding))
        assert (attacked >= low - small).all() and (attacked <= high + small).all()
        assert ((np.sign(attacked) == np.sign(y)) | (np.abs(attacked) <= small))[keeps].all()
    assert (low <= y + small).all() and (high >= y - small).all()


@given(
    st.integers(0, 99), st.floats(0, 0.7), st.sampled_from(WINDOWS), st.booleans(), st.sampled_from([-1, 1])
)
@settings(max_examples=25)
def test_bounds_are_attained_by_the_signs_of_the_weights(seed, eps, window, boxed, side):
    kernel, bias, images = layer(seed, window)
    patch = images[:, : window[0], : window[1]]
    found = unit_bounds(kernel, bias, patch, eps, padding="VALID", boxed=boxed)[side > 0]
    for channel in range(len(bias)):
        moved = patch + np.float32(side * eps) * np.sign(kernel[..., channel])
        moved = np.clip(moved, 0, 1) if boxed else moved
        attained = mm.convolve(moved, kernel, bias)[..., channel]
        np.testing.assert_allclose(found[..., channel], attained, atol=1e-5 * norms(kernel)[channel])


@given(st.integers(0, 99), st.floats(0.01, 0.7), st.sampled_from(WINDOWS))
@settings(max_examples=25)
def test_the_margin_tells_what_is_stable(seed, eps, window):
    kernel, bias, images = layer(seed, window)
    y = mm.convolve(images, kernel, bias)
    margin = np.asarray(margins(y, kernel))
    np.testing.assert_allclose(margin, np.abs(y) / norms(kernel), rtol=1e-5)
    clear = np.abs(margin - eps) > 1e-4  # of what rounding could turn
    free, boxed = (
        np.asarray(stable(*unit_bounds(kernel, bias, images, eps, padding="VALID", boxed=one)))
        for one in (False, True)
    )
    assert (free == (margin > eps))[clear].all()
    assert boxed[free & clear].all()


@given(st.integers(0, 99), st.floats(0.05, 0.95), st.floats(0.1, 10), st.sampled_from([-1, 1]))
def test_one_tap_has_the_distance_to_its_threshold_as_its_margin(seed, theta, size, sign):
    pixels = layer(seed)[2][..., :1]
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, 1] = sign * size
    bias = np.array([-theta * sign * size], np.float32)
    margin = margins(mm.convolve(pixels, kernel, bias, "SAME"), kernel)
    np.testing.assert_allclose(margin, np.abs(pixels - theta), atol=1e-5)


def test_pixels_near_the_ends_leave_one_tap_stable_and_a_mean_of_taps_not():
    pixels = np.random.default_rng(0).choice([0.05, 0.95], (4, 8, 8, 1)).astype(np.float32)
    tap = np.zeros((3, 3, 1, 1), np.float32)
    tap[1, 1] = 1
    equal = np.ones_like(tap) / 9
    tapped, meant = (
        unstable_share(*unit_bounds(w, np.array([-0.5], np.float32), pixels, 0.4, padding="VALID"))
        for w in (tap, equal)
    )
    assert tapped.tolist() == [0] and meant[0] > 0.9


@given(st.integers(0, 99), st.floats(1e-3, 1e3))
def test_nothing_depends_on_the_scale_of_the_weights(seed, scale):
    kernel, bias, images = layer(seed)
    kernels, biases = (kernel, np.float32(scale) * kernel), (bias, np.float32(scale) * bias)
    ys = [mm.convolve(images, w, b) for w, b in zip(kernels, biases, strict=True)]
    one, other = (margins(y, w) for y, w in zip(ys, kernels, strict=True))
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    one, other = (unit_memberships(y, w, 0.1) for y, w in zip(ys, kernels, strict=True))
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_by_hand():
    kernel = jnp.array([[[[2.0]], [[-1.0]]]])  # y = 2 x0 - x1 + 0.4
    x = jnp.array([0.1, 0.9]).reshape(1, 1, 2, 1)
    bias = jnp.array([0.4])
    y = mm.convolve(x, kernel, bias)
    assert float(y[0, 0, 0, 0]) == pytest.approx(-0.3)
    assert float(margins(y, kernel)[0, 0, 0, 0]) == pytest.approx(0.1)
    free = unit_bounds(kernel, bias, x, 0.2, padding="VALID", boxed=False)
    assert [float(end[0, 0, 0, 0]) for end in free] == pytest.approx([-0.9, 0.3])
    # in the box, the pixels reach from 0 to 0.3 and from 0.7 to 1
    within = unit_bounds(kernel, bias, x, 0.2, padding="VALID")
    assert [float(end[0, 0, 0, 0]) for end in within] == pytest.approx([-0.6, 0.3])
    assert float(unit_memberships(y, kernel, 0.1)[0, 0, 0, 0]) == pytest.approx(1 / (1 + np.e))
    # without padding to see, the borders of "SAME" have the outputs of zeros that stay
    low, high = unit_bounds(kernel, None, x, 0.2)
    assert float(low[0, 0, 1, 0]) == pytest.approx(1.4) and float(high[0, 0, 1, 0]) == pytest.approx(2)
    low, high = np.array([[0.1, -1, -2, 0]]), np.array([[1, 0.1, -0.1, 0]])
    assert stable(low, high).tolist() == [[True, False, True, False]]
    assert unstable_share(np.repeat(low, 2, 0), high.repeat(2, 0)).tolist() == [0, 1, 0, 1]


def test_information_by_hand():
    sides = np.array([0.0, 1.0, 0.0, 1.0])
    shown = np.array([0.0, 0.0, 0.0, 1.0])
    one_quarter = -0.25 * np.log2(0.25) - 0.75 * np.log2(0.75)
    columns = np.stack([sides, shown, np.full(4, 0.3), 0.5 + 0.4 * (2 * sides - 1)], -1)
    h = -0.1 * np.log2(0.1) - 0.9 * np.log2(0.9)
    np.testing.assert_allclose(unit_information(columns), [1, one_quarter, 0, 1 - h], atol=1e-6)
    np.testing.assert_allclose(unit_information(columns.reshape(2, 1, 2, 4)), unit_information(columns))


@given(st.integers(0, 99))
def test_information_is_between_none_and_the_entropy_of_the_mean(seed):
    mu = np.random.default_rng(seed).beta(0.3, 0.3, (50, 3)).astype(np.float32)
    told = np.asarray(unit_information(mu))
    assert (told >= -1e-6).all() and (told <= mm.degree(mu.mean(0)) + 1e-6).all()


@pytest.mark.parametrize("scale", [0, 1e-30, 1e-18, 1, 1e6])
@pytest.mark.parametrize("tau", [1e-6, 0.1])
@pytest.mark.parametrize("bias", [0.0, 0.3])
def test_gradients_are_finite_also_without_weights(scale, tau, bias):
    kernel, _, images = layer(0)
    kernel = kernel.copy() * np.float32(scale)
    kernel[..., 0] = 0

    @jax.jit
    def loss(w, b):
        y = mm.convolve(images, w, b)
        return unit_information(unit_memberships(y, w, tau)).sum(), margins(y, w)[..., 1:].mean()

    for slopes in jax.jacrev(loss, argnums=(0, 1))(jnp.asarray(kernel), jnp.full(4, bias)):
        assert all(bool(jnp.isfinite(one).all()) for one in slopes)


def test_units_without_weights_are_where_their_bias_puts_them():
    y, kernel = jnp.array([[-1.0, 0.0, 2.0]]), jnp.zeros((3, 3, 1, 3))
    assert margins(y, kernel).tolist() == [[np.inf, 0, np.inf]]
    assert unit_memberships(y, kernel, 0.1).tolist() == [[0, 0.5, 1]]
    bounds = unit_bounds(kernel, y[0], jnp.ones((1, 4, 4, 1)), 0.3)
    assert stable(*bounds)[0, 0, 0].tolist() == [True, False, True]


@unchecked()
def test_half_precision_counts_as_the_same_numbers_in_float32():
    kernel, bias, images = layer(0)
    half = [one.astype(jnp.bfloat16) for one in (kernel, bias, images)]
    wide = [one.astype(np.float32) for one in half]
    np.testing.assert_array_equal(unit_bounds(*half, 0.1), unit_bounds(*wide, 0.1))
    y = mm.convolve(wide[2], wide[0], wide[1])
    np.testing.assert_array_equal(margins(y, half[0]), margins(y, wide[0]))
