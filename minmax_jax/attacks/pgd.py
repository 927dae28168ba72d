"""Projected gradient descent."""

from collections.abc import Callable
from typing import get_args

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, per_image, project, random_point, stepped
from minmax_jax.attacks.inputs import checked, evaluated
from minmax_jax.attacks.losses import Loss, ascent, climbed, least_classes, rank
from minmax_jax.checks import AnyArray, check_count, is_known, one_of
from minmax_jax.evaluation import Model


def climb(
    model: Model,
    start: Float[Array, "n h w c"],
    centre: Float[Array, "n h w c"],
    eps: Eps,
    norm: Norm,
    height: Callable[[Float[Array, "n classes"]], Float[Array, " n"]],
    steps: int,
    step_size: Eps,
) -> Float[Array, "n h w c"]:
    """Where ``steps`` steps of steepest ascent on each image's ``height(model(x))`` lead from ``start``.

    Every step is projected into the ball about ``centre`` and into [0, 1]. Identity: ``start`` for no steps.
    """

    def step(x: Array, _: None) -> tuple[Array, None]:
        return project(stepped(x, ascent(model, x, height), step_size, norm), centre, eps, norm), None

    return lax.scan(step, start, length=steps)[0]


def pgd(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps,
    *,
    norm: Norm = "linf",
    loss: Loss = "ce",
    targets: Int[AnyArray, " n"] | None = None,
    steps: int = 40,
    step_size: Eps | None = None,
    restarts: int = 1,
    random_start: bool = True,
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """Projected gradient descent in the ball: ``x <- project(x + step_size sign(grad_x loss))``.

    Every step is projected into the ball of radius ``eps`` by ``norm`` and into [0, 1]; by "l2" it goes along
    the gradient, by "l1" it is shared among the pixels of the largest gradient that [0, 1] leaves room to.
    ``loss`` is "ce" (cross-entropy), "dlr" (difference of logits ratio) or "margin"; with ``targets`` the
    attack climbs towards them. ``step_size`` is by default ``2.5 eps / steps``. Each of ``restarts`` starts
    at a ``random_point`` of the ball (or at the image, if not ``random_start``). For each image the result
    is the point, among the image itself and the last of each restart, that is misclassified (as the target,
    if there is one) or else has the largest loss, so the attack is never worse than none. A Flax module is
    attacked in evaluation mode. ``key`` is a jax random key (None: ``jax.random.key(0)``). Pure and jittable.

    Raises ValueError for images or eps out of range, labels that name no class, too few classes for the loss,
    steps or restarts < 1, or step_size < 0.
    Source: Madry et al. 2018. Identity: one step of size eps without random start is ``fgsm``, where the
    image is classified as labelled and that raises the loss.
    """
    model = evaluated(model)
    one_of("loss", loss, get_args(Loss))
    least = least_classes(loss, targets is not None)
    x0, truth, _ = checked(model, images, labels, eps, norm, targets=targets, least_classes=least)
    goals = None if targets is None else jnp.asarray(targets)
    check_count("steps", steps)
    check_count("restarts", restarts)
    if step_size is not None and is_known(step_size) and not 0 <= step_size < float("inf"):
        raise ValueError(f"step_size must be a finite number >= 0, in pixels of [0, 1], got {step_size}")
    stride = 2.5 * eps / steps if step_size is None else step_size
    height = climbed(loss, truth, goals)

    def quality(x: Array) -> Array:
        return rank(model(x), truth, goals, height)

    def restart(best: tuple[Array, Array], key: Array) -> tuple[tuple[Array, Array], None]:
        start = random_point(key, x0, eps, norm) if random_start else x0
        end = climb(model, start, x0, eps, norm, height, steps, stride)
        points, qualities = best
        new = quality(end)
        better = new > qualities
        return (jnp.where(per_image(better), end, points), jnp.where(better, new, qualities)), None

    keys = jax.random.split(jax.random.key(0) if key is None else key, restarts)
    (points, _), _ = lax.scan(restart, (x0, quality(x0)), keys)
    return points
