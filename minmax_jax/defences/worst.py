"""Images that the model of this very step finds hard: what training under attack trains on."""

from collections.abc import Callable
from typing import Any

from jax import lax
from jaxtyping import Array, Float

from minmax_jax.attacks.ball import Eps, Norm
from minmax_jax.attacks.pgd import ascend
from minmax_jax.evaluation import Model, merge_model, split_model


def frozen(model: Any) -> Model:
    """The model in evaluation mode, with weights that no gradient reaches: the one that is attacked."""
    definition, weights = split_model(model)
    return merge_model(definition, lax.stop_gradient(weights))


def worst_images(
    model: Model,
    start: Float[Array, "n h w c"],
    images: Float[Array, "n h w c"],
    eps: Eps,
    norm: Norm,
    height: Callable[[Float[Array, "n classes"]], Float[Array, " n"]],
    steps: int,
    stride: Eps | None,
) -> Float[Array, "n h w c"]:
    """The end of projected ascent on ``height(model(x))`` in the ball of radius eps, as a constant.

    A step is ``stride eps`` long, ``2.5 eps / steps`` if None. Unlike ``mm.attacks.pgd`` every image is
    attacked, those that are misclassified already among them, and the last point counts, as in Madry et al.
    2018. Identity: the images themselves at eps = 0.
    """
    step_size = eps * (2.5 / steps if stride is None else stride)
    return lax.stop_gradient(ascend(model, start, images, eps, norm, height, steps, step_size))
