"""ReLU and scaled tanh lie between their lines, which touch them where they can."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minmax_jax.certify.activations import Lines, Relu, Tanh
from minmax_jax.certify.bounds import Bounds

ends = st.lists(st.floats(-9, 9, width=32), min_size=16, max_size=16)


def between(low, high, count=65):
    """``count`` values from each low to its high."""
    return low[None] + (high - low)[None] * np.linspace(0, 1, count)[:, None]


def lines_of(activation, low, high):
    found = jax.jit(activation.lines)(Bounds(jnp.asarray(low), jnp.asarray(high)))
    return Lines(*(np.asarray(part, np.float64) for part in found))


def curve(activation, x):
    """The function in float64, written anew."""
    return np.maximum(x, 0) if isinstance(activation, Relu) else 1.7159 * np.tanh(2 / 3 * x)


@pytest.mark.parametrize("activation", [Relu(), Tanh()], ids=["relu", "tanh"])
@given(ends, ends)
@settings(max_examples=40)
def test_the_function_is_between_its_lines(activation, one, other):
    one, other = np.float32(one), np.float32(other)
    low, high = np.minimum(one, other), np.maximum(one, other)
    lines = lines_of(activation, low, high)
    x = between(low.astype(np.float64), high.astype(np.float64))
    y = curve(activation, x)
    assert (lines.low_slope * x + lines.low_offset <= y + 1e-5).all()
    assert (lines.high_slope * x + lines.high_offset >= y - 1e-5).all()


@pytest.mark.parametrize("activation", [Relu(), Tanh()], ids=["relu", "tanh"])
@pytest.mark.parametrize("width", [0.0, 1e-7, 1e-5, 1e-3])
def test_between_narrow_bounds_the_lines_are_the_function(activation, width):
    low = np.linspace(-4, 4, 17).astype(np.float32)
    lines = lines_of(activation, low, low + np.float32(width))
    y = curve(activation, low.astype(np.float64))
    for slope, offset in (lines[:2], lines[2:]):
        np.testing.assert_allclose(slope * low + offset, y, atol=2 * width + 1e-6)


def test_the_chord_and_the_adaptive_slope_of_relu():
    low, high = np.float32([-1, -3, -2, 1]), np.float32([3, 1, 0, 2])
    lines = lines_of(Relu(), low, high)
    np.testing.assert_allclose(lines.high_slope, [0.75, 0.25, 0, 1])
    np.testing.assert_allclose(lines.high_offset, [0.75, 0.75, 0, 0])
    np.testing.assert_allclose(lines.low_slope, [1, 0, 0, 1])  # x where high > -low, else 0
    np.testing.assert_allclose(lines.low_offset, 0)


def test_lines_of_tanh_touch_it():
    """A bound that is loose everywhere would be sound, and of little use."""
    low = np.float32([-3, -1, 0.5, -4, -0.5])
    high = np.float32([3, 2, 4, -0.5, 0.1])
    lines = lines_of(Tanh(), low, high)
    x = between(low, high, 2001)
    y = curve(Tanh(), x)
    assert ((lines.high_slope * x + lines.high_offset - y).min(0) < 1e-4).all()
    assert ((y - lines.low_slope * x - lines.low_offset).min(0) < 1e-4).all()
    symmetric = lines.high_slope[0] * low[0] + lines.high_offset[0]
    np.testing.assert_allclose(symmetric, curve(Tanh(), low[0]), atol=1e-4)  # a tangent through this end
