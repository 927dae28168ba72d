"""Auto-PGD's steps by "l1": along the largest values only, fewer as the best change is sparser."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.attacks.ball import Eps, finite, per_image, project

CUT = 1.5  # by which a check divides the step size, where sparsity has settled
LEAST = 0.1  # of the first step size: the smallest
SETTLED = 0.95  # of the values changed at the last check: with no fewer, sparsity has settled


class Memory(NamedTuple):
    """What the steps are set by, one number for each image."""

    stride: Float[Array, " n"]
    support: Int[Array, " n"]  # values that the best point changed at the last check


class Sparse:
    """``x <- project(x + stride s / |s|_1)``, s the signs of the gradient where it is largest, else 0.

    A step changes two thirds as many values as the best point did at the last check, rounded down so that a
    single one is reached. The first step size is the radius. Where a check finds that the best point changes
    fewer values, by 5 %, it goes back to that point and to the first step size; elsewhere it divides the step
    size by 1.5, down to a tenth of the first. Source: Croce and Hein 2021 ("Mind the box"), algorithm 1.
    """

    def begin(self, change: Float[Array, "n h w c"], radius: Eps) -> Memory:
        """Memory of a climb that begins ``change`` away from the images."""
        return Memory(jnp.broadcast_to(jnp.asarray(radius, change.dtype), len(change)), support(change))

    def move(
        self,
        memory: Memory,
        point: Float[Array, "n h w c"],
        previous: Float[Array, "n h w c"],
        gradient: Float[Array, "n h w c"],
        centre: Float[Array, "n h w c"],
        radius: Eps,
    ) -> Float[Array, "n h w c"]:
        """The next point, in the ball and in [0, 1]; the ``previous`` one is not looked at."""
        known = finite(gradient)
        steep = jnp.abs(known)
        ordered = jnp.sort(steep.reshape(len(steep), -1), axis=1)
        largest = jnp.maximum(memory.support * 2 // 3, 1)
        least = jnp.take_along_axis(ordered, ordered.shape[1] - largest[:, None], axis=1)[:, 0]
        signs = jnp.where(steep >= per_image(least), jnp.sign(known), 0)
        step = memory.stride / jnp.maximum(support(signs), 1)
        return project(point + per_image(step) * signs, centre, radius, "l1")

    def note(self, memory: Memory, rose: Bool[Array, " n"], stepped: Bool[Array, ""]) -> Memory:
        """Memory after an evaluation of the loss, which the l1 form does not look at."""
        return memory

    def check(
        self, memory: Memory, change: Float[Array, "n h w c"], height: Float[Array, " n"], radius: Eps
    ) -> tuple[Memory, Bool[Array, " n"]]:
        """Memory after a check, given the best change and loss so far, and which images go back to them."""
        changed = support(change)
        sparser = changed < SETTLED * memory.support
        stride = jnp.where(sparser, radius, jnp.maximum(memory.stride / CUT, LEAST * radius))
        return Memory(stride, changed), sparser


def support(change: Float[Array, "n h w c"]) -> Int[Array, " n"]:
    """Number of values that each image's change is not zero in."""
    return (change != 0).sum((1, 2, 3), dtype=jnp.int32)
