"""The simplified formulation of convolution equals ordinary convolution."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from minmax_jax import Conv, convolve, patches
from minmax_jax.convolution import explicit_padding
from refusal import refuses


def draw(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


def loop_convolution(images, kernel, bias, pads):
    """Convolution of stride 1 by its definition: one output at a time, in float64."""
    images, kernel, bias = (np.asarray(array, np.float64) for array in (images, kernel, bias))
    padded = np.pad(images, ((0, 0), *pads, (0, 0)))
    kh, kw, _, cout = kernel.shape
    oh, ow = padded.shape[1] - kh + 1, padded.shape[2] - kw + 1
    outputs = np.empty((len(images), oh, ow, cout))
    for n, i, j, c in itertools.product(range(len(images)), range(oh), range(ow), range(cout)):
        total = bias[c]
        for r, s in itertools.product(range(kh), range(kw)):
            total += padded[n, i + r, j + s] @ kernel[r, s, :, c]
        outputs[n, i, j, c] = total
    return outputs


def pads_of(padding, window):
    """The zeros of each padding, counted here anew."""
    if padding == "VALID":
        return (0, 0), (0, 0)
    if padding == "SAME":  # k - 1 zeros in all; the odd one comes last
        return tuple((low := (k - 1) // 2, k - 1 - low) for k in window)
    return ((padding, padding),) * 2 if isinstance(padding, int) else padding


sides = st.integers(0, 2)
paddings = st.one_of(
    st.sampled_from(["SAME", "VALID"]),
    sides,
    st.tuples(st.tuples(sides, sides), st.tuples(sides, sides)),
)
windows = st.tuples(st.integers(1, 4), st.integers(1, 4))
channels = st.integers(1, 3)


@given(st.integers(1, 2), st.integers(4, 6), st.integers(4, 6), windows, channels, channels, paddings)
@settings(max_examples=14)
def test_equals_nnx_conv_and_the_definition_in_values_and_gradients(
    n, height, width, window, cin, cout, padding
):
    images, kernel, bias = draw(0, (n, height, width, cin), (*window, cin, cout), (cout,))
    by_loop = loop_convolution(images, kernel, bias, pads_of(padding, window))
    (cotangent,) = draw(1, by_loop.shape)

    def theirs(images, kernel, bias):
        inits = {"kernel_init": lambda *_: kernel, "bias_init": lambda *_: bias}
        layer = nnx.Conv(cin, cout, window, padding=padding, **inits, rngs=nnx.Rngs(0))
        return layer(images)

    @jax.jit
    def values_and_gradients(*args):
        outputs, pull = jax.vjp(lambda *args: convolve(*args, padding), *args)
        expected, expected_pull = jax.vjp(theirs, *args)
        return (outputs, *pull(cotangent)), (expected, *expected_pull(cotangent))

    ours, others = values_and_gradients(images, kernel, bias)
    np.testing.assert_allclose(ours[0], by_loop, rtol=1e-5, atol=2e-5)
    for array, other in zip(ours, others, strict=True):
        assert array.shape == other.shape
        np.testing.assert_allclose(array, other, rtol=1e-5, atol=5e-5)


def test_a_patch_runs_over_rows_then_columns_then_channels():
    images = jnp.arange(18.0).reshape(1, 3, 3, 2)  # pixel (i, j), channel c holds 6 i + 2 j + c
    got = patches(images, (2, 2))
    assert got.shape == (1, 2, 2, 8)
    np.testing.assert_array_equal(got[0, 0, 0], [0, 1, 2, 3, 6, 7, 8, 9])
    np.testing.assert_array_equal(got[0, 0, 1], [2, 3, 4, 5, 8, 9, 10, 11])
    np.testing.assert_array_equal(got[0, 1, 0], [6, 7, 8, 9, 12, 13, 14, 15])


def test_a_patch_of_an_uneven_window_in_a_padded_image():
    images = jnp.arange(1.0, 5.0).reshape(1, 2, 2, 1)
    got = patches(images, (1, 3), ((1, 0), (0, 2)))
    assert got.shape == (1, 3, 2, 3)
    np.testing.assert_array_equal(got[0, 0], [[0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(got[0, 1], [[1, 2, 0], [2, 0, 0]])
    np.testing.assert_array_equal(got[0, 2], [[3, 4, 0], [4, 0, 0]])


def test_each_patch_is_the_window_of_the_image_and_a_unit_window_gives_the_images():
    (images,) = draw(2, (2, 5, 4, 3))
    got = patches(images, (3, 2))
    for n, i, j in itertools.product(range(2), range(3), range(3)):
        np.testing.assert_array_equal(got[n, i, j], images[n, i : i + 3, j : j + 2].ravel())
    np.testing.assert_array_equal(patches(images, (1, 1)), images)


def test_a_convolution_is_the_product_of_patches_and_reshaped_kernel():
    images, kernel, bias = draw(3, (2, 5, 5, 2), (3, 2, 2, 4), (4,))
    product = np.einsum("nijk,kc->nijc", patches(images, (3, 2)), kernel.reshape(-1, 4))
    np.testing.assert_allclose(convolve(images, kernel), product, atol=1e-5)
    np.testing.assert_allclose(convolve(images, kernel, bias), product + np.asarray(bias), atol=1e-5)


@pytest.mark.parametrize("padding", ["SAME", 1, [(0, 2), (1, 0)]])
def test_the_layer_has_the_weights_of_nnx_conv_and_gives_its_values(padding):
    (images,) = draw(4, (2, 6, 5, 3))
    ours = Conv(3, 4, (3, 2), padding=padding, rngs=nnx.Rngs(7))
    theirs = nnx.Conv(3, 4, (3, 2), padding=padding, rngs=nnx.Rngs(7))
    np.testing.assert_array_equal(ours.kernel[...], theirs.kernel[...])
    np.testing.assert_array_equal(ours.bias[...], theirs.bias[...])
    ours.bias[...] = theirs.bias[...] = jnp.arange(4.0)
    np.testing.assert_allclose(ours(images), theirs(images), atol=1e-5)


def test_the_layer_is_same_padded_unless_told_and_takes_its_own_initialiser():
    layer = Conv(1, 2, (2, 2), kernel_init=nnx.initializers.ones, rngs=nnx.Rngs(0))
    outputs = layer(jnp.ones((1, 3, 3, 1)))
    assert outputs.shape == (1, 3, 3, 2)
    # the odd zero is at the end, so the sums are short in the last row and column
    np.testing.assert_array_equal(outputs[0, :, :, 1], [[4, 4, 2], [4, 4, 2], [2, 2, 1]])


def test_jit_and_an_empty_batch():
    images, kernel = draw(5, (2, 4, 4, 1), (2, 2, 1, 3))
    jitted = jax.jit(convolve)(images, kernel)
    np.testing.assert_allclose(jitted, convolve(images, kernel), atol=1e-6)
    assert convolve(images[:0], kernel).shape == (0, 3, 3, 3)


@pytest.mark.parametrize(
    "padding",
    ["same", "CIRCULAR", "", [1, 2], ((0, 0),), ((0, 0, 0), (0, 0, 0)), None, 1.5, [(1, 1)] * 3],
)
def test_an_unknown_padding_is_refused(padding):
    with refuses("padding is", repr(padding), "'SAME'", "'VALID'", "an int"):
        explicit_padding(padding, (3, 3))
    with refuses("padding is", repr(padding)):
        Conv(1, 1, (3, 3), padding=padding, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("padding", [-1, ((0, 0), (0, -2))])
def test_a_negative_padding_is_refused(padding):
    with refuses("padding is", repr(padding), ">= 0"):
        explicit_padding(padding, (3, 3))


@pytest.mark.parametrize("window", [(4, 1), (1, 6), (0, 2), (2, -1)])
def test_a_window_that_is_empty_or_does_not_fit_is_refused(window):
    with refuses("window is", "{}x{}".format(*window), "3x5"):
        patches(jnp.zeros((1, 3, 5, 1)), window)


def test_a_window_larger_than_the_image_fits_once_the_image_is_padded():
    assert patches(jnp.zeros((1, 3, 3, 1)), (5, 5), 1).shape == (1, 1, 1, 25)
    with refuses("window is 6x5", "5x5"):
        patches(jnp.zeros((1, 3, 3, 1)), (6, 5), 1)


def test_channels_that_differ_are_refused():
    with refuses("2 channels", "takes 3"):
        convolve(jnp.zeros((1, 4, 4, 2)), jnp.zeros((2, 2, 3, 1)))


@pytest.mark.parametrize("kernel_size", [(0, 3), (3,), (3, 3, 3)])
def test_a_kernel_size_that_is_no_window_is_refused(kernel_size):
    with refuses("kernel_size is", kernel_size):
        Conv(1, 1, kernel_size, rngs=nnx.Rngs(0))
