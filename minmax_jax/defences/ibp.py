"""IBP training: bounds of the logits in place of an attack."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Array, Float, Int

from minmax_jax.certify import margin_bounds
from minmax_jax.defences.hyperparameters import Number, check_field, check_radius, ramp
from minmax_jax.models.logits import logits_of
from minmax_jax.models.pytrees import register_pytree
from minmax_jax.objective import Measured, cross_entropy


@dataclass(frozen=True)
class IBP:
    """IBP training: ``k mean CE(f(x), y) + (1 - k) mean CE(z, y)``, z the worst logits that bounds allow.

    ``z_j`` is the upper bound of ``f_j - f_y`` over the L-inf ball about x, inside [0, 1], by interval bound
    propagation (``mm.certify.margin_bounds``); ``z_y`` is 0. Bounds are wide at first: the warm-up must take
    a third of the run or more.

    Args:
        eps: radius of the ball, in [0, 1].
        kappa: k after the warm-up, in which it falls along a line from 1.
        start: radius at the beginning of the run.
        warmup: share of the run in which the radius rises along a line from ``start`` to ``eps``.

    Recorded cross-entropy is that of x; recorded accuracy is the share of images that the bounds prove to be
    classified as labelled everywhere in the ball of the step's radius.
    ``eps``, ``kappa``, ``start`` and ``warmup`` are traced.
    Raises ValueError or TypeError for a field out of range, and what ``margin_bounds`` raises for a model
    that it cannot bound.
    Source: Gowal et al. 2018, equation 12, with the last layer merged into the margins as they do.
    Identity: cross-entropy at eps = 0 or kappa = 1; at kappa = 0, after the warm-up, no less than that of any
    images in the ball.
    """

    eps: Number
    kappa: Number = 0.5
    start: Number = 0.0
    warmup: Number = 0.5

    def __post_init__(self) -> None:
        check_radius(self)
        check_field(self, "kappa", 1, "share of the clean images' cross-entropy")

    def __call__(
        self,
        model: Any,
        images: Float[Array, "n h w c"],
        labels: Int[Array, " n"],
        progress: Number,
        key: Array,
    ) -> Measured:
        """The loss of a batch: see ``mm.Objective``."""
        eps = ramp(self.start, self.eps, self.warmup, progress)
        share = ramp(1.0, self.kappa, self.warmup, progress)
        worst = -margin_bounds(model, images, labels, eps, "ibp")
        fit = cross_entropy(logits_of(model, images), labels)
        loss = share * fit + (1 - share) * cross_entropy(worst, labels)
        return Measured(loss, fit, (worst.argmax(-1) == labels).mean())


register_pytree(IBP, ("eps", "kappa", "start", "warmup"))
