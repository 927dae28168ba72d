"""Tiles hold the pixels of images; pools and shifts on tiles equal those on images."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from minmax_jax.tiles import from_tiles, max_pool, mean_pool, stack_shifts, to_tiles

few = st.integers(1, 3)
zeros = st.tuples(st.integers(0, 2), st.integers(0, 2))
sides_of_pools = st.sampled_from([1, 2, 4])


def integers(seed, shape):
    """-1, 0 and 1 only: ties abound, and sums are exact."""
    return jnp.asarray(np.random.default_rng(seed).integers(-1, 2, shape), jnp.float32)


def distinct(shape):
    return jnp.arange(float(np.prod(shape))).reshape(shape)


@given(
    st.tuples(st.integers(0, 2), st.integers(1, 7), st.integers(1, 7), few),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(zeros, zeros),
)
@settings(max_examples=6)
def test_tiles_are_every_other_pixel_and_join_to_the_images(shape, tile, padding):
    images = distinct(shape)
    padded = np.pad(images, ((0, 0), *padding, (0, 0)))
    height, width = padded.shape[1:3]
    filled = np.pad(padded, ((0, 0), (0, -height % tile[0]), (0, -width % tile[1]), (0, 0)))

    @jax.jit
    def there_and_back(images):
        tiles = to_tiles(images, tile, padding)
        return tiles, from_tiles(tiles, height, width)

    tiles, joined = there_and_back(images)
    assert tiles.shape[:2] == tile
    for r, s in itertools.product(*map(range, tile)):
        pixels = filled[:, r :: tile[0], s :: tile[1]]  # (n, i, j, c)
        np.testing.assert_array_equal(tiles[r, s], pixels.transpose(3, 1, 2, 0))
    np.testing.assert_array_equal(joined, padded)


def test_an_image_of_two_rows_cut_by_hand():
    image = jnp.array([[1.0, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    tiles = to_tiles(image, (1, 2))
    assert tiles.shape == (1, 2, 1, 2, 2, 1)
    np.testing.assert_array_equal(tiles[0, 0, 0, :, :, 0], [[1, 3], [4, 6]])  # the first pixel of each tile
    np.testing.assert_array_equal(tiles[0, 1, 0, :, :, 0], [[2, 0], [5, 0]])  # the second, and zeros to fill
    np.testing.assert_array_equal(from_tiles(tiles, 2, 3), image)
    np.testing.assert_array_equal(from_tiles(tiles, 1, 2), image[:, :1, :2])
    np.testing.assert_array_equal(
        to_tiles(image, (1, 2), ((0, 0), (1, 0)))[0, :, 0, 0, :, 0], [[0, 2], [1, 3]]
    )


def on_tiles(pool, tile, x):
    return from_tiles(pool(to_tiles(x, tile)), x.shape[1] // 2, x.shape[2] // 2)


def on_images(pool, x):
    return pool(x, (2, 2), strides=(2, 2))


def mean(x, window, strides):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        return nnx.avg_pool(x, window, strides)


@given(
    st.tuples(few, st.integers(2, 9), st.integers(2, 9), few),
    st.tuples(sides_of_pools, sides_of_pools),
    st.integers(0, 99),
)
@settings(max_examples=6)
def test_pools_equal_those_of_nnx_in_values_and_gradients_with_ties(shape, tile, seed):
    images = integers(seed, shape)
    n, height, width, c = shape
    cotangent = integers(seed + 1, (n, height // 2, width // 2, c)) * 4

    @jax.jit
    def values_and_gradients(images):
        results = []
        for ours, theirs in ((max_pool, nnx.max_pool), (mean_pool, mean)):
            for function in (lambda x, p=ours: on_tiles(p, tile, x), lambda x, p=theirs: on_images(p, x)):
                values, pull = jax.vjp(function, images)
                results.append((values, *pull(cotangent)))
        return results

    largest, largest_of_nnx, means, means_of_nnx = values_and_gradients(images)
    for got, expected in zip((*largest, *means), (*largest_of_nnx, *means_of_nnx), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("tile", [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_the_gradient_of_a_maximum_goes_to_the_first_of_equals_row_by_row(tile):
    windows = jnp.array(
        [[[7, 7], [7, 7]], [[1, 7], [7, 7]], [[1, 1], [7, 7]], [[1, 1], [1, 7]], [[0, 0], [0, -1]]], float
    )[..., None]
    gradient = jax.grad(lambda x: on_tiles(max_pool, tile, x).sum())(windows)[..., 0]
    firsts = [[[1, 0], [0, 0]], [[0, 1], [0, 0]], [[0, 0], [1, 0]], [[0, 0], [0, 1]], [[1, 0], [0, 0]]]
    np.testing.assert_array_equal(gradient, firsts)


def test_a_pool_halves_the_even_sides_of_a_tile():
    for tile, left in {(1, 1): (1, 1), (2, 4): (1, 2), (4, 1): (2, 1), (1, 2): (1, 1)}.items():
        tiles = jax.ShapeDtypeStruct((*tile, 3, 6, 6, 5), jnp.float32)
        for pool in (max_pool, mean_pool):
            assert jax.eval_shape(pool, tiles).shape[:2] == left


def sliced(tiles, reach):
    """The shifts as plain slices, to be differentiated by JAX."""
    (down, right), (i, j) = reach, tiles.shape[3:5]
    oi, oj = i - down + 1, j - right + 1
    rows = [[tiles[..., a : a + oi, b : b + oj, :] for b in range(right)] for a in range(down)]
    return jnp.moveaxis(jnp.array(rows), (0, 1), (0, 2))


def test_shifts_of_four_pixels_by_hand():
    tiles = jnp.arange(1.0, 5.0).reshape(1, 1, 1, 1, 4, 1)
    shifts = stack_shifts(tiles, (1, 3))
    assert shifts.shape == (1, 1, 3, 1, 1, 1, 2, 1)
    np.testing.assert_array_equal(shifts[0, 0, :, 0, 0, 0, :, 0], [[1, 2], [2, 3], [3, 4]])
    # how often each pixel is seen
    seen = jax.grad(lambda x: stack_shifts(x, (1, 3)).sum())(tiles)
    np.testing.assert_array_equal(seen.ravel(), [1, 2, 2, 1])
    down = stack_shifts(tiles.transpose(0, 1, 2, 4, 3, 5), (2, 1))
    np.testing.assert_array_equal(down[:, 0, 0, 0, 0, :, 0, 0], [[1, 2, 3], [2, 3, 4]])


@given(
    st.tuples(few, few, few, few),  # tr, ts, c, n
    st.tuples(few, few),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.integers(0, 99),
)
@settings(max_examples=6)
def test_shifts_are_slices_and_their_gradient_is_the_adjoint(sizes, reach, more, seed):
    tr, ts, c, n = sizes
    shape = (tr, ts, c, reach[0] + more[0], reach[1] + more[1], n)
    tiles, others = integers(seed, (2, *shape))
    cotangent = integers(seed, (reach[0], tr, reach[1], ts, c, more[0] + 1, more[1] + 1, n))

    @jax.jit
    def both(tiles, others):
        results = []
        for shifts in (stack_shifts, sliced):
            values, pull = jax.vjp(lambda x, f=shifts: f(x, reach), tiles)
            results.append((values, *pull(cotangent)))
        return results, stack_shifts(2 * tiles + others, reach), stack_shifts(others, reach)

    ((values, gradient), expected), combined, of_others = both(tiles, others)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(gradient, expected[1])
    assert np.vdot(values, cotangent) == np.vdot(tiles, gradient)  # <S x, g> = <x, S' g>
    np.testing.assert_array_equal(combined, 2 * values + of_others)


def test_pools_and_shifts_under_vmap():
    stack = integers(3, (2, 2, 2, 1, 3, 4, 2))

    def gradient(tiles):
        return jax.grad(lambda x: (max_pool(x) ** 2).sum() + (stack_shifts(x, (2, 3)) ** 2).sum())(tiles)

    together, apart = jax.jit(lambda x: (jax.vmap(gradient)(x), [gradient(tiles) for tiles in x]))(stack)
    np.testing.assert_array_equal(together, apart)
