"""What attacks are given: the model in evaluation mode, images, labels and targets, all checked."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.errors import TraceContextError
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import NORMS, Norm
from minmax_jax.attacks.losses import Aim
from minmax_jax.checks import AnyArray, is_known, one_of
from minmax_jax.evaluation import Model, merge_model, split_model

DETERMINISTIC = "attacks need a model that gives the same logits each time"


def attack_inputs(
    model: Model,
    images: Float[AnyArray, "..."],
    labels: Int[AnyArray, "..."],
    eps: Any,
    norm: Norm,
    *,
    targets: Int[AnyArray, "..."] | None = None,
    norms: tuple[Norm, ...] = NORMS,
    least: int = 2,
    needs_eps: bool = True,
) -> tuple[Model, Float[Array, "n h w c"], Aim, int]:
    """What every attack begins with: the model to attack, images, aim, and the number of classes.

    Args:
        model: any callable from images to logits; a Flax module comes back in evaluation mode.
        images: (n, h, w, c), in [0, 1].
        labels: (n,), each image's class.
        eps: radius of the attack, which may be None unless ``needs_eps``.
        norm: norm of the radius.
        targets: (n,), the classes to reach; None: any but the labels.
        norms: those that the attack supports.
        least: how few classes will do.
        needs_eps: False for an attack that finds the smallest change.

    Raises:
        ValueError, TypeError: as ``checked``, and for a norm that the attack does not support.
    """
    one_of("norm", norm, norms)
    evaluated = merge_model(*split_model(model))
    options: Any = {"targets": targets, "least_classes": least, "needs_eps": needs_eps}
    x0, truth, classes = checked(evaluated, images, labels, eps, norm, **options)
    return evaluated, x0, Aim(truth, None if targets is None else jnp.asarray(targets)), classes


def as_key(key: Array | None) -> Array:
    """The random key of an attack: ``jax.random.key(0)`` unless one is given."""
    return jax.random.key(0) if key is None else key


def check_number(name: str, number: Any, least: float = 0) -> None:
    """Raise ValueError for a number that is not finite or below ``least``, where it is known."""
    if is_known(number) and not least <= number < float("inf"):
        raise ValueError(f"{name} must be a finite number >= {least}, got {number}")


def check_eps(eps: Any, norm: Norm) -> None:
    """Raise ValueError unless ``eps`` is one radius, in [0, 1] in "linf" and >= 0 in other norms."""
    kind = "[0, 1]" if norm == "linf" else "[0, inf)"
    if isinstance(eps, bool) or not isinstance(eps, int | float | np.number | np.ndarray | jax.Array):
        raise TypeError(f"eps must be one radius in {kind}, in pixel units of [0, 1], got {eps!r}")
    most = 1 if norm == "linf" else float(jnp.finfo(jnp.float32).max)
    if jnp.ndim(eps) != 0 or (is_known(eps) and not 0 <= float(eps) <= most):
        raise ValueError(f"eps must be one radius in {kind}, in pixel units of [0, 1], got {eps}")


def as_radii(eps: Any) -> list[float]:
    """One radius or several as a list, in their order; an empty list where they are not numbers."""
    try:
        return [float(radius) for radius in np.atleast_1d(np.asarray(eps, np.float64))]
    except (TypeError, ValueError):
        return []


def count_classes(model: Model, images: Float[AnyArray, "n h w c"]) -> int:
    """Number of logits of a model. Raises ValueError where its output is not (n, classes)."""
    try:
        shape = jax.eval_shape(model, images).shape
    except TraceContextError as error:  # of a Flax module that draws random numbers, say
        raise ValueError(f"model changes its own state when it is called; {DETERMINISTIC}") from error
    if len(shape) != 2 or shape[0] != images.shape[0] or shape[1] < 2:
        n = images.shape[0]
        raise ValueError(
            f"model must return logits of shape ({n}, two or more classes) for {n} images, got {shape}"
        )
    return shape[1]


def check_logits(model: Model, images: Float[AnyArray, "n h w c"]) -> None:
    """Raise ValueError for logits that are not finite, or not the same twice, where they are known."""
    if not is_known(images):
        return
    x = jnp.asarray(images)
    finite = jnp.isfinite(model(x)).all()
    if not is_known(finite):  # images known outside a jitted function
        return
    if not bool(finite):
        raise ValueError("model must return finite logits for all images, got NaN or infinity")
    if not bool(jnp.allclose(model(x[:1]), model(x[:1]), rtol=1e-4, atol=1e-5)):
        raise ValueError(f"model returns different logits each time for the same image; {DETERMINISTIC}")


def checked(
    model: Model,
    images: Float[AnyArray, "..."],
    labels: Int[AnyArray, "..."],
    eps: Any,
    norm: Norm = "linf",
    *,
    targets: Int[AnyArray, "..."] | None = None,
    least_classes: int = 2,
    needs_eps: bool = True,
) -> tuple[Float[Array, "n h w c"], Int[Array, " n"], int]:
    """Images and labels as jax arrays, fit for an attack of radius eps, and the number of classes.

    Shapes are always checked, values only where they are known: outside jit.

    Args:
        model: a callable from images to logits, in evaluation mode.
        images: (n, h, w, c), at least one, floats in [0, 1].
        labels: (n,), integers from 0 to classes - 1.
        eps: the radius, in [0, 1] in "linf" and >= 0 in other norms; None is accepted unless ``needs_eps``.
        norm: "linf", "l2" or "l1".
        targets: as ``labels``, or None.
        least_classes: how few classes of the model will do.
        needs_eps: False for an attack that finds the smallest change.

    Raises:
        ValueError: for a value or shape other than these, or a model whose logits are not finite or not the
            same twice.
        TypeError: for images that are not floats, labels that are not integers, or an eps that is no number.
    """
    one_of("norm", norm, NORMS)
    if jnp.ndim(images) != 4 or 0 in jnp.shape(images) or jnp.shape(labels) != jnp.shape(images)[:1]:
        raise ValueError(
            "images must have shape (n, h, w, c), at least one, and labels (n,), "
            f"got {jnp.shape(images)} and {jnp.shape(labels)}"
        )
    kinds = jnp.result_type(images), jnp.result_type(labels)
    if not (jnp.issubdtype(kinds[0], jnp.floating) and jnp.issubdtype(kinds[1], jnp.integer)):
        raise TypeError(f"images must be floats and labels integers, got {kinds[0]} and {kinds[1]}")
    if needs_eps or eps is not None:
        check_eps(eps, norm)
    inside = ((images >= 0) & (images <= 1)).all()
    if is_known(inside) and not bool(inside):
        cure = "; divide bytes by 255" if jnp.max(images) > 1 else ""
        raise ValueError(
            f"images must be in [0, 1], got values from {jnp.min(images):g} to {jnp.max(images):g}{cure}"
        )
    classes = count_classes(model, images)
    if classes < least_classes:
        raise ValueError(f"model must have at least {least_classes} classes for this attack, got {classes}")
    for name, numbers in (("labels", labels), ("targets", targets)):
        if numbers is not None:
            check_numbers(name, numbers, jnp.shape(labels), classes)
    check_logits(model, jnp.asarray(images))
    return jnp.asarray(images), jnp.asarray(labels), classes


def check_numbers(name: str, numbers: Any, shape: tuple[int, ...], classes: int) -> None:
    """Raise ValueError unless these are class numbers, one for each image."""
    if jnp.shape(numbers) != shape or not jnp.issubdtype(jnp.result_type(numbers), jnp.integer):
        raise ValueError(
            f"{name} must be integers of shape {shape}, "
            f"got {jnp.result_type(numbers)} of shape {jnp.shape(numbers)}"
        )
    named = ((numbers >= 0) & (numbers < classes)).all()
    if is_known(named) and not bool(named):
        raise ValueError(
            f"{name} must be classes of the model, from 0 to {classes - 1}, "
            f"got {jnp.min(numbers)} to {jnp.max(numbers)}"
        )
