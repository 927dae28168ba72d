"""What attacks are called with: the model as it is evaluated, and checks of the rest."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.errors import TraceContextError
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import NORMS, Norm
from minmax_jax.checks import AnyArray, is_known, one_of
from minmax_jax.evaluation import Model, merge_model, split_model

FIXED = "attacks take one that answers the same each time"


def evaluated(model: Model) -> Model:
    """The model as it is evaluated: a Flax module in evaluation mode, any other callable as it is."""
    return merge_model(*split_model(model))


def check_eps(eps: Any, norm: Norm) -> None:
    """Raise ValueError unless ``eps`` is one radius, in [0, 1] by "linf" and >= 0 by other norms."""
    kind = "[0, 1]" if norm == "linf" else "[0, inf)"
    if isinstance(eps, bool) or not isinstance(eps, int | float | np.number | np.ndarray | jax.Array):
        raise TypeError(f"eps must be one radius in {kind}, in pixel units of [0, 1], got {eps!r}")
    most = 1 if norm == "linf" else float(jnp.finfo(jnp.float32).max)
    if jnp.ndim(eps) != 0 or (is_known(eps) and not 0 <= float(eps) <= most):
        raise ValueError(f"eps must be one radius in {kind}, in pixel units of [0, 1], got {eps}")


def as_radii(eps: Any) -> list[float]:
    """One radius or several as a list, in their order; an empty one where they are no numbers."""
    try:
        return [float(radius) for radius in np.atleast_1d(np.asarray(eps, np.float64))]
    except (TypeError, ValueError):
        return []


def count_classes(model: Model, images: Float[AnyArray, "n h w c"]) -> int:
    """Number of logits of a model. Raises ValueError where it gives something else than (n, classes)."""
    try:
        shape = jax.eval_shape(model, images).shape
    except TraceContextError as error:  # of a Flax module that draws random numbers, say
        raise ValueError(f"model changes its own state when it is called; {FIXED}") from error
    if len(shape) != 2 or shape[0] != images.shape[0] or shape[1] < 2:
        raise ValueError(
            f"model gives logits of shape {shape} for {images.shape[0]} images; "
            "it takes one for each of two or more classes"
        )
    return shape[1]


def check_logits(model: Model, images: Float[AnyArray, "n h w c"]) -> None:
    """Raise ValueError for logits that are NaN or infinite, or not the same twice, where they are known."""
    if not is_known(images):
        return
    x = jnp.asarray(images)
    finite = jnp.isfinite(model(x)).all()
    if not is_known(finite):  # images known outside a jitted function
        return
    if not bool(finite):
        raise ValueError("model gives logits that are NaN or infinite; it takes finite ones on all images")
    if not bool(jnp.allclose(model(x[:1]), model(x[:1]), rtol=1e-4, atol=1e-5)):
        raise ValueError(f"model gives other logits each time for the same image; {FIXED}")


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
    """Images and labels as jax arrays, fit for an attack of radius eps, and how many classes.

    An attack that looks for the smallest change does without an eps: None. ``model`` is one that
    ``evaluated`` gave. Raises ValueError for images outside [0, 1] or none, labels or targets that do not
    match or name no class, an unknown norm, eps out of range, or a model of too few classes, whose logits are
    not finite, or not the same twice; TypeError for images that are no floats, labels that are no integers,
    or an eps that is no number. Values are looked at only outside jit; shapes always.
    """
    one_of("norm", norm, NORMS)
    if jnp.ndim(images) != 4 or 0 in jnp.shape(images) or jnp.shape(labels) != jnp.shape(images)[:1]:
        raise ValueError(
            f"images have shape {jnp.shape(images)} and labels {jnp.shape(labels)}; "
            "an attack takes (n, h, w, c) and (n,), at least one image"
        )
    kinds = jnp.result_type(images), jnp.result_type(labels)
    if not (jnp.issubdtype(kinds[0], jnp.floating) and jnp.issubdtype(kinds[1], jnp.integer)):
        raise TypeError(f"images are {kinds[0]} and labels {kinds[1]}; an attack takes floats and integers")
    if needs_eps or eps is not None:
        check_eps(eps, norm)
    inside = ((images >= 0) & (images <= 1)).all()
    if is_known(inside) and not bool(inside):
        raise ValueError("images hold values outside [0, 1] or NaN; it takes images in [0, 1]")
    classes = count_classes(model, images)
    if classes < least_classes:
        raise ValueError(f"model has {classes} classes; this attack takes at least {least_classes}")
    for name, numbers in (("labels", labels), ("targets", targets)):
        if numbers is not None:
            check_numbers(name, numbers, jnp.shape(labels), classes)
    check_logits(model, jnp.asarray(images))
    return jnp.asarray(images), jnp.asarray(labels), classes


def check_numbers(name: str, numbers: Any, shape: tuple[int, ...], classes: int) -> None:
    """Raise ValueError unless these are numbers of classes, one for each image."""
    if jnp.shape(numbers) != shape or not jnp.issubdtype(jnp.result_type(numbers), jnp.integer):
        raise ValueError(f"{name} have shape {jnp.shape(numbers)}; it takes integers of shape {shape}")
    named = ((numbers >= 0) & (numbers < classes)).all()
    if is_known(named) and not bool(named):
        raise ValueError(f"{name} hold values outside 0 to {classes - 1}, the classes of the model")
