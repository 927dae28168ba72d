"""Max-pool between two linear functions: the relaxations of a maximum.

A window's relaxation is a slope for each of its four pixels and one offset. Tiles have even sides, so every
window lies within a tile.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from minmax_jax.certify.bounds import Bounds, per_value, total
from minmax_jax.tiles import max_pool


class Planes(NamedTuple):
    """``<low_slopes, x> <= max x <= <high_slopes, x> + high_offset`` for the four pixels x of each window."""

    low_slopes: Float[Array, "4 ..."]
    high_slopes: Float[Array, "4 ..."]
    high_offset: Float[Array, "..."]


def windows(tiles: Float[Array, "tr ts ..."]) -> Float[Array, "4 pr ps ..."]:
    """The four pixels of each 2 x 2 window, row by row, of tiles with even sides."""
    tr, ts, *rest = tiles.shape
    split = tiles.reshape(tr // 2, 2, ts // 2, 2, *rest)
    return jnp.moveaxis(split, (1, 3), (0, 1)).reshape(4, tr // 2, ts // 2, *rest)


def unwindow(members: Float[Array, "4 pr ps ..."]) -> Float[Array, "tr ts ..."]:
    """The inverse of ``windows``."""
    _, pr, ps, *rest = members.shape
    split = members.reshape(2, 2, pr, ps, *rest)
    return jnp.moveaxis(split, (0, 1), (1, 3)).reshape(2 * pr, 2 * ps, *rest)


def _first(values: Float[Array, "4 ..."]) -> Float[Array, "4 ..."]:
    """1 for the largest pixel of each window, the first of several, and 0 for the others."""
    return jax.nn.one_hot(values.argmax(0), 4, axis=0, dtype=values.dtype)


def _without(chosen: Float[Array, "4 ..."], values: Float[Array, "4 ..."]) -> Float[Array, "..."]:
    """The largest pixel of each window other than the chosen one."""
    return jnp.where(chosen > 0, -jnp.inf, values).max(0)


class Pool:
    """A maximum over windows, and two ``planes`` that enclose it."""

    def planes(self, inputs: Bounds) -> Planes:
        """A linear function below and one above the maximum between the bounds."""
        raise NotImplementedError

    def backward(
        self, coefficients: Float[Array, "pr ps c i j s m"], inputs: Bounds
    ) -> tuple[Float[Array, "tr ts c i j s n"], Float[Array, "s n"]]:
        """A linear function below ``<a, pool(x)>``: the lower plane where a > 0, else the upper one."""
        low_slopes, high_slopes, high_offset = map(per_value, self.planes(inputs))
        up, down = jnp.maximum(coefficients, 0), jnp.minimum(coefficients, 0)
        return unwindow(up[None] * low_slopes + down[None] * high_slopes), total(down * high_offset)


@dataclass(frozen=True)
class MaxPool(Pool):
    """``max(x)`` of each window. Below: the pixel of the largest lower bound. Above: the largest upper bound.

    Exact where one pixel is above all others whatever the input. Source: auto_LiRPA (Xu et al. 2020).
    """

    def forward(self, inputs: Bounds) -> Bounds:
        """``[max low, max high]``, exact."""
        return Bounds(max_pool(inputs.low), max_pool(inputs.high))

    def planes(self, inputs: Bounds) -> Planes:
        """The pixel itself, and a constant."""
        low, high = map(windows, inputs)
        chosen = _first(low)
        rules = low.max(0) >= _without(chosen, high)
        return Planes(chosen, chosen * rules[None], jnp.where(rules, 0, high.max(0)))


@dataclass(frozen=True)
class RectifiedMaxPool(Pool):
    """``max(x, 0)`` of each window: ReLU and max-pool in one, with 0 as a fifth pixel.

    Below: the pixel with the largest centre of bounds, or 0 if that is larger. Above: with the pixel k of the
    largest upper bound and g the largest of all lower bounds, all other upper bounds, and 0,
    ``max x <= g + (high_k - g) / (high_k - low_k) (x_k - low_k)``, the chord of ``max(x_k, g)``; it is
    nowhere above the plane of ``MaxPool`` after the line of ``Relu``. Exact where one pixel, or 0, is above
    all others whatever the input. Source: this study; for one pixel it is CROWN's relaxation of ReLU (Zhang
    et al. 2018).
    """

    def forward(self, inputs: Bounds) -> Bounds:
        """``[max low, max high]``, and at least 0: exact."""
        return Bounds(jax.nn.relu(max_pool(inputs.low)), jax.nn.relu(max_pool(inputs.high)))

    def planes(self, inputs: Bounds) -> Planes:
        """One pixel each."""
        low, high = map(windows, inputs)
        centre = windows(inputs.centre)
        below = _first(centre) * (centre.max(0) > 0)[None]
        top = _first(high)
        high_k, low_k = high.max(0), (top * low).sum(0)
        floor = jnp.maximum(jnp.maximum(_without(top, high), low.max(0)), 0)
        rules = floor <= low_k
        width = jnp.where(rules | (high_k <= low_k), 1, high_k - low_k)
        slope = jnp.where(rules, 1, jnp.maximum(high_k - floor, 0) / width)
        return Planes(below, top * slope[None], floor - slope * low_k)
