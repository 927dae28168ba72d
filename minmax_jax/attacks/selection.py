"""What is kept for each image: the better of two points, the best of several attempts, or the nearest."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from minmax_jax.attacks.ball import Eps


class Scored(NamedTuple):
    """A point for each image, and its score: its loss, infinite where the attack has succeeded."""

    points: Float[Array, "n h w c"]
    score: Float[Array, " n"]


class Nearest(NamedTuple):
    """The nearest adversarial point found for each image, and its distance: infinite where there is none."""

    points: Float[Array, "n h w c"]
    distance: Float[Array, " n"]


def choose(mask: Bool[Array, " n"], new: Any, old: Any) -> Any:
    """``new`` for the images in ``mask``, else ``old``: arrays or pytrees with the images first."""
    return jax.tree.map(lambda a, b: jnp.where(jnp.expand_dims(mask, range(1, a.ndim)), a, b), new, old)


def better(new: Scored, old: Scored) -> Scored:
    """The points of the higher score; ``old`` where both are equal."""
    return choose(new.score > old.score, new, old)


def best_of(attempt: Callable[[Scored, Any], Scored], start: Scored, inputs: Any) -> Float[Array, "n h w c"]:
    """The best points among ``start`` and those of one ``attempt(best so far, input)`` for each input."""

    def keep(best: Scored, given: Any) -> tuple[Scored, None]:
        return better(attempt(best, given), best), None

    return lax.scan(keep, start, inputs)[0].points


def within(found: Nearest, images: Float[Array, "n h w c"], eps: Eps | None) -> Float[Array, "n h w c"]:
    """The points found that are at most ``eps`` away (None: all of them), else the images themselves."""
    return found.points if eps is None else choose(found.distance <= eps, found.points, images)
