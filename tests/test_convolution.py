"""The simplified formulation of convolution equals ordinary convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from minmax_jax import Conv, convolve, patches
from minmax_jax.convolution import convolve_tiles, is_native, toeplitz
from minmax_jax.tiles import from_tiles, max_pool, to_tiles


def draw(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


def integers(seed, *shapes):
    """-1, 0 and 1 only: sums are exact in any order, and ties abound."""
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.integers(-1, 2, shape), jnp.float32) for shape in shapes]


def nnx_conv(padding):
    """``nnx.Conv`` as a function of images, kernel and bias."""

    def convolution(images, kernel, bias):
        inits = {"kernel_init": lambda *_: kernel, "bias_init": lambda *_: bias}
        return nnx.Conv(*kernel.shape[2:], kernel.shape[:2], padding=padding, **inits, rngs=nnx.Rngs(0))(
            images
        )

    return convolution


def by_definition(images, kernel, bias, pads):
    """Convolution of stride 1 in float64: the inner product of the kernel with every window."""
    images, kernel, bias = (np.asarray(array, np.float64) for array in (images, kernel, bias))
    padded = np.pad(images, ((0, 0), *pads, (0, 0)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], (1, 2))
    return np.einsum("nijcrs,rsco->nijo", seen, kernel) + bias


def pads_of(padding, window):
    """The zeros of each padding, counted here anew."""
    if padding == "VALID":
        return (0, 0), (0, 0)
    if padding == "SAME":  # k - 1 zeros in all; the odd one comes last
        return tuple((low := (k - 1) // 2, k - 1 - low) for k in window)
    return ((padding, padding),) * 2 if isinstance(padding, int) else padding


sides = st.integers(0, 2)
paddings = st.one_of(
    st.sampled_from(["SAME", "VALID"]), sides, st.tuples(st.tuples(sides, sides), st.tuples(sides, sides))
)
windows = st.tuples(st.integers(1, 4), st.integers(1, 4))
channels = st.integers(1, 3)
tiles = st.tuples(st.integers(1, 4), st.integers(1, 7))


def whole(products, kernel, tile, shape):
    """Outputs from the products of patches and matrix, which hold them tile by tile."""
    n, i, j, _ = products.shape
    apart = products.reshape(n, i, j, *tile, kernel.shape[3]).transpose(0, 1, 3, 2, 4, 5)
    return apart.reshape(n, i * tile[0], j * tile[1], -1)[:, : shape[1], : shape[2]]


@given(st.integers(1, 2), st.integers(4, 6), st.integers(4, 6), windows, channels, channels, paddings, tiles)
@settings(max_examples=10)
def test_equals_nnx_conv_and_the_definition_in_values_and_gradients(
    n, height, width, window, cin, cout, padding, tile
):
    images, kernel, bias = draw(0, (n, height, width, cin), (*window, cin, cout), (cout,))
    defined = by_definition(images, kernel, bias, pads_of(padding, window))
    (cotangent,) = draw(1, defined.shape)

    @jax.jit
    def values_and_gradients(*args):
        outputs, pull = jax.vjp(lambda *args: convolve(*args, padding, tile), *args)
        expected, expected_pull = jax.vjp(nnx_conv(padding), *args)
        products = patches(args[0], window, padding, tile) @ toeplitz(args[1], tile)
        return (outputs, *pull(cotangent)), (expected, *expected_pull(cotangent)), products

    ours, others, products = values_and_gradients(images, kernel, bias)
    np.testing.assert_allclose(ours[0], defined, rtol=1e-5, atol=2e-5)
    from_matrix = whole(np.asarray(products), kernel, tile, defined.shape) + np.asarray(bias)
    np.testing.assert_allclose(from_matrix, defined, rtol=1e-5, atol=2e-5)
    for array, other in zip(ours, others, strict=True):
        assert array.shape == other.shape
        np.testing.assert_allclose(array, other, rtol=1e-5, atol=5e-5)


def test_patches_by_hand():
    images = jnp.arange(18.0).reshape(1, 3, 3, 2)  # pixel (i, j), channel c holds 6 i + 2 j + c
    got = patches(images, (2, 2))
    assert got.shape == (1, 2, 2, 8)
    np.testing.assert_array_equal(got[0, 0, 1], [2, 3, 4, 5, 8, 9, 10, 11])
    np.testing.assert_array_equal(got[0, 1, 0], [6, 7, 8, 9, 12, 13, 14, 15])
    np.testing.assert_array_equal(patches(images, (1, 1)), images)
    padded = patches(jnp.arange(1.0, 5.0).reshape(1, 2, 2, 1), (1, 3), ((1, 0), (0, 2)))
    rows = [[[0, 0, 0], [0, 0, 0]], [[1, 2, 0], [2, 0, 0]], [[3, 4, 0], [4, 0, 0]]]
    np.testing.assert_array_equal(padded[0], rows)
    assert patches(jnp.zeros((1, 3, 3, 1)), (5, 5), 1).shape == (1, 1, 1, 25)  # it fits the padded image


def test_matrices_by_hand():
    kernel = jnp.array([1.0, 2, 3]).reshape(1, 3, 1, 1)
    np.testing.assert_array_equal(toeplitz(kernel, (1, 2)), [[1, 0], [2, 1], [3, 2], [0, 3]])
    np.testing.assert_array_equal(  # two tiles of three see six values; the last of them is not needed
        toeplitz(kernel, (1, 3)), [[1, 0, 0], [2, 1, 0], [3, 2, 1], [0, 3, 2], [0, 0, 3], [0, 0, 0]]
    )
    down = toeplitz(kernel.transpose(1, 0, 2, 3), (2, 1))
    np.testing.assert_array_equal(down, [[1, 0], [2, 1], [3, 2], [0, 3]])
    (kernel,) = draw(7, (3, 2, 2, 4))
    np.testing.assert_array_equal(toeplitz(kernel), kernel.reshape(-1, 4))


@pytest.mark.parametrize(("size", "window"), [((4, 5), (2, 3)), ((3, 3), (3, 1)), ((3, 4), (3, 4))])
def test_with_one_tile_the_matrix_is_that_of_the_whole_layer(size, window):
    """The doubly block Toeplitz matrix: what ``nnx.Conv`` is as a linear map."""
    images, kernel = integers(8, (1, *size, 2), (*window, 2, 3))
    out = tuple(s - k + 1 for s, k in zip(size, window, strict=True))
    layer = nnx_conv("VALID")
    jacobian = jax.jit(jax.jacobian(lambda x: layer(x, kernel, jnp.zeros(3))))(images)[0, :, :, :, 0]
    matrix = toeplitz(kernel, out)
    rows, columns = (-(-s // o) * o for s, o in zip(size, out, strict=True))  # in whole tiles
    by_pixel = np.array(matrix).reshape(rows, columns, 2, *out, 3)
    np.testing.assert_array_equal(by_pixel[: size[0], : size[1]].transpose(3, 4, 5, 0, 1, 2), jacobian)
    by_pixel[: size[0], : size[1]] = 0
    assert not by_pixel.any()  # beyond the image there is nothing to see
    assert patches(images, window, tile=out).shape == (1, 1, 1, len(matrix))


@pytest.mark.parametrize(
    ("tile", "window", "padding"),
    [((1, 1), (3, 3), "SAME"), ((2, 4), (5, 5), "SAME"), ((2, 2), (2, 3), 1), ((4, 1), (1, 2), "VALID")],
)
def test_with_relu_and_max_pool_the_gradients_of_ties_are_the_native_ones(tile, window, padding):
    images, kernel, bias = integers(9, (3, 9, 10, 2), (*window, 2, 3), (3,))
    pads = pads_of(padding, window)
    height, width = (s + sum(p) - k + 1 for s, p, k in zip((9, 10), pads, window, strict=True))
    (cotangent,) = integers(10, (3, height // 2, width // 2, 3))

    def native(*args):
        return nnx.max_pool(nnx.relu(nnx_conv(padding)(*args)), (2, 2), strides=(2, 2))

    def of_convolve(*args):
        return nnx.max_pool(nnx.relu(convolve(*args, padding, tile)), (2, 2), strides=(2, 2))

    def in_tiles(images, kernel, bias):
        # a tile more of zeros, so that no output is left out
        ends = tuple((low, high + t) for (low, high), t in zip(pads, tile, strict=True))
        outputs = max_pool(convolve_tiles(to_tiles(images, tile, ends), kernel))
        return from_tiles(nnx.relu(outputs + bias.reshape(1, 1, -1, 1, 1, 1)), height // 2, width // 2)

    @jax.jit
    def values_and_gradients(*args):
        pulls = [jax.vjp(function, *args) for function in (native, of_convolve, in_tiles)]
        return [(values, *pull(cotangent)) for values, pull in pulls]

    expected, *ours = values_and_gradients(images, kernel, bias)
    for got in ours:
        jax.tree.map(np.testing.assert_array_equal, got, expected)


def choose(patch, native):
    """As on a GPU, or as on a CPU."""
    patch.setattr("minmax_jax.convolution.is_native", lambda: native)


def primitives(function, *args):
    return str(jax.make_jaxpr(function)(*args))


@pytest.mark.parametrize("padding", ["SAME", "VALID", 2, ((0, 1), (2, 0))])
def test_the_native_form_is_equal(padding, monkeypatch):
    args = draw(11, (2, 6, 5, 2), (3, 2, 2, 3), (3,))

    def values_and_gradients(images, kernel, bias):
        values, pull = jax.vjp(lambda *args: convolve(*args, padding, (2, 3)), images, kernel, bias)
        weights = jnp.cos(jnp.arange(float(values.size))).reshape(values.shape)
        return values, *pull(weights)

    results = []
    for native in (True, False):
        choose(monkeypatch, native)
        assert ("conv_general_dilated" in primitives(lambda *a: convolve(*a, padding), *args)) is native
        results.append(jax.jit(lambda *args: values_and_gradients(*args))(*args))
    for native, tiled in zip(*results, strict=True):
        assert native.shape == tiled.shape
        np.testing.assert_allclose(native, tiled, rtol=1e-5, atol=5e-5)


def test_the_native_form_is_taken_off_the_cpu_only(monkeypatch):
    assert not is_native()
    for backend, native in {"cpu": False, "gpu": True, "tpu": True}.items():
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        assert is_native() is native


@pytest.mark.parametrize("native", [True, False])
def test_vmap_over_images_and_over_kernels(native, monkeypatch):
    choose(monkeypatch, native)
    images, kernels, bias = integers(12, (3, 2, 5, 4, 2), (3, 2, 3, 2, 2), (2,))

    def value_and_gradients(images, kernel):
        def loss(images, kernel):
            return (convolve(images, kernel, bias, "SAME", (2, 2)) ** 2).sum()

        return jax.value_and_grad(loss, (0, 1))(images, kernel)

    @jax.jit
    def both(images, kernels):
        over = [
            jax.vmap(value_and_gradients)(images, kernels),
            jax.vmap(value_and_gradients, (0, None))(images, kernels[0]),
            jax.vmap(value_and_gradients, (None, 0))(images[0], kernels),
        ]
        pairs = [((0, 0), (1, 1), (2, 2)), ((0, 0), (1, 0), (2, 0)), ((0, 0), (0, 1), (0, 2))]
        apart = [[value_and_gradients(images[i], kernels[k]) for i, k in each] for each in pairs]
        return over, [jax.tree.map(lambda *leaves: jnp.stack(leaves), *each) for each in apart]

    jax.tree.map(np.testing.assert_array_equal, *both(images, kernels))


@pytest.mark.parametrize("padding", ["SAME", 1, [(0, 2), (1, 0)]])
def test_the_layer_has_the_weights_of_nnx_conv_and_gives_its_values(padding):
    (images,) = draw(4, (2, 6, 5, 3))
    ours, theirs = (kind(3, 4, (3, 2), padding=padding, rngs=nnx.Rngs(7)) for kind in (Conv, nnx.Conv))
    np.testing.assert_array_equal(ours.kernel[...], theirs.kernel[...])
    np.testing.assert_array_equal(ours.bias[...], theirs.bias[...])
    ours.bias[...] = theirs.bias[...] = jnp.arange(4.0)
    np.testing.assert_allclose(ours(images), theirs(images), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"strides": 2, "feature_group_count": 3, "use_bias": False},
        {"strides": (1, 2), "kernel_dilation": 2, "padding": "CIRCULAR"},
        {"padding": ((1, 0), (0, 2)), "bias_init": nnx.initializers.normal(), "dtype": jnp.bfloat16},
    ],
)
def test_the_layer_takes_what_nnx_conv_takes(options):
    (images,) = draw(4, (2, 7, 9, 3))
    ours, theirs = (kind(3, 6, (3, 2), **options, rngs=nnx.Rngs(7)) for kind in (Conv, nnx.Conv))
    assert jax.tree.all(jax.tree.map(jnp.array_equal, nnx.state(ours), nnx.state(theirs)))
    np.testing.assert_allclose(ours(images), theirs(images), atol=1e-5)


def test_defaults_of_the_layer_and_of_convolve():
    layer = Conv(1, 2, (2, 2), kernel_init=nnx.initializers.ones, rngs=nnx.Rngs(0))
    images = jnp.ones((1, 3, 3, 1))
    # "SAME": the odd zero is at the end, so the sums are short in the last row and column
    np.testing.assert_array_equal(layer(images)[0, :, :, 1], [[4, 4, 2], [4, 4, 2], [2, 2, 1]])
    plain = jax.jit(convolve)(images, layer.kernel[...])  # "VALID", without a bias
    np.testing.assert_array_equal(plain, np.full((1, 2, 2, 2), 4))
    assert jax.jit(convolve)(images[:0], layer.kernel[...]).shape == (0, 2, 2, 2)
