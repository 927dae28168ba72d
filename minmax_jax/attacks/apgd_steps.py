"""Auto-PGD's steps and step sizes, dense ("linf", "l2") and sparse ("l1"), and when they are looked at."""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, finite, per_image, project, size, steepest

NEW = 0.75  # weight of the new step in a dense step; the last step has the rest
DIVISOR = 1.5  # by which a check divides the sparse step size, where sparsity has settled
LEAST = 0.1  # smallest sparse step size, as a share of the first
SETTLED = 0.95  # sparsity has settled if the best point changes no less than this share of the last count


class DenseMemory(NamedTuple):
    """What sets a dense step, one number for each image."""

    stride: Float[Array, " n"]
    new: Float[Array, " n"]  # weight of the new step: 1 for the first
    steps: Int[Array, " n"]  # since the last check
    rises: Int[Array, " n"]  # of them, those that raised the loss
    loss: Float[Array, " n"]  # the best loss at the last check
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

    def begin(self, change: Float[Array, "n h w c"], radius: Eps) -> DenseMemory:
        """Memory of a run that begins ``change`` away from the images."""
        n = len(change)
        none = jnp.zeros(n, jnp.int32)
        return DenseMemory(
            jnp.broadcast_to(2 * jnp.asarray(radius, change.dtype), n),
            jnp.ones(n, change.dtype),
            none,
            none,
            jnp.full(n, -jnp.inf, change.dtype),
            jnp.ones(n, bool),
        )

    def move(
        self,
        memory: DenseMemory,
        point: Float[Array, "n h w c"],
        previous: Float[Array, "n h w c"],
        gradient: Float[Array, "n h w c"],
        centre: Float[Array, "n h w c"],
        radius: Eps,
    ) -> Float[Array, "n h w c"]:
        """The next point, in the ball and in [0, 1].

        Args:
            memory: what sets the step.
            point: where the step begins.
            previous: where the last step began.
            gradient: of the loss at ``point``.
            centre: the images, in the middle of the ball.
            radius: of the ball.
        """
        step = per_image(memory.stride) * steepest(gradient, self.norm)
        z = clip_to_ball(point + step, centre, radius, self.norm)
        new = per_image(memory.new)
        mixed = point + new * (z - point) + (1 - new) * (point - previous)
        return clip_to_ball(mixed, centre, radius, self.norm)

    def note(self, memory: DenseMemory, rose: Bool[Array, " n"], stepped: Bool[Array, ""]) -> DenseMemory:
        """Memory after an evaluation of the loss: whether it rose, and whether it followed a step."""
        counted = memory._replace(steps=memory.steps + stepped, rises=memory.rises + (rose & stepped))
        return counted._replace(new=jnp.where(stepped, NEW, memory.new))

    def check(
        self, memory: DenseMemory, change: Float[Array, "n h w c"], loss: Float[Array, " n"], radius: Eps
    ) -> tuple[DenseMemory, Bool[Array, " n"]]:
        """Memory after a check, given the best change and loss so far, and which images go back to them."""
        unsteady = memory.rises <= self.rho * memory.steps
        stuck = ~memory.halved & (memory.loss >= loss)
        halved = unsteady | stuck
        none = jnp.zeros_like(memory.steps)
        stride = jnp.where(halved, memory.stride / 2, memory.stride)
        return DenseMemory(stride, memory.new, none, none, loss, halved), halved


class SparseMemory(NamedTuple):
    """What sets a sparse step, one number for each image."""

    stride: Float[Array, " n"]
    support: Int[Array, " n"]  # number of values that the best point changed at the last check


class Sparse:
    """``x <- project(x + stride s / |s|_1)``, s the signs of the gradient where it is largest, else 0.

    A step changes two thirds as many values as the best point did at the last check, rounded down so that a
    single one is reached. The first step size is the radius. Where a check finds that the best point changes
    fewer values, by 5 %, it goes back to that point and to the first step size; elsewhere it divides the step
    size by 1.5, down to a tenth of the first. Source: Croce and Hein 2021 ("Mind the box"), algorithm 1.
    """

    def begin(self, change: Float[Array, "n h w c"], radius: Eps) -> SparseMemory:
        """Memory of a run that begins ``change`` away from the images."""
        return SparseMemory(jnp.broadcast_to(jnp.asarray(radius, change.dtype), len(change)), support(change))

    def move(
        self,
        memory: SparseMemory,
        point: Float[Array, "n h w c"],
        previous: Float[Array, "n h w c"],
        gradient: Float[Array, "n h w c"],
        centre: Float[Array, "n h w c"],
        radius: Eps,
    ) -> Float[Array, "n h w c"]:
        """The next point, as ``Dense.move``; ``previous`` is unused, as sparse steps have no momentum."""
        known = finite(gradient)
        steep = jnp.abs(known)
        ordered = jnp.sort(steep.reshape(len(steep), -1), axis=1)
        largest = jnp.maximum(memory.support * 2 // 3, 1)
        least = jnp.take_along_axis(ordered, ordered.shape[1] - largest[:, None], axis=1)[:, 0]
        signs = jnp.where(steep >= per_image(least), jnp.sign(known), 0)
        step = memory.stride / jnp.maximum(support(signs), 1)
        return project(point + per_image(step) * signs, centre, radius, "l1")

    def note(self, memory: SparseMemory, rose: Bool[Array, " n"], stepped: Bool[Array, ""]) -> SparseMemory:
        """Memory after an evaluation of the loss: unchanged, as sparse steps do not depend on it."""
        return memory

    def check(
        self, memory: SparseMemory, change: Float[Array, "n h w c"], loss: Float[Array, " n"], radius: Eps
    ) -> tuple[SparseMemory, Bool[Array, " n"]]:
        """Memory after a check, given the best change and loss so far, and which images go back to them."""
        changed = support(change)
        sparser = changed < SETTLED * memory.support
        stride = jnp.where(sparser, radius, jnp.maximum(memory.stride / DIVISOR, LEAST * radius))
        return SparseMemory(stride, changed), sparser


def clip_to_ball(
    images: Float[Array, "n h w c"], centre: Float[Array, "n h w c"], radius: Eps, norm: Norm
) -> Float[Array, "n h w c"]:
    """Images brought into the ball and into [0, 1].

    In "linf" the nearest there. In "l2" into the ball first and then into [0, 1], as in the source: not quite
    the nearest, at a fraction of its cost.
    """
    if norm == "linf":
        return project(images, centre, radius)
    change = images - centre
    shrink = jnp.minimum(1, radius / jnp.maximum(size(change, norm), 1e-12))
    return jnp.clip(centre + change * per_image(shrink), 0, 1)


def support(change: Float[Array, "n h w c"]) -> Int[Array, " n"]:
    """Number of non-zero values of each image's change."""
    return (change != 0).sum((1, 2, 3), dtype=jnp.int32)


class Schedule(NamedTuple):
    """An entry for each evaluation of the gradient: a phase's first begins it, the others follow a step."""

    begins: Bool[np.ndarray, " evaluations"]
    checks: Bool[np.ndarray, " evaluations"]  # whether the step size is checked afterwards
    scales: Float[np.ndarray, " evaluations"]  # radius of the ball, as a multiple of the attack's


def schedule(steps: int, norm: Norm) -> Schedule:
    """Schedule of a run of ``steps`` steps: one phase in "linf" and "l2", three of falling radius in "l1".

    In "l1" the first 30 % of the steps search the ball of three times the radius, as many that of twice the
    radius, and the rest the attack's own. Source: Croce and Hein 2021 ("Mind the box"), section 3.3.
    Identity: the steps of all phases together are ``steps``; the last scale is 1.
    """
    wide = min(-(-3 * steps // 10), steps // 3) if norm == "l1" else 0
    phases = [(n, scale) for n, scale in ((wide, 3.0), (wide, 2.0), (steps - 2 * wide, 1.0)) if n]
    find = sparse_checks if norm == "l1" else dense_checks
    parts = [
        (np.arange(n + 1) == 0, np.isin(np.arange(n + 1), find(n)), np.full(n + 1, s)) for n, s in phases
    ]
    begins, checks, scales = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Schedule(begins, checks, scales.astype(np.float32))


def dense_checks(steps: int) -> list[int]:
    """Steps after which the step size may be halved: 22 % of all, then 3 % fewer each time, down to 6 %.

    Source: Croce and Hein 2020, section 4.1: ``p_1 = 0.22, p_(j+1) = p_j + max(p_j - p_(j-1) - 0.03, 0.06)``.
    """
    wait = max(22 * steps // 100, 1)
    shorter, shortest = max(3 * steps // 100, 1), max(6 * steps // 100, 1)
    checks = []
    at = wait
    while at <= steps:
        checks.append(at)
        wait = max(wait - shorter, shortest)
        at += wait
    return checks


def sparse_checks(steps: int) -> list[int]:
    """Steps after which sparsity and the sparse step size are updated: every 4 % of all."""
    wait = max(4 * steps // 100, 1)
    return list(range(wait, steps + 1, wait))
