"""The squares that Square Attack tries: their sides by query, where they lie, and the patterns in them."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

# Of 10,000 queries, those after which the squares' share of the image is halved.
HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


def sides(
    queries: int, p_init: float, height: int, width: int, stretched: bool = True
) -> Int[np.ndarray, " queries"]:
    """Side of each query's square in pixels, ``round(sqrt(p h w))``, from 1 to the shorter side of the image.

    The share p of the image is ``p_init`` at first, and is halved nine times on the way to the last query, or
    to the 10,000th if the schedule is not ``stretched``.
    Source: Andriushchenko et al. 2020, section 4 (their schedule for 10,000 queries).
    """
    passed = np.arange(queries) * 10_000 // queries if stretched else np.arange(queries)
    share = p_init / 2.0 ** np.searchsorted(HALVED_AFTER, passed)
    return np.clip(np.rint(np.sqrt(share * height * width)), 1, min(height, width)).astype(int)


def odd_sides(
    queries: int, p_init: float, height: int, width: int, stretched: bool = True
) -> Int[np.ndarray, " queries"]:
    """The same, odd and at least 3 as far as the image has room: for squares with a pattern in them."""
    plain = np.maximum(sides(queries, p_init, height, width, stretched), 3)
    return np.minimum(plain + 1 - plain % 2, min(height, width))


def inside(
    corners: Float[Array, "n 2"], side: int | Int[Array, ""], height: int, width: int
) -> tuple[Bool[Array, "n h w"], Int[Array, "n h 1"], Int[Array, "n 1 w"]]:
    """Which pixels lie in each image's square, and each pixel's row and column as counted from its corner.

    ``corners`` in [0, 1) stand for top left corners: all from which a square fits into the image, evenly.
    """
    room = jnp.asarray([[height, width]]) - side + 1
    top, left = jnp.moveaxis(jnp.floor(corners * room).astype(int), 1, 0)
    rows = (jnp.arange(height)[None] - top[:, None])[:, :, None]
    columns = (jnp.arange(width)[None] - left[:, None])[:, None, :]
    return (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side), rows, columns


def pattern(side: int, order: int) -> Float[np.ndarray, "side side"]:
    """A hill in the upper half of a square and a hollow in the lower, equally large; size 1 by l1 or l2.

    With d the distance from the middle of its half (the larger of that in rows and in columns), a hill is
    ``sum_(k >= d) 1 / (k + 1)^2``. ``order`` is that of the norm.
    Source: Andriushchenko et al. 2020, their l2 attack.
    """
    upper = side // 2
    whole = np.concatenate([_hill(upper, side, order), -_hill(side - upper, side, order)])
    return whole / _size(whole, order)


def _hill(height: int, width: int, order: int) -> Float[np.ndarray, "height width"]:
    if height == 0:
        return np.zeros((0, width))
    rows, columns = (np.abs(np.arange(extent) - extent // 2) for extent in (height, width))
    levels = 1 / np.arange(1, max(height, width) // 2 + 2) ** 2.0
    hill = np.cumsum(levels[::-1])[::-1][np.maximum(rows[:, None], columns[None])]
    return hill / _size(hill, order)


def _size(values: np.ndarray, order: int) -> float:
    return float((np.abs(values) ** order).sum() ** (1 / order))


def patterns(
    chosen: Int[np.ndarray, " queries"], order: int
) -> tuple[Float[np.ndarray, "k s s"], Int[np.ndarray, " queries"]]:
    """The patterns of all sides, padded with zeros to the largest, and which of them each query takes."""
    different, which = np.unique(chosen, return_inverse=True)
    table = np.zeros((len(different), different[-1], different[-1]), np.float32)
    for padded, side in zip(table, different, strict=True):
        padded[:side, :side] = pattern(int(side), order)
    return table, which


def placed(
    pattern: Float[Array, "s s"],
    rows: Int[Array, "n h 1"],
    columns: Int[Array, "n 1 w"],
    mask: Bool[Array, "n h w"],
    turned: Bool[Array, " n"],
) -> Float[Array, "n h w"]:
    """A pattern in each image's square, where ``turned`` with rows and columns exchanged; 0 elsewhere."""
    turn = turned[:, None, None]
    one, other = jnp.where(turn, columns, rows), jnp.where(turn, rows, columns)
    return jnp.where(mask, pattern.at[one, other].get(mode="clip"), 0)


def tiled(
    pattern: Float[Array, "s s"],
    signs: Float[Array, "n y x c"],
    turned: Bool[Array, "n y x"],
    height: int,
    width: int,
) -> Float[Array, "n height width c"]:
    """Patterns side by side, each with a sign by channel and a turn; 0 at the border that is left over."""
    side = len(pattern)
    n, down, across, channels = signs.shape
    pairs = jnp.where(turned[..., None, None], pattern.T[None, None, None], pattern[None, None, None])
    tiles = pairs[..., None] * signs[:, :, :, None, None]
    whole = jnp.moveaxis(tiles, 3, 2).reshape(n, down * side, across * side, channels)
    spare = height - down * side, width - across * side
    border = [(0, 0), *((free // 2, free - free // 2) for free in spare), (0, 0)]
    return jnp.pad(whole, border)
