"""Projected gradient descent."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.arrays import AnyArray
from minmax_jax.attacks.ball import Eps, ascent, checked, evaluated, losses, project
from minmax_jax.checks import check_count, is_known
from minmax_jax.evaluation import Model


def pgd(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps,
    *,
    steps: int = 40,
    step_size: Eps | None = None,
    restarts: int = 1,
    random_start: bool = True,
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """Projected gradient descent in the L-inf ball: ``x <- project(x + step_size sign(grad_x loss))``.

    Every step is projected into the ball of radius ``eps`` and into [0, 1]. ``step_size`` is by default
    ``2.5 eps / steps``. Each of ``restarts`` starts at a point drawn evenly from the ball (or at the image,
    if not ``random_start``). For each image the result is the point, among the image itself and the last of
    each restart, that is misclassified or else has the largest cross-entropy, so the attack is never worse
    than none. A Flax module is attacked in evaluation mode. ``key`` is a jax random key,
    ``jax.random.key(0)`` if None. Pure and jittable.

    Raises ValueError for images or eps outside [0, 1], steps or restarts < 1, or step_size < 0.
    Source: Madry et al. 2018. Identity: one step of size eps without random start is ``fgsm``, where that
    raises the loss.
    """
    model = evaluated(model)
    x0, truth = checked(images, labels, eps)
    check_count("steps", steps)
    check_count("restarts", restarts)
    if step_size is not None and is_known(step_size) and not 0 <= step_size < float("inf"):
        raise ValueError(f"step_size is {step_size}; it takes a finite number >= 0, in pixels of [0, 1]")
    size = 2.5 * eps / steps if step_size is None else step_size

    def quality(x: Array) -> Array:
        return jnp.where(model(x).argmax(-1) != truth, jnp.inf, losses(model, x, truth))

    def climb(x: Array, _: None) -> tuple[Array, None]:
        return project(x + size * ascent(model, x, truth), x0, eps), None

    def restart(best: tuple[Array, Array], key: Array) -> tuple[tuple[Array, Array], None]:
        noise = jax.random.uniform(key, x0.shape, x0.dtype, -1, 1)
        start = project(x0 + eps * noise, x0, eps) if random_start else x0
        end, _ = lax.scan(climb, start, length=steps)
        points, qualities = best
        new = quality(end)
        better = new > qualities
        mask = better[:, None, None, None]
        return (jnp.where(mask, end, points), jnp.where(better, new, qualities)), None

    keys = jax.random.split(jax.random.key(0) if key is None else key, restarts)
    (points, _), _ = lax.scan(restart, (x0, quality(x0)), keys)
    return points
