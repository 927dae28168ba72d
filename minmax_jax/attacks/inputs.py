"""What attacks are given: the model in evaluation mode, images, labels and targets, all checked."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, Int32

from minmax_jax.attacks.ball import NORMS, Norm
from minmax_jax.attacks.losses import Aim
from minmax_jax.checks import AnyArray, as_array, check_number, instead_of_labels, is_known, one_of
from minmax_jax.evaluation import Model, merge_model, split_model
from minmax_jax.models.logits import abstract_logits, logits_of

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
) -> tuple[Model, Float32[Array, "n h w c"], Aim, int]:
    """What every attack begins with: the model to attack, images, aim, and the number of classes.

    Attacks compute in float32, whatever is given: images and logits come out in it (see ``logits_of``).

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
    if jax.eval_shape(evaluated, x0).dtype != jnp.float32:
        evaluated = partial(logits_of, evaluated)
    return evaluated, x0, Aim(truth, None if targets is None else jnp.asarray(targets, jnp.int32)), classes


def check_eps(eps: Any, norm: Norm) -> None:
    """Raise an error unless ``eps`` is one radius, in [0, 1] in "linf" and >= 0 in other norms."""
    most, ends = (1, "[0, 1]") if norm == "linf" else (float(jnp.finfo(jnp.float32).max), "[0, inf)")
    takes = f"one radius in {ends}, in pixel units of [0, 1]"
    check_number("eps", eps, takes, lambda radius: 0 <= radius <= most)


def as_radii(eps: Any) -> list[float]:
    """One radius or several as a list, in their order; an empty list where they are not numbers."""
    try:
        array = np.atleast_1d(np.asarray(eps))
    except (TypeError, ValueError):  # a random key, lists of different lengths
        return []
    is_number = any(jnp.issubdtype(array.dtype, kind) for kind in (jnp.floating, jnp.integer))
    return array.astype(np.float64).ravel().tolist() if is_number else []


def count_classes(model: Model, images: Float[AnyArray, "n h w c"]) -> int:
    """Number of logits of a model. Raises the errors of ``logits_of``, without computing logits."""
    return abstract_logits(model, images).shape[1]


def check_logits(model: Model, images: Float[AnyArray, "n h w c"]) -> None:
    """Raise ValueError for logits that are not finite, or not the same twice, where they are known."""
    if not is_known(images):
        return
    model, x = partial(logits_of, model), jnp.asarray(images)
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
) -> tuple[Float32[Array, "n h w c"], Int32[Array, " n"], int]:
    """Images in float32 and labels, fit for an attack of radius eps, and the number of classes.

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
    images = _as_array("images", images)
    labels = _as_array("labels", labels)
    targets = None if targets is None else _as_array("targets", targets)
    if jnp.ndim(images) != 4 or 0 in jnp.shape(images) or jnp.shape(labels) != jnp.shape(images)[:1]:
        raise ValueError(
            "images must have shape (n, h, w, c), at least one, and labels (n,), "
            f"got {jnp.shape(images)} and {jnp.shape(labels)}{_instead(images, labels)}"
        )
    kinds = jnp.result_type(images), jnp.result_type(labels)
    if not (jnp.issubdtype(kinds[0], jnp.floating) and jnp.issubdtype(kinds[1], jnp.integer)):
        cure = _instead(images, labels)
        raise TypeError(f"images must be floats and labels integers, got {kinds[0]} and {kinds[1]}{cure}")
    if needs_eps or eps is not None:
        check_eps(eps, norm)
    inside = ((images >= 0) & (images <= 1)).all()
    if is_known(inside) and not bool(inside):
        cure = "; divide bytes by 255" if jnp.max(images) > 1 else ""
        raise ValueError(
            f"images must be in [0, 1], got values from {jnp.min(images):g} to {jnp.max(images):g}{cure}"
        )
    x0 = jnp.asarray(images, jnp.float32)
    classes = count_classes(model, x0)
    if classes < least_classes:
        raise ValueError(f"model must have at least {least_classes} classes for this attack, got {classes}")
    for name, numbers in (("labels", labels), ("targets", targets)):
        if numbers is not None:
            check_numbers(name, numbers, jnp.shape(labels), classes)
    check_logits(model, x0)
    return x0, jnp.asarray(labels, jnp.int32), classes


def _as_array(name: str, got: Any) -> AnyArray:
    cure = ""
    if isinstance(got, AnyArray):  # of texts, say
        cure = "; give np.stack(images)" if name == "images" else instead_of_labels(got, name)
    return as_array(name, got, cure=cure)


def _instead(images: Any, labels: Any) -> str:
    """What to give instead of images or labels of another type or shape, as far as that is plain."""
    if jnp.issubdtype(images.dtype, jnp.integer):
        return "; give images / 255 for bytes"
    if jnp.ndim(images) == 3:
        return "; give images[..., None] for grey images, images[None] for a single one"
    if jnp.ndim(labels) != 1 or not jnp.issubdtype(labels.dtype, jnp.integer):
        return instead_of_labels(labels)
    return ""


def check_numbers(name: str, numbers: Any, shape: tuple[int, ...], classes: int) -> None:
    """Raise ValueError unless these are class numbers, one for each image."""
    if jnp.shape(numbers) != shape or not jnp.issubdtype(jnp.result_type(numbers), jnp.integer):
        raise ValueError(
            f"{name} must be integers of shape {shape}, "
            f"got {jnp.result_type(numbers)} of shape {jnp.shape(numbers)}{instead_of_labels(numbers, name)}"
        )
    named = ((numbers >= 0) & (numbers < classes)).all()
    if is_known(named) and not bool(named):
        raise ValueError(
            f"{name} must be classes of the model, from 0 to {classes - 1}, "
            f"got {jnp.min(numbers)} to {jnp.max(numbers)}"
        )
