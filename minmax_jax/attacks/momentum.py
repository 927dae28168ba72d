"""The momentum iterative fast gradient sign method."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, level, per_image, project, size, stepped
from minmax_jax.attacks.inputs import attack_inputs
from minmax_jax.attacks.losses import ascent
from minmax_jax.attacks.selection import Scored, better
from minmax_jax.checks import AnyArray, check_count, check_least, plain
from minmax_jax.evaluation import Model

NORMS: tuple[Norm, ...] = ("linf", "l2")


def momentum(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps,
    *,
    norm: Norm = "linf",
    targets: Int[AnyArray, " n"] | None = None,
    steps: int = 10,
    step_size: Eps | None = None,
    decay: Eps = 1.0,
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """Momentum iterative FGSM (MI-FGSM): PGD from the image along a running sum of gradients.

        g <- decay g + grad_x loss / |grad_x loss|_1,    x <- project(x + step_size sign(g))

    in "linf", with ``g / |g|_2`` in place of ``sign(g)`` in "l2"; the loss is cross-entropy. The result is
    the last point or, where that is no better, the image itself: never worse than no attack, and an image
    that is misclassified already comes back unchanged. Pure and jittable.

    Args:
        model: any callable from images to logits; a Flax module is attacked in evaluation mode.
        images: (n, h, w, c), in [0, 1].
        labels: (n,), each image's class.
        eps: radius of the ball, in pixel units: in [0, 1] in "linf", >= 0 in "l2".
        norm: "linf" or "l2".
        targets: (n,), classes whose cross-entropy is lowered instead; None: any class but the label.
        steps: number of steps, at least 1.
        step_size: length of a step, >= 0, in pixel units; None: ``eps / steps``.
        decay: share of g that a step keeps (mu), >= 0; 1 as in the paper.
        key: accepted for a uniform signature; unused.

    Raises:
        ValueError: for images or eps out of range, labels or targets that name no class, norm "l1",
            steps < 1, or step_size or decay < 0.

    Source: Dong et al. 2018, algorithm 1 and equations 6 to 9.
    Identity: with decay 0 it is PGD of the same steps without a random start.
    """
    model, x0, aim, _ = attack_inputs(model, images, labels, eps, norm, targets=targets, norms=NORMS)
    steps = check_count("steps", steps)
    eps, decay = plain(eps), check_least("decay", decay)
    stride = eps / steps if step_size is None else check_least("step_size", step_size)

    def step(state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        x, memory = state
        gradient = level(ascent(model, x, aim.loss("ce")))
        memory = decay * memory + gradient / per_image(jnp.maximum(size(gradient, "l1"), 1))
        return (project(stepped(x, memory, stride, norm), x0, eps, norm), memory), None

    (end, _), _ = lax.scan(step, (x0, jnp.zeros_like(x0)), length=steps)
    before, after = (Scored(x, aim.score("ce", model(x))) for x in (x0, end))
    return better(after, before).points
