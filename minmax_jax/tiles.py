"""Images in tiles, with the batch as the last axis: the layout that makes the simplified convolution fast.

``tiles[r, s, c, i, j, n]`` is the pixel of image n, channel c, at row ``i * tr + r`` and column
``j * ts + s``, for tiles of (tr, ts) pixels. The last axis is long and contiguous, so shifts, maxima and
matrix products work on whole stretches of memory. With tiles of (1, 1) it is the image with its axes
in another order. The results are those of the ordinary layers, gradients included; only the speed differs.
"""

from functools import partial, reduce

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from minmax_jax.checks import AnyArray

Tile = tuple[int, ...]  # (rows, columns)
Pairs = tuple[tuple[int, int], tuple[int, int]]


def to_tiles(
    images: Float[AnyArray, "n h w c"], tile: Tile, padding: Pairs = ((0, 0), (0, 0))
) -> Float[Array, "tr ts c i j n"]:
    """Images as tiles, after ``padding`` of ((top, bottom), (left, right)) zeros, and more to fill the tiles.

    Identity: ``from_tiles(to_tiles(x, tile), h, w) == x``.
    """
    tr, ts = tile
    down, across = (
        (low, high + -(size + low + high) % side)
        for size, side, (low, high) in zip(images.shape[1:3], tile, padding, strict=True)
    )
    # Transposed first, then padded: in the other order XLA transposes once for every shift of a patch.
    padded = jnp.pad(jnp.transpose(images, (1, 2, 3, 0)), (down, across, (0, 0), (0, 0)))
    height, width, channels, n = padded.shape
    return padded.reshape(height // tr, tr, width // ts, ts, channels, n).transpose(1, 3, 4, 0, 2, 5)


def from_tiles(tiles: Float[Array, "tr ts c i j n"], height: int, width: int) -> Float[Array, "n h w c"]:
    """The first ``height`` rows and ``width`` columns of the images that the tiles make up."""
    tr, ts, channels, i, j, n = tiles.shape
    images = tiles.transpose(5, 3, 0, 4, 1, 2).reshape(n, i * tr, j * ts, channels)
    return images[:, :height, :width]


def _members(tiles: Array) -> list[Array]:
    """Four arrays: the first, second, third and fourth pixel of every 2 x 2 window, row by row.

    A window lies within a tile along sides that are even, and across two tiles along sides of 1.
    """

    def halves(x: Array, within: int, across: int) -> list[Array]:
        axis = within if x.shape[within] > 1 else across
        size = x.shape[axis] // 2 * 2  # an odd last row or column is dropped, as by "VALID" pooling
        return [jax.lax.slice_in_dim(x, start, size, 2, axis) for start in (0, 1)]

    return [part for rows in halves(tiles, 0, 3) for part in halves(rows, 1, 4)]


def mean_pool(tiles: Float[Array, "tr ts c i j n"]) -> Float[Array, "pr ps c k l n"]:
    """Mean of each 2 x 2 window of pixels; a tile's sides are even or 1, and an odd last row is dropped."""
    return sum(_members(tiles)) / 4  # type: ignore[return-value]


# JAX's own gradient of a maximum is shared among equals, that of a pooling layer goes to the first of them.
# The flat strokes and background of digits make many windows of equals, so the gradient is written out here.
@jax.custom_vjp
def max_pool(tiles: Float[Array, "tr ts c i j n"]) -> Float[Array, "pr ps c k l n"]:
    """Maximum of each 2 x 2 window of pixels; a tile's sides are even or 1, and an odd last row is dropped.

    Identity: equal to ``nnx.max_pool``, also in its gradient, which goes to the first maximum of a window.
    """
    return reduce(jnp.maximum, _members(tiles))


def _max_pool_forward(tiles: Array) -> tuple[Array, tuple[Array, Array]]:
    largest = max_pool(tiles)
    return largest, (tiles, largest)


def _max_pool_backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array]:
    tiles, largest = saved
    open_ = jnp.ones(largest.shape, bool)  # windows whose maximum has not been found yet
    parts = []
    for member in _members(tiles):
        first = (member == largest) & open_
        open_ &= ~first
        parts.append(jnp.where(first, gradient, 0))
    rows = [_interleave(parts[:2], 1, 4, tiles), _interleave(parts[2:], 1, 4, tiles)]
    return (_interleave(rows, 0, 3, tiles),)


def _interleave(halves: list[Array], within: int, across: int, tiles: Array) -> Array:
    """The inverse of taking every other row (or column), with zeros for what was dropped."""
    axis = within if tiles.shape[within] > 1 else across
    shape = list(halves[0].shape)
    shape[axis] *= 2
    both = jnp.stack(halves, axis + 1).reshape(shape)
    missing = tiles.shape[axis] - shape[axis]
    return both if missing == 0 else jnp.pad(both, [(0, missing if a == axis else 0) for a in range(6)])


max_pool.defvjp(_max_pool_forward, _max_pool_backward)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def stack_shifts(tiles: Float[Array, "tr ts c i j n"], reach: Tile) -> Float[Array, "ki tr kj ts c oi oj n"]:
    """All shifts by whole tiles, ``out[a, r, b, s, c, i, j] = tiles[r, s, c, i + a, j + b]``.

    ``reach`` is the number of shifts downwards and to the right, the first of them by 0. The first five axes
    together are the patch axis: row (a, r), column (b, s), channel, as in ``kernel.reshape(-1, cout)``.
    """
    (down, right), (i, j) = reach, tiles.shape[3:5]
    columns = jnp.stack([tiles[..., b : j - right + 1 + b, :] for b in range(right)], axis=1)
    return jnp.stack([columns[..., a : i - down + 1 + a, :, :] for a in range(down)])


def _shifts_backward(reach: Tile, shape: tuple[int, ...], gradient: Array) -> tuple[Array]:
    # Each pixel gathers from its shifts. JAX's own gradient adds shifted, padded arrays and takes longer.
    (down, right), (i, j) = reach, shape[3:5]
    columns = jnp.stack(
        [
            sum(gradient[:, :, b, ..., w - b, :] for b in range(right) if 0 <= w - b <= j - right)
            for w in range(j)
        ],
        axis=-2,
    )
    rows = [
        sum(columns[a, ..., h - a, :, :] for a in range(down) if 0 <= h - a <= i - down) for h in range(i)
    ]
    return (jnp.stack(rows, axis=-3),)


stack_shifts.defvjp(lambda tiles, reach: (stack_shifts(tiles, reach), tiles.shape), _shifts_backward)
