"""Adversarial training, with many steps or with one."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, random_point
from minmax_jax.attacks.losses import Aim, LossOfLogits
from minmax_jax.attacks.pgd import ascend
from minmax_jax.checks import check_flag
from minmax_jax.defences.hyperparameters import Number, check_ball, ramp
from minmax_jax.evaluation import Model, merge_model, split_model
from minmax_jax.models.logits import logits_of
from minmax_jax.models.pytrees import register_pytree
from minmax_jax.objective import Measured, cross_entropy


@dataclass(frozen=True)
class Adversarial:
    """Adversarial training: ``mean CE(f(x'), y)``, with x' by projected gradient ascent on CE from x.

    The images x' are made anew in every training step, in the ball about x and in [0, 1]. The attack sees
    the model in evaluation mode (running statistics, no dropout); the loss sees x', as constants, in training
    mode.

    Args:
        eps: radius of the ball by ``norm``, in pixel units of [0, 1].
        steps: of gradient ascent.
        stride: length of a step in units of eps; None for ``2.5 / steps``.
        norm: "linf", "l2" or "l1".
        random_start: whether ascent starts from a ``random_point`` of the ball, or from x.
        start: radius at the beginning of the run.
        warmup: share of the run in which the radius rises along a line from ``start`` to ``eps``.

    Recorded cross-entropy and accuracy are those of x', at the radius of the step.
    ``eps``, ``stride``, ``start`` and ``warmup`` are traced: changing them recompiles nothing.
    Raises ValueError or TypeError for a field out of range.
    Source: Madry et al. 2018, equation 2.1. Identity: cross-entropy at eps = 0; on a linear two-class model
    the worst case of every image, ``CE`` at the margin less ``eps |w|_1``, away from the box.
    """

    eps: Number
    steps: int = 10
    stride: Number | None = None
    norm: Norm = "linf"
    random_start: bool = True
    start: Number = 0.0
    warmup: Number = 0.0

    def __post_init__(self) -> None:
        check_ball(self)
        check_flag("random_start", self.random_start)

    def __call__(
        self,
        model: Model,
        images: Float[Array, "n h w c"],
        labels: Int[Array, " n"],
        progress: Number,
        key: Array,
    ) -> Measured:
        """The loss of a batch: see ``mm.Objective``."""
        eps = ramp(self.start, self.eps, self.warmup, progress)
        first = random_point(key, images, eps, self.norm) if self.random_start else images
        loss = Aim(labels).loss("ce")
        attacked = worst_images(frozen(model), first, images, eps, self.norm, loss, self.steps, self.stride)
        logits = logits_of(model, attacked)
        fit = cross_entropy(logits, labels)
        return Measured(fit, fit, (logits.argmax(-1) == labels).mean())


register_pytree(Adversarial, ("eps", "stride", "start", "warmup"))


def fast_adversarial(
    eps: Number,
    *,
    stride: Number = 1.25,
    norm: Norm = "linf",
    start: Number = 0.0,
    warmup: Number = 0.0,
) -> Adversarial:
    """Fast adversarial training: one step along the gradient's sign, ``1.25 eps`` long, from a random start.

    It costs two gradients for each training step, where ``Adversarial`` costs ``steps + 1``. It can overfit
    to its own single step, after which iterated attacks succeed ("catastrophic overfitting"): watch the
    accuracy under PGD.

    Args:
        eps, norm, start, warmup: as for ``Adversarial``.
        stride: length of the step in units of eps.

    Source: Wong, Rice and Kolter 2020, algorithm 3. Identity: ``Adversarial(eps, steps=1, stride=1.25)``.
    """
    return Adversarial(eps, steps=1, stride=stride, norm=norm, start=start, warmup=warmup)


def frozen(model: Any) -> Model:
    """The model in evaluation mode, with weights that no gradient reaches: the one that is attacked."""
    definition, weights = split_model(model)
    return partial(logits_of, merge_model(definition, lax.stop_gradient(weights)))


def worst_images(
    model: Model,
    start: Float[Array, "n h w c"],
    images: Float[Array, "n h w c"],
    eps: Eps,
    norm: Norm,
    loss: LossOfLogits,
    steps: int,
    stride: Eps | None,
) -> Float[Array, "n h w c"]:
    """The end of projected gradient ascent on ``loss(model(x))`` in the ball of radius eps, as a constant.

    Unlike ``mm.attacks.pgd`` it attacks every image, even one that is misclassified already, and returns the
    last point, not the best, as in Madry et al. 2018. Identity: the images themselves at eps = 0.

    Args:
        model: the model that is attacked, see ``frozen``.
        start: where ascent starts.
        images: centres of the balls.
        eps, norm, steps, stride: as for ``Adversarial``.
        loss: from logits to one number for each image.
    """
    step_size = eps * (2.5 / steps if stride is None else stride)
    return lax.stop_gradient(ascend(model, start, images, eps, norm, loss, steps, step_size))
