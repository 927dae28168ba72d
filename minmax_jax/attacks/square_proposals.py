"""What Square Attack tries, by norm: its start, the square of each query, and the patterns in squares."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, per_image, project, size

# Of 10,000 queries, those after which the squares' share of the image is halved.
HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
TILES = 5  # patterns along each side of the image at the start
TINY = 1e-12

# start(key, images): the points to begin with
Start = Callable[[Array, Float[Array, "n h w c"]], Float[Array, "n h w c"]]
# propose(images, points, number of the query, draws): the points to try next
Propose = Callable[
    [Float[Array, "n h w c"], Float[Array, "n h w c"], Int[Array, ""], Float[Array, "n draws"]],
    Float[Array, "n h w c"],
]


class Proposals(NamedTuple):
    """A start, a proposal for each query, and how many uniform numbers a proposal needs for an image."""

    start: Start
    propose: Propose
    draws: int


def proposals(
    norm: Norm, shape: tuple[int, ...], eps: Eps, queries: int, p_init: float, stretched: bool = True
) -> Proposals:
    """The start and proposals in the ball and in [0, 1].

    Source: Andriushchenko et al. 2020, algorithms 2 and 3; for "l1" Croce and Hein 2021.

    Args:
        norm: norm of the ball.
        shape: (h, w, c), of an image.
        eps: radius of the ball.
        queries: number of queries that the schedule of squares is for.
        p_init: share of the image that the first squares take.
        stretched: whether the schedule is stretched to the queries, or cut off there: see ``sides``.
    """
    height, width, _ = shape
    if norm == "linf":
        return _of_signs(shape, eps, sides(queries, p_init, height, width, stretched))
    return _of_patterns(norm, shape, eps, odd_sides(queries, p_init, height, width, stretched))


def _of_signs(shape: tuple[int, ...], eps: Eps, chosen: Int[np.ndarray, " queries"]) -> Proposals:
    """In "linf" all pixels are at an end of their range: in stripes at first, then square by square."""
    height, width, channels = shape
    side = jnp.asarray(chosen)

    def at(up: Bool[Array, "n y x c"], x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        return jnp.clip(jnp.where(up, x + eps, x - eps), 0, 1)

    def start(key: Array, x: Array) -> Array:
        return at(jax.random.bernoulli(key, shape=(len(x), 1, width, channels)), x)

    def propose(x: Array, points: Array, number: Array, draws: Array) -> Array:
        mask = in_square(draws[:, :2], side[number], height, width)[0][..., None]
        up = draws[:, None, None, 2:] < 0.5
        # A proposal that changes nothing would waste a query: the other end is tried instead.
        idle = (~mask | (at(up, x) == points)).all((1, 2, 3))
        return jnp.where(mask, at(up ^ per_image(idle), x), points)

    return Proposals(start, propose, 2 + channels)


def _of_patterns(
    norm: Norm, shape: tuple[int, ...], eps: Eps, chosen: Int[np.ndarray, " queries"]
) -> Proposals:
    """In "l2" and "l1" the change in one square moves to another, together with what is left of eps."""
    height, width, channels = shape
    order = 2 if norm == "l2" else 1
    table, which = map(jnp.asarray, patterns(chosen, order))
    side = jnp.asarray(chosen)

    def mass(change: Float[Array, "n h w c"]) -> Float[Array, "n 1 1 c"]:
        return (jnp.abs(change) ** order).sum((1, 2), keepdims=True)

    def onto_ball(x: Array, change: Array) -> Array:
        if norm == "l1":
            return project(x + change, x, eps, norm)
        return jnp.clip(x + change * per_image(eps / (size(change, norm) + TINY)), 0, 1)

    def start(key: Array, x: Array) -> Array:
        one, other = jax.random.split(key)
        tile = max(min(height, width) // TILES, 1)
        grid = len(x), height // tile, width // tile
        signs = jax.random.rademacher(one, (*grid, channels), x.dtype)
        turned = jax.random.bernoulli(other, shape=grid)
        change = tiled(jnp.asarray(pattern(tile, order), x.dtype), signs, turned, height, width)
        return onto_ball(x, change * (eps / per_image(size(change, norm))))

    def propose(x: Array, points: Array, number: Array, draws: Array) -> Array:
        change = points - x
        to, rows, columns = in_square(draws[:, :2], side[number], height, width)
        source = in_square(draws[:, 2:4], side[number], height, width)[0]
        new = placed(table[which[number]], rows, columns, to, draws[:, 4] < 0.5)[..., None]
        signs = jnp.where(draws[:, None, None, 5:] < 0.5, -1.0, 1.0)
        to, either = to[..., None], (to | source)[..., None]
        left = jnp.maximum(eps**order - mass(change).sum(3, keepdims=True), 0) / channels
        available = (left + mass(change * either)) ** (1 / order)
        old = change * to
        mixed = new * signs + old / (mass(old) ** (1 / order) + TINY)
        moved = mixed / (mass(mixed) ** (1 / order) + TINY) * available
        return onto_ball(x, jnp.where(either, moved, change))

    return Proposals(start, propose, 5 + channels)


def sides(
    queries: int, p_init: float, height: int, width: int, stretched: bool = True
) -> Int[np.ndarray, " queries"]:
    """Side of each query's square in pixels, ``round(sqrt(p h w))``, from 1 to the shorter side of the image.

    The share p of the image is ``p_init`` at first, and is halved nine times on the way to the last query, or
    to the 10,000th if the schedule is not ``stretched``.
    Source: Andriushchenko et al. 2020, section 4 (their schedule for 10,000 queries).

    Args:
        queries: number of queries.
        p_init: share of the image that the first square takes, in (0, 1].
        height: of the image, in pixels.
        width: likewise.
        stretched: whether the schedule for 10,000 queries is stretched to these, or cut off there.
    """
    passed = np.arange(queries) * 10_000 // queries if stretched else np.arange(queries)
    share = p_init / 2.0 ** np.searchsorted(HALVED_AFTER, passed)
    return np.clip(np.rint(np.sqrt(share * height * width)), 1, min(height, width)).astype(int)


def odd_sides(
    queries: int, p_init: float, height: int, width: int, stretched: bool = True
) -> Int[np.ndarray, " queries"]:
    """As ``sides``, but odd and at least 3 as far as the image has room: for squares that hold a pattern."""
    plain = np.maximum(sides(queries, p_init, height, width, stretched), 3)
    return np.minimum(plain + 1 - plain % 2, min(height, width))


def in_square(
    corners: Float[Array, "n 2"], side: int | Int[Array, ""], height: int, width: int
) -> tuple[Bool[Array, "n h w"], Int[Array, "n h 1"], Int[Array, "n 1 w"]]:
    """Which pixels lie in each image's square, and each pixel's row and column counted from its corner.

    ``corners`` in [0, 1) select the top left corner, uniformly among those from which a square fits.
    """
    room = jnp.asarray([[height, width]]) - side + 1
    top, left = jnp.moveaxis(jnp.floor(corners * room).astype(int), 1, 0)
    rows = (jnp.arange(height)[None] - top[:, None])[:, :, None]
    columns = (jnp.arange(width)[None] - left[:, None])[:, None, :]
    return (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side), rows, columns


def pattern(side: int, order: int) -> Float[np.ndarray, "side side"]:
    """A hill in the upper half of a square and an equally large hollow in the lower; of norm 1.

    With d the distance from the middle of its half (the larger of rows and columns), a hill is
    ``sum_(k >= d) 1 / (k + 1)^2``. ``order`` is that of the norm, 1 or 2.
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
    """The patterns of all sides, padded with zeros to the largest, and the index of each query's pattern."""
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
    """A pattern in each image's square, transposed where ``turned``; 0 elsewhere."""
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
    """Patterns side by side, each with its signs by channel, transposed or not; 0 at the border left over."""
    side = len(pattern)
    n, down, across, channels = signs.shape
    pairs = jnp.where(turned[..., None, None], pattern.T[None, None, None], pattern[None, None, None])
    tiles = pairs[..., None] * signs[:, :, :, None, None]
    whole = jnp.moveaxis(tiles, 3, 2).reshape(n, down * side, across * side, channels)
    spare = height - down * side, width - across * side
    border = [(0, 0), *((free // 2, free - free // 2) for free in spare), (0, 0)]
    return jnp.pad(whole, border)
