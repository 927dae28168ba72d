"""TRADES: accuracy traded off against robustness."""

from dataclasses import dataclass

import jax
import optax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Norm, project
from minmax_jax.defences.adversarial import frozen, worst_images
from minmax_jax.defences.hyperparameters import Number, check_ball, check_field, ramp
from minmax_jax.evaluation import Model
from minmax_jax.models.logits import logits_of
from minmax_jax.models.pytrees import register_pytree
from minmax_jax.objective import Measured, cross_entropy

NOISE = 1e-3  # deviation of the start about the image, where the divergence has no gradient


def divergence(logits: Float[Array, "n classes"], others: Float[Array, "n classes"]) -> Float[Array, " n"]:
    """Kullback-Leibler divergence in nats of each row's softmax from that of ``others``, ``KL(p || q)``.

    Identity: >= 0, and 0 for equal rows.
    """
    log_p, log_q = jax.nn.log_softmax(logits), jax.nn.log_softmax(others)
    return optax.losses.kl_divergence_with_log_targets(log_q, log_p)


@dataclass(frozen=True)
class TRADES:
    """TRADES: ``mean CE(f(x), y) + beta mean KL(f(x) || f(x'))``, with x' by projected ascent on the KL.

    The images x' start from x with normal noise of deviation 0.001 and are otherwise made as by
    ``Adversarial``: against the model in evaluation mode, as constants for the gradient. The loss sees x and
    then x' in training mode; its gradient goes through both.

    Args:
        eps: radius of the ball by ``norm``, in pixel units of [0, 1].
        beta: weight of the divergence, 1 / lambda in the paper, which uses 1 to 6; a larger one favours
            robustness.
        steps, stride, norm, start, warmup: as for ``Adversarial``.

    Recorded cross-entropy is that of x, recorded accuracy that of x', at the radius of the step.
    ``eps``, ``beta``, ``stride``, ``start`` and ``warmup`` are traced.
    Raises ValueError or TypeError for a field out of range.
    Source: Zhang et al. 2019, equation 5 and algorithm 1. Identity: cross-entropy at eps = 0 or beta = 0.
    """

    eps: Number
    beta: Number = 6.0
    steps: int = 10
    stride: Number | None = None
    norm: Norm = "linf"
    start: Number = 0.0
    warmup: Number = 0.0

    def __post_init__(self) -> None:
        check_ball(self)
        check_field(self, "beta")

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
        target = frozen(model)
        quiet = target(images)
        noise = NOISE * jax.random.normal(key, images.shape, images.dtype)
        attacked = worst_images(
            target,
            project(images + noise, images, eps, self.norm),
            images,
            eps,
            self.norm,
            lambda logits: divergence(quiet, logits),
            self.steps,
            self.stride,
        )
        clean, other = logits_of(model, images), logits_of(model, attacked)
        fit = cross_entropy(clean, labels)
        loss = fit + self.beta * divergence(clean, other).mean()
        return Measured(loss, fit, (other.argmax(-1) == labels).mean())


register_pytree(TRADES, ("eps", "beta", "stride", "start", "warmup"))
