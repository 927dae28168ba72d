"""Random noise: the attack that knows nothing, a control for those that claim to know more."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, per_image, project, size
from minmax_jax.attacks.inputs import attack_inputs
from minmax_jax.attacks.selection import Scored, best_of
from minmax_jax.checks import AnyArray, as_key, check_count, plain
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
    """Random search: the worst of ``tries`` images ``clip(x + eps d, 0, 1)``, d of random direction, norm 1.

    Directions are random signs (linf), or normal or Laplace noise scaled to norm 1 (l2, l1). For each image
    the result is the point, the image itself among them, that is misclassified (as the target, if there is
    one) or else has the largest margin ``max_{i != y} z_i - z_y``. Uses the model's logits alone, no
    gradients. Pure and jittable.

    Args:
        model: any callable from images to logits; a Flax module is attacked in evaluation mode.
        images: (n, h, w, c), in [0, 1].
        labels: (n,), each image's class.
        eps: radius of the ball, in pixel units: in [0, 1] in "linf", >= 0 in the other norms.
        norm: norm of the ball.
        targets: (n,), the classes to reach; None: any but the label.
        tries: points drawn for each image, at least 1.
        key: jax random key; None: ``jax.random.key(0)``.

    Raises:
        ValueError: for images or eps out of range, labels or targets that name no class, or tries < 1.

    Identity: never worse than no attack; with more tries never weaker for the same key.
    """
    model, x0, aim, _ = attack_inputs(model, images, labels, eps, norm, targets=targets)
    eps, tries = plain(eps), check_count("tries", tries)
    start = as_key(key)

    def score(x: Array) -> Array:
        return aim.score("margin", model(x))

    def attempt(_: Scored, number: Array) -> Scored:
        point = x0 + eps * _direction(jax.random.fold_in(start, number), x0, norm)
        point = project(point, x0, eps) if norm == "linf" else jnp.clip(point, 0, 1)
        return Scored(point, score(point))

    return best_of(attempt, Scored(x0, score(x0)), jnp.arange(tries))


def _direction(key: Array, like: Float[Array, "n h w c"], norm: Norm) -> Float[Array, "n h w c"]:
    """A random direction of norm 1 for each image."""
    if norm == "linf":
        return jax.random.rademacher(key, like.shape, like.dtype)
    draw = jax.random.normal if norm == "l2" else jax.random.laplace
    drawn = draw(key, like.shape, like.dtype)
    return drawn / per_image(size(drawn, norm))
