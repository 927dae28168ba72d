"""Convolutions with a fast derivative equal those of JAX, in values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from minmax_jax.cpu.convolution import AXES, FEW, conv_general_dilated

pytestmark = pytest.mark.versions

two = st.tuples(st.integers(1, 3), st.integers(1, 3))
ends = st.tuples(st.integers(-1, 3), st.integers(-1, 3))


@st.composite
def convolutions(draw):
    """Images, a kernel and the further arguments of a convolution, in float32, of whole numbers."""
    window, strides, dilation = draw(two), draw(two), draw(st.sampled_from([(1, 1), (2, 1), (2, 3)]))
    groups, inputs, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    if draw(st.booleans()):
        inputs = 1  # depthwise
    least = [(k - 1) * d + 3 for k, d in zip(window, dilation, strict=True)]
    sides = [draw(st.integers(size, size + 4)) for size in least]
    padding = draw(st.one_of(st.sampled_from(["SAME", "VALID"]), st.tuples(ends, ends)))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    images = rng.integers(-3, 4, (draw(st.integers(1, 3)), *sides, inputs * groups))
    kernel = rng.integers(-3, 4, (*window, inputs, outputs * groups))
    options = {"window_strides": strides, "padding": padding, "rhs_dilation": dilation}
    arrays = jnp.asarray(images, jnp.float32), jnp.asarray(kernel, jnp.float32)
    return *arrays, options | {"feature_group_count": groups, "dimension_numbers": AXES}


def with_gradients(convolution, images, kernel, options):
    """Outputs, and the gradients of images and kernel for a gradient of the outputs that is drawn."""
    outputs, pull = jax.vjp(lambda x, w: convolution(x, w, **options), images, kernel)
    gradient = np.random.default_rng(1).integers(-3, 4, outputs.shape)
    return outputs, *pull(jnp.asarray(gradient, outputs.dtype))


@given(convolutions())
@settings(max_examples=60)
def test_values_and_gradients_are_those_of_jax(case):
    images, kernel, options = case
    ours = with_gradients(conv_general_dilated, images, kernel, options)
    for got, right in zip(ours, with_gradients(lax.conv_general_dilated, *case), strict=True):
        np.testing.assert_array_equal(got, right)  # whole numbers add up exactly


@pytest.mark.parametrize("cin", [FEW // 9, FEW // 9 + 1, 40])  # by patches, and as XLA's own
def test_rounding_is_that_of_float32(cin):
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.normal(size=(4, 12, 12, cin)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, cin, 8)), jnp.float32)
    options = {"window_strides": (2, 2), "padding": "SAME", "dimension_numbers": AXES}
    ours = with_gradients(conv_general_dilated, images, kernel, options)
    for got, right in zip(
        ours, with_gradients(lax.conv_general_dilated, images, kernel, options), strict=True
    ):
        np.testing.assert_allclose(got, right, rtol=1e-5, atol=1e-5 * float(abs(right).max()))


@pytest.mark.parametrize(
    ("images", "kernel", "options"),
    [
        ((2, 9, 3), (3, 3, 4), {"dimension_numbers": ("NHC", "HIO", "NHC")}),
        ((2, 3, 9, 9), (4, 3, 3, 3), {}),  # JAX's own order of axes
        ((2, 9, 9, 3), (3, 3, 3, 4), {"dimension_numbers": AXES, "lhs_dilation": (2, 2)}),
        ((0, 9, 9, 3), (3, 3, 3, 4), {"dimension_numbers": AXES}),
        ((2, 9, 9, 3), (3, 3, 3, 4), {"dimension_numbers": AXES, "precision": lax.Precision.HIGHEST}),
    ],
    ids=["1-D", "NCHW", "spaced images", "no images", "precision"],
)
def test_what_is_not_covered_runs_as_in_jax(images, kernel, options):
    rng = np.random.default_rng(0)
    images, kernel = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in (images, kernel))
    zeros = ((0, 0),) * (kernel.ndim - 2)
    options = {"window_strides": (1,) * len(zeros), "padding": zeros, **options}
    programs = [
        jax.make_jaxpr(lambda x, w, by=by: by(x, w, **options))(images, kernel)
        for by in (conv_general_dilated, lax.conv_general_dilated)
    ]
    assert str(programs[0]) == str(programs[1])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_other_dtypes_run_as_in_jax(dtype):
    images, kernel = jnp.ones((1, 5, 5, 2), dtype), jnp.ones((3, 3, 2, 2), dtype)
    found = conv_general_dilated(images, kernel, (1, 1), "VALID", dimension_numbers=AXES)
    assert found.dtype == dtype
    assert (found == 18).all()
