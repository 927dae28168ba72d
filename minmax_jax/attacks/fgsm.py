"""The fast gradient sign method."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, per_image, project, stepped
from minmax_jax.attacks.inputs import checked, evaluated
from minmax_jax.attacks.losses import climbed, is_reached
from minmax_jax.checks import AnyArray
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
    """Fast gradient sign method: ``clip(x + eps sign(grad_x loss), 0, 1)``.

    ``model`` is any callable from images to logits, a Flax module in evaluation mode; ``eps`` is the radius
    by ``norm``. By "l2" the step goes along the gradient; by "l1" it is shared among the pixels of the
    largest gradient, each as far as [0, 1] lets it go. With ``targets`` it lowers the targets' cross-entropy
    in place of raising the labels'. An image for which that is no gain (it mends a misclassification, or the
    loss is no larger) comes back as it was. ``key`` is taken so that all attacks are called alike, and not
    used. Pure and jittable.

    Raises ValueError for images outside [0, 1], eps out of range, or labels that name no class.
    Source: Goodfellow et al. 2015, section 4.
    Identity: exact worst case on a linear two-class model; by "l2", away from the box.
    """
    model = evaluated(model)
    x0, truth, _ = checked(model, images, labels, eps, norm, targets=targets)
    goals = None if targets is None else jnp.asarray(targets)
    climb = climbed("ce", truth, goals)

    def looked_at(x: Array) -> tuple[Array, Array]:
        logits = model(x)
        return climb(logits), is_reached(logits, truth, goals)

    def total(x: Array) -> tuple[Array, tuple[Array, Array]]:
        height, reached = looked_at(x)
        return height.sum(), (height, reached)

    gradient, (height, reached) = jax.grad(total, has_aux=True)(x0)
    point = project(stepped(x0, gradient, eps, norm), x0, eps, norm)
    new_height, new_reached = looked_at(point)
    gained = jnp.where(reached == new_reached, new_height > height, new_reached)
    return jnp.where(per_image(gained), point, x0)
