"""The losses that attacks climb, one number for each image: the larger, the more wrong the model is."""

from collections.abc import Callable, Mapping
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.evaluation import Model

Loss = Literal["ce", "dlr", "margin"]
LossFunction = Callable[[Float[Array, "n classes"], Int[Array, " n"]], Float[Array, " n"]]


def cross_entropy(logits: Float[Array, "n classes"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    """Cross-entropy of each image's label, in nats."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def pick(logits: Float[Array, "n classes"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    """The logit of each image's label."""
    return jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]


def margin(logits: Float[Array, "n classes"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    """Largest other logit less the label's: > 0 where the image is misclassified.

    Source: Carlini and Wagner 2017 (their f6, without its bound).
    """
    others = jnp.where(jax.nn.one_hot(labels, logits.shape[1], dtype=bool), -jnp.inf, logits)
    return others.max(1) - pick(logits, labels)


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
    """How few classes a loss is defined for."""
    return {"ce": 2, "margin": 2, "dlr": 4 if targeted else 3}[loss]


def climbed(
    loss: Loss, labels: Int[Array, " n"], targets: Int[Array, " n"] | None
) -> Callable[[Float[Array, "n classes"]], Float[Array, " n"]]:
    """The function of the logits that an attack climbs: away from the labels or, if given, to the targets."""
    if targets is None:
        return lambda logits: LOSSES[loss](logits, labels)
    if loss == "dlr":
        return lambda logits: targeted_dlr(logits, labels, targets)
    return lambda logits: -LOSSES[loss](logits, targets)


def is_reached(
    logits: Float[Array, "n classes"], labels: Int[Array, " n"], targets: Int[Array, " n"] | None
) -> Bool[Array, " n"]:
    """Whether an attack has what it wants: another class than the label or, if given, the target."""
    found = logits.argmax(-1)
    return found != labels if targets is None else found == targets


def rank(
    logits: Float[Array, "n classes"],
    labels: Int[Array, " n"],
    targets: Int[Array, " n"] | None,
    climb: Callable[[Array], Array],
) -> Float[Array, " n"]:
    """What an attack chooses its points by: infinity where it has what it wants, else the loss it climbs."""
    return jnp.where(is_reached(logits, labels, targets), jnp.inf, climb(logits))


def ascent(
    model: Model, images: Float[Array, "n h w c"], climb: Callable[[Array], Array]
) -> Float[Array, "n h w c"]:
    """Gradient of each image's own ``climb(model(image))`` in its pixels."""
    return jax.grad(lambda x: climb(model(x)).sum())(images)
