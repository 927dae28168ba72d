"""Max-pooling with a fast derivative equals that of Flax, ties included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from minmax_jax.cpu.pool import reduce_window_max

pytestmark = pytest.mark.versions

sides = st.integers(1, 3)


def ours(images, window, strides, padding):
    return reduce_window_max(
        images,
        window_dimensions=(1, *window, 1),
        window_strides=(1, *strides, 1),
        padding=((0, 0), *padding, (0, 0)),
        base_dilation=(1,) * 4,
        window_dilation=(1,) * 4,
    )


@given(st.tuples(sides, sides), st.integers(3, 8), st.integers(3, 8), st.integers(0, 9))
@settings(max_examples=40)
def test_values_and_gradients_are_those_of_flax(window, height, width, seed):
    rng = np.random.default_rng(seed)
    images = jnp.asarray(rng.integers(-1, 2, (2, height, width, 2)), jnp.float32)  # many ties
    found, pull = jax.vjp(lambda x: ours(x, window, window, ((0, 0), (0, 0))), images)
    right, other = jax.vjp(lambda x: nnx.max_pool(x, window, window), images)
    np.testing.assert_array_equal(found, right)
    gradient = jnp.asarray(rng.normal(size=right.shape), jnp.float32)
    np.testing.assert_array_equal(pull(gradient)[0], other(gradient)[0])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.int32])
@pytest.mark.parametrize(("strides", "padding"), [((1, 1), ((0, 0), (0, 0))), ((2, 2), ((1, 1), (0, 1)))])
def test_overlapping_and_padded_windows_and_other_dtypes(strides, padding, dtype):
    images = jnp.asarray(np.random.default_rng(0).integers(-5, 0, (1, 5, 4, 2)), dtype)
    found = ours(images, (2, 2), strides, padding)
    assert found.dtype == dtype
    if dtype != jnp.int32:  # Flax pools integers with infinity, which they do not hold
        np.testing.assert_array_equal(found, nnx.max_pool(images, (2, 2), strides, padding))
