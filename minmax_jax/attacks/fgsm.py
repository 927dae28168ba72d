"""The fast gradient sign method."""

from jaxtyping import Array, Float, Int

from minmax_jax.arrays import AnyArray
from minmax_jax.attacks.ball import Eps, ascent, checked, evaluated, project
from minmax_jax.evaluation import Model


def fgsm(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps,
    *,
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """Fast gradient sign method: ``clip(x + eps sign(grad_x loss), 0, 1)``.

    ``model`` is any callable from images to logits, a Flax module in evaluation mode; ``eps`` is the L-inf
    radius in [0, 1]. ``key`` is taken so that all attacks are called alike, and not used. Pure and jittable.
    Raises ValueError for images outside [0, 1] or eps outside [0, 1].
    Source: Goodfellow et al. 2015. Identity: exact worst case on a linear two-class model, up to the box.
    """
    model = evaluated(model)
    x0, truth = checked(images, labels, eps)
    return project(x0 + eps * ascent(model, x0, truth), x0, eps)
