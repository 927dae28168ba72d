"""Auto-PGD's steps by "linf" and "l2": steepest ascent with momentum, of a step size that halves itself."""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, per_image, project, size, steepest

NEW = 0.75  # share of the new step; the rest goes on as the last step went


class Memory(NamedTuple):
    """What the step size is set by, one number for each image."""

    stride: Float[Array, " n"]
    new: Float[Array, " n"]  # share of the new step: 1 for the first
    steps: Int[Array, " n"]  # since the last check
    rises: Int[Array, " n"]  # of them, those that raised the loss
    height: Float[Array, " n"]  # the best loss at the last check
    halved: Bool[Array, " n"]  # whether the last check halved the step size


@dataclass(frozen=True)
class Dense:
    """``z = P(x + stride d)``, then ``x <- P(x + 0.75 (z - x) + 0.25 (x - previous))``; d is steepest.

    The first step size is twice the radius. A check halves it, and goes back to the best point, where at most
    a share ``rho`` of the steps since the last check raised the loss, or where that check left the step size
    as it was and the best loss has not risen since.
    Source: Croce and Hein 2020, section 4.1 and algorithm 1.
    """

    norm: Norm
    rho: float

    def begin(self, change: Float[Array, "n h w c"], radius: Eps) -> Memory:
        """Memory of a climb that begins ``change`` away from the images."""
        n = len(change)
        none = jnp.zeros(n, jnp.int32)
        return Memory(
            jnp.broadcast_to(2 * jnp.asarray(radius, change.dtype), n),
            jnp.ones(n, change.dtype),
            none,
            none,
            jnp.full(n, -jnp.inf, change.dtype),
            jnp.ones(n, bool),
        )

    def move(
        self,
        memory: Memory,
        point: Float[Array, "n h w c"],
        previous: Float[Array, "n h w c"],
        gradient: Float[Array, "n h w c"],
        centre: Float[Array, "n h w c"],
        radius: Eps,
    ) -> Float[Array, "n h w c"]:
        """The next point, in the ball and in [0, 1]."""
        step = per_image(memory.stride) * steepest(gradient, self.norm)
        aim = inside(point + step, centre, radius, self.norm)
        new = per_image(memory.new)
        return inside(point + new * (aim - point) + (1 - new) * (point - previous), centre, radius, self.norm)

    def note(self, memory: Memory, rose: Bool[Array, " n"], stepped: Bool[Array, ""]) -> Memory:
        """Memory after an evaluation of the loss: whether it rose, and whether it followed a step."""
        counted = memory._replace(steps=memory.steps + stepped, rises=memory.rises + (rose & stepped))
        return counted._replace(new=jnp.where(stepped, NEW, memory.new))

    def check(
        self, memory: Memory, change: Float[Array, "n h w c"], height: Float[Array, " n"], radius: Eps
    ) -> tuple[Memory, Bool[Array, " n"]]:
        """Memory after a check, given the best change and loss so far, and which images go back to them."""
        unsteady = memory.rises <= self.rho * memory.steps
        stuck = ~memory.halved & (memory.height >= height)
        halved = unsteady | stuck
        none = jnp.zeros_like(memory.steps)
        stride = jnp.where(halved, memory.stride / 2, memory.stride)
        return Memory(stride, memory.new, none, none, height, halved), halved


def inside(
    images: Float[Array, "n h w c"], centre: Float[Array, "n h w c"], radius: Eps, norm: Norm
) -> Float[Array, "n h w c"]:
    """Images brought into the ball and into [0, 1].

    By "linf" the nearest there. By "l2" into the ball first and then into [0, 1], as in the source: not quite
    the nearest, at a fraction of its cost.
    """
    if norm == "linf":
        return project(images, centre, radius)
    change = images - centre
    shrink = jnp.minimum(1, radius / jnp.maximum(size(change, norm), 1e-12))
    return jnp.clip(centre + change * per_image(shrink), 0, 1)
