"""Adversarial training, with many steps or with one."""

from dataclasses import dataclass

from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Norm, random_point
from minmax_jax.attacks.losses import Aim
from minmax_jax.defences.fields import check_ball
from minmax_jax.defences.schedule import Number, ramp
from minmax_jax.defences.worst import frozen, worst_images
from minmax_jax.evaluation import Model
from minmax_jax.objective import Measured, cross_entropy, register_pytree


@dataclass(frozen=True)
class Adversarial:
    """Adversarial training: ``mean CE(f(x'), y)``, with x' by projected gradient ascent on CE from x.

    The images x' lie in the ball of radius ``eps`` by ``norm`` ("linf", "l2", "l1") and in [0, 1]. They are
    made anew in every step of training: ``steps`` steps of length ``stride eps`` (None: ``2.5 eps / steps``)
    from a ``random_point`` of the ball, or from x if not ``random_start``. They are made against the
    model in evaluation mode (running statistics, no dropout) and are constants for the gradient; the loss
    sees them in training mode. The radius rises along a line from ``start`` to ``eps`` in the share
    ``warmup`` of the run, and stays there.

    Recorded cross-entropy and accuracy are those of x', at the radius of the step.
    ``eps``, ``stride``, ``start`` and ``warmup`` are traced: a change of them compiles nothing anew.
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
        height = Aim(labels).loss("ce")
        attacked = worst_images(frozen(model), first, images, eps, self.norm, height, self.steps, self.stride)
        logits = model(attacked)
        loss = cross_entropy(logits, labels)
        return Measured(loss, loss, (logits.argmax(-1) == labels).mean())


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

    It costs two gradients a step, against ``steps + 1`` of ``Adversarial``. It can overfit to its own single
    step, after which iterated attacks succeed ("catastrophic overfitting"): watch PGD's accuracy.
    Source: Wong, Rice and Kolter 2020, algorithm 3. Identity: ``Adversarial(eps, steps=1, stride=1.25)``.
    """
    return Adversarial(eps, steps=1, stride=stride, norm=norm, start=start, warmup=warmup)
