"""The losses that attacks maximise, one number for each image: the larger, the more wrong the model is."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.checks import one_of
from minmax_jax.evaluation import Model

Loss = Literal["ce", "dlr", "margin"]
LossOfLogits = Callable[[Float[Array, "n classes"]], Float[Array, " n"]]
LossFunction = Callable[[Float[Array, "n classes"], Int[Array, " n"]], Float[Array, " n"]]


def cross_entropy(logits: Float[Array, "n classes"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    """Cross-entropy of each image's label, in nats."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def pick(logits: Float[Array, "n classes"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    """The logit of each image's label."""
    return jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]


def without(logits: Float[Array, "n classes"], labels: Int[Array, " n"]) -> Float[Array, "n classes"]:
    """The logits with -inf in place of the label's."""
    return jnp.where(jax.nn.one_hot(labels, logits.shape[1], dtype=bool), -jnp.inf, logits)


def margin(logits: Float[Array, "n classes"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    """Largest other logit less the label's: > 0 where the image is misclassified.

    Source: Carlini and Wagner 2017 (their f6, without its bound).
    """
    return without(logits, labels).max(1) - pick(logits, labels)


def dlr(logits: Float[Array, "n classes"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    """Difference of logits ratio, ``-(z_y - max_{i != y} z_i) / (z_(1) - z_(3))``, with z sorted downwards.

    Needs three classes. Source: Croce and Hein 2020, equation 6.
    Identity: unchanged where all logits are scaled by a positive number, or shifted.
    """
    ordered = jnp.sort(logits, axis=1)
    return margin(logits, labels) / (ordered[:, -1] - ordered[:, -3] + 1e-12)


def targeted_dlr(
    logits: Float[Array, "n classes"], labels: Int[Array, " n"], targets: Int[Array, " n"]
) -> Float[Array, " n"]:
    """Difference of logits ratio towards a target, ``-(z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2)``.

    Needs four classes. Source: Croce and Hein 2020, equation 7. Identity: as ``dlr``.
    """
    ordered = jnp.sort(logits, axis=1)
    span = ordered[:, -1] - (ordered[:, -3] + ordered[:, -4]) / 2
    return (pick(logits, targets) - pick(logits, labels)) / (span + 1e-12)


LOSSES: Mapping[Loss, LossFunction] = {"ce": cross_entropy, "dlr": dlr, "margin": margin}


def least_classes(loss: Loss, targeted: bool) -> int:
    """How few classes a loss is defined for. Raises ValueError for an unknown loss."""
    one_of("loss", loss, get_args(Loss))
    return {"ce": 2, "margin": 2, "dlr": 4 if targeted else 3}[loss]


class Aim(NamedTuple):
    """What an attack wants for each image: any class but the label, or the target where there are targets."""

    labels: Int[Array, " n"]
    targets: Int[Array, " n"] | None = None

    def loss(self, name: Loss) -> LossOfLogits:
        """The function of the logits to maximise: away from the labels, or towards the targets."""
        labels, targets = self
        if targets is None:
            return lambda logits: LOSSES[name](logits, labels)
        if name == "dlr":
            return lambda logits: targeted_dlr(logits, labels, targets)
        return lambda logits: -LOSSES[name](logits, targets)

    def is_reached(self, logits: Float[Array, "n classes"]) -> Bool[Array, " n"]:
        """Whether the model gives each image a class that the attack wants."""
        found = logits.argmax(-1)
        return found != self.labels if self.targets is None else found == self.targets

    def score(self, name: Loss, logits: Float[Array, "n classes"]) -> Float[Array, " n"]:
        """What points are chosen by: infinity where the aim is reached, else the loss."""
        return jnp.where(self.is_reached(logits), jnp.inf, self.loss(name)(logits))


def ascent(model: Model, images: Float[Array, "n h w c"], loss: LossOfLogits) -> Float[Array, "n h w c"]:
    """Gradient of each image's own ``loss(model(image))`` in its pixels."""
    return jax.grad(lambda x: loss(model(x)).sum())(images)


def value_and_ascent(
    model: Model,
    images: Float[Array, "n h w c"],
    look: Callable[[Float[Array, "n classes"]], tuple[Float[Array, " n"], Any]],
) -> tuple[tuple[Float[Array, " n"], Any], Float[Array, "n h w c"]]:
    """``look(model(images))``, a loss for each image and more, and the loss's gradient in its pixels."""

    def total(x: Array) -> tuple[Array, tuple[Array, Any]]:
        loss, rest = look(model(x))
        return loss.sum(), (loss, rest)

    gradient, seen = jax.grad(total, has_aux=True)(images)
    return seen, gradient
