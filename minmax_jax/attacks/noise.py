"""Random noise: the attack that knows nothing, a control for those that claim to know more."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, per_image, project, size
from minmax_jax.attacks.inputs import checked, evaluated
from minmax_jax.attacks.losses import climbed, is_reached
from minmax_jax.checks import AnyArray, check_count
from minmax_jax.evaluation import Model


def noise(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps,
    *,
    norm: Norm = "linf",
    targets: Int[AnyArray, " n"] | None = None,
    tries: int = 50,
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """Random search: the worst of ``tries`` images ``clip(x + eps d, 0, 1)``, d of random direction, size 1.

    Directions are random signs (linf), or normal or Laplace noise brought to size 1 (l2, l1). For each image
    the result is the point, the image itself among them, that is misclassified (as the target, if there is
    one) or else has the largest margin ``max_{i != y} z_i - z_y``. It asks only for the model's answers. Pure
    and jittable; ``key`` is a jax random key, ``jax.random.key(0)`` if None.
    Raises ValueError for images or eps out of range, labels that name no class, or tries < 1.
    Identity: no worse than no attack, and with more tries never weaker by the same key.
    """
    model = evaluated(model)
    x0, truth, _ = checked(model, images, labels, eps, norm, targets=targets)
    check_count("tries", tries)
    goals = None if targets is None else jnp.asarray(targets)
    height = climbed("margin", truth, goals)

    def quality(x: Array) -> Array:
        logits = model(x)
        return jnp.where(is_reached(logits, truth, goals), jnp.inf, height(logits))

    def attempt(number: Array, best: tuple[Array, Array]) -> tuple[Array, Array]:
        points, qualities = best
        direction = _direction(jax.random.fold_in(start, number), x0, norm)
        point = (
            project(x0 + eps * direction, x0, eps) if norm == "linf" else jnp.clip(x0 + eps * direction, 0, 1)
        )
        new = quality(point)
        better = new > qualities
        return jnp.where(per_image(better), point, points), jnp.where(better, new, qualities)

    start = jax.random.key(0) if key is None else key
    points, _ = lax.fori_loop(0, tries, attempt, (x0, quality(x0)))
    return points


def _direction(key: Array, like: Float[Array, "n h w c"], norm: Norm) -> Float[Array, "n h w c"]:
    """A random direction of size 1 by the norm, for each image."""
    if norm == "linf":
        return jax.random.rademacher(key, like.shape, like.dtype)
    draw = jax.random.normal if norm == "l2" else jax.random.laplace
    drawn = draw(key, like.shape, like.dtype)
    return drawn / per_image(size(drawn, norm))
