"""The moves of Square Attack's random search, by norm: where it starts, and what it tries next."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, per_image, project, size
from minmax_jax.attacks.squares import inside, odd_sides, pattern, patterns, placed, sides, tiled

TILES = 5  # patterns along each side of the image at the start
TINY = 1e-12

# start(key, images): the points to begin with
Start = Callable[[Array, Float[Array, "n h w c"]], Float[Array, "n h w c"]]
# propose(images, points, number of the query, draws): the points to try next
Propose = Callable[
    [Float[Array, "n h w c"], Float[Array, "n h w c"], Int[Array, ""], Float[Array, "n draws"]],
    Float[Array, "n h w c"],
]


class Moves(NamedTuple):
    """A start, a proposal for each query, and how many numbers in [0, 1) a proposal draws for an image."""

    start: Start
    propose: Propose
    draws: int


def moves(
    norm: Norm, shape: tuple[int, ...], eps: Eps, queries: int, p_init: float, stretched: bool = True
) -> Moves:
    """The moves in the ball of radius eps by ``norm``, and in [0, 1], for images of ``shape``.

    Source: Andriushchenko et al. 2020, algorithms 2 and 3; for "l1" Croce and Hein 2021.
    """
    height, width, _ = shape
    if norm == "linf":
        return _to_the_ends(shape, eps, sides(queries, p_init, height, width, stretched))
    return _of_patterns(norm, shape, eps, odd_sides(queries, p_init, height, width, stretched))


def _to_the_ends(shape: tuple[int, ...], eps: Eps, chosen: Int[np.ndarray, " queries"]) -> Moves:
    """By "linf" all pixels are at an end of their range: in stripes at first, then square by square."""
    height, width, channels = shape
    side = jnp.asarray(chosen)

    def at(up: Bool[Array, "n y x c"], x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        return jnp.clip(jnp.where(up, x + eps, x - eps), 0, 1)

    def start(key: Array, x: Array) -> Array:
        return at(jax.random.bernoulli(key, shape=(len(x), 1, width, channels)), x)

    def propose(x: Array, points: Array, number: Array, draws: Array) -> Array:
        mask = inside(draws[:, :2], side[number], height, width)[0][..., None]
        up = draws[:, None, None, 2:] < 0.5
        # What changes nothing would waste a query: then the other end is tried.
        idle = (~mask | (at(up, x) == points)).all((1, 2, 3))
        return jnp.where(mask, at(up ^ idle[:, None, None, None], x), points)

    return Moves(start, propose, 2 + channels)


def _of_patterns(norm: Norm, shape: tuple[int, ...], eps: Eps, chosen: Int[np.ndarray, " queries"]) -> Moves:
    """By "l2" and "l1" the change in one square moves to another, together with what is left of eps."""
    height, width, channels = shape
    order = 2 if norm == "l2" else 1
    table, which = map(jnp.asarray, patterns(chosen, order))
    side = jnp.asarray(chosen)

    def mass(change: Float[Array, "n h w c"]) -> Float[Array, "n 1 1 c"]:
        return (jnp.abs(change) ** order).sum((1, 2), keepdims=True)

    def on_the_ball(x: Array, change: Array) -> Array:
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
        return on_the_ball(x, change * (eps / per_image(size(change, norm))))

    def propose(x: Array, points: Array, number: Array, draws: Array) -> Array:
        change = points - x
        to, rows, columns = inside(draws[:, :2], side[number], height, width)
        source = inside(draws[:, 2:4], side[number], height, width)[0]
        new = placed(table[which[number]], rows, columns, to, draws[:, 4] < 0.5)[..., None]
        signs = jnp.where(draws[:, None, None, 5:] < 0.5, -1.0, 1.0)
        to, either = to[..., None], (to | source)[..., None]
        left = jnp.maximum(eps**order - mass(change).sum(3, keepdims=True), 0) / channels
        available = (left + mass(change * either)) ** (1 / order)
        old = change * to
        mixed = new * signs + old / (mass(old) ** (1 / order) + TINY)
        moved = mixed / (mass(mixed) ** (1 / order) + TINY) * available
        return on_the_ball(x, jnp.where(either, moved, change))

    return Moves(start, propose, 5 + channels)
