"""The fast gradient sign method."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, project, stepped
from minmax_jax.attacks.inputs import attack_inputs
from minmax_jax.attacks.losses import value_and_ascent
from minmax_jax.attacks.selection import choose
from minmax_jax.checks import AnyArray, plain
from minmax_jax.evaluation import Model


def fgsm(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps,
    *,
    norm: Norm = "linf",
    targets: Int[AnyArray, " n"] | None = None,
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """Fast gradient sign method: ``clip(x + eps sign(grad_x loss), 0, 1)``, the loss being cross-entropy.

    An image for which that is no gain (it would correct a misclassification, or the loss is no larger) comes
    back unchanged. Pure and jittable.

    Args:
        model: any callable from images to logits; a Flax module is attacked in evaluation mode.
        images: (n, h, w, c), in [0, 1].
        labels: (n,), each image's class.
        eps: radius of the ball, in pixel units: in [0, 1] in "linf", >= 0 in the other norms.
        norm: norm of the ball. In "l2" the step goes along the gradient; in "l1" it is shared among the
            pixels of the largest gradient, each moving as far as [0, 1] allows.
        targets: (n,), classes whose cross-entropy is lowered instead; None: any class but the label.
        key: accepted for a uniform signature; unused.

    Raises:
        ValueError: for images outside [0, 1], eps out of range, or labels or targets that name no class.

    Source: Goodfellow et al. 2015, section 4.
    Identity: exact worst case on a linear two-class model; in "l2", away from the box.
    """
    model, x0, aim, _ = attack_inputs(model, images, labels, eps, norm, targets=targets)
    eps = plain(eps)

    def look(logits: Array) -> tuple[Array, Array]:
        return aim.loss("ce")(logits), aim.is_reached(logits)

    (loss, reached), gradient = value_and_ascent(model, x0, look)
    point = project(stepped(x0, gradient, eps, norm), x0, eps, norm)
    new_loss, new_reached = look(model(point))
    return choose(jnp.where(reached == new_reached, new_loss > loss, new_reached), point, x0)
