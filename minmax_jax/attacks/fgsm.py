"""The fast gradient sign method."""

from jaxtyping import Array, Float, Int

from minmax_jax.arrays import AnyArray
from minmax_jax.attacks.ball import Eps, Model, ascent, checked, project


def fgsm(
    model: Model, images: Float[AnyArray, "n h w c"], labels: Int[AnyArray, " n"], eps: Eps
) -> Float[Array, "n h w c"]:
    """Fast gradient sign method: ``clip(x + eps sign(grad_x loss), 0, 1)``.

    ``model`` is any callable from images to logits; ``eps`` is the L-inf radius in [0, 1]. Pure and
    jittable. Raises ValueError for images outside [0, 1] or eps outside [0, 1].
    Source: Goodfellow et al. 2015. Identity: exact worst case on a linear two-class model, up to the box.
    """
    x0, truth = checked(images, labels, eps)
    return project(x0 + eps * ascent(model, x0, truth), x0, eps)
