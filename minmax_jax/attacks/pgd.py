"""Projected gradient descent."""

import jax
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, project, random_point, stepped
from minmax_jax.attacks.inputs import attack_inputs
from minmax_jax.attacks.losses import Loss, LossOfLogits, ascent, least_classes
from minmax_jax.attacks.selection import Scored, best_of
from minmax_jax.checks import AnyArray, as_key, check_count, check_flag, check_least, plain
from minmax_jax.evaluation import Model


def ascend(
    model: Model,
    start: Float[Array, "n h w c"],
    centre: Float[Array, "n h w c"],
    eps: Eps,
    norm: Norm,
    loss: LossOfLogits,
    steps: int,
    step_size: Eps,
) -> Float[Array, "n h w c"]:
    """The end of ``steps`` steps of steepest ascent on each image's ``loss(model(x))`` from ``start``.

    Args:
        model: a callable from images to logits.
        start: (n, h, w, c), the points to begin with.
        centre: (n, h, w, c), the middle of the ball.
        eps: radius of the ball into which, and into [0, 1], each step is projected.
        norm: norm of the ball and of the steps.
        loss: the function of the logits to maximise, one value for each image.
        steps: number of steps; none gives ``start`` back.
        step_size: length of a step, in pixel units.
    """

    def step(x: Array, _: None) -> tuple[Array, None]:
        return project(stepped(x, ascent(model, x, loss), step_size, norm), centre, eps, norm), None

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
    """Projected gradient descent: ``x <- project(x + step_size sign(grad_x loss))`` in ball and box.

    For each image the result is the point, among the image itself and the last of each restart, that is
    misclassified (as the target, if there is one) or else has the largest loss, so the attack is never worse
    than none. Pure and jittable.

    Args:
        model: any callable from images to logits; a Flax module is attacked in evaluation mode.
        images: (n, h, w, c), in [0, 1].
        labels: (n,), each image's class.
        eps: radius of the ball, in pixel units: in [0, 1] in "linf", >= 0 in the other norms.
        norm: norm of the ball. In "l2" steps go along the gradient; in "l1" they are shared among the pixels
            of the largest gradient that have room in [0, 1].
        loss: "ce" (cross-entropy), "dlr" (difference of logits ratio) or "margin".
        targets: (n,), classes that the attack climbs towards; None: away from the label.
        steps: steps of each restart, at least 1.
        step_size: length of a step, >= 0, in pixel units; None: ``2.5 eps / steps``.
        restarts: number of starts, at least 1.
        random_start: whether to start at a ``random_point`` of the ball, or else at the image.
        key: jax random key; None: ``jax.random.key(0)``.

    Raises:
        ValueError: for images or eps out of range, labels or targets that name no class, too few classes for
            the loss, steps or restarts < 1, or step_size < 0.

    Source: Madry et al. 2018. Identity: one step of size eps without random start is ``fgsm``, where the
    image is classified as labelled and that raises the loss.
    """
    least = least_classes(loss, targets is not None)
    model, x0, aim, _ = attack_inputs(model, images, labels, eps, norm, targets=targets, least=least)
    steps = check_count("steps", steps)
    restarts = check_count("restarts", restarts)
    eps, random_start = plain(eps), check_flag("random_start", random_start)
    stride = 2.5 * eps / steps if step_size is None else check_least("step_size", step_size)

    def scored(x: Array) -> Scored:
        return Scored(x, aim.score(loss, model(x)))

    def restart(_: Scored, key: Array) -> Scored:
        start = random_point(key, x0, eps, norm) if random_start else x0
        return scored(ascend(model, start, x0, eps, norm, aim.loss(loss), steps, stride))

    return best_of(restart, scored(x0), jax.random.split(as_key(key), restarts))
