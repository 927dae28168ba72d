"""The logits of a model: checked, and in float32.

One policy for types of numbers. Weights are float32 unless a model is made with others, whatever
``jax_enable_x64`` says. Images are float32 when they enter a model, which may compute in any type. Its logits
come out by one door, ``logits_of``, in float32: so attacks, losses and accuracies compute in it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax.errors import TraceContextError
from jaxtyping import Array, Float, Float32

from minmax_jax.checks import AnyArray, kind

CHANGES = (
    "model changes its own state when it is called: a model must be deterministic (fix its random key, or "
    "average its noise), and a network that a function calls in evaluation mode (network.eval())"
)
COMPILED = "; a model is compiled by jax.jit, so it must compute with jax.numpy"

Model = Callable[[Float[Array, "n h w c"]], Float[Array, "n classes"]]


def logits_of(model: Model, images: Float[AnyArray, "n h w c"]) -> Float32[Array, "n classes"]:
    """``model(images)`` in float32: the door by which all that a model computes comes in.

    Float64 and half precision are converted; booleans count as 0 and 1.

    Raises:
        ValueError: for a model that cannot be called on such images, that changes its own state (in a
            function, where the caller's network is called), or whose output has another shape.
        TypeError: for another output than one array of floating-point numbers.
    """
    try:
        found: Any = model(images)  # type: ignore[arg-type]
    except (TraceContextError, jax.errors.UnexpectedTracerError) as error:
        raise ValueError(CHANGES) from error
    except Exception as error:
        raise ValueError(
            f"model must take images of shape {images.shape}; called on them, it raised "
            f"{type(error).__name__}: {_first_line(error)}{_instead_of_images(images.shape, error)}"
        ) from error
    n = images.shape[0]
    wanted = f"model must return one array of logits of shape ({n}, two or more classes) for {n} images, got"
    if not isinstance(found, AnyArray):
        raise TypeError(f"{wanted} {_instead_of_logits(found)}")
    if found.ndim != 2 or found.shape[0] != n or found.shape[1] < 2:
        one = "; give lambda x: jnp.pad(model(x), ((0, 0), (1, 0))) for one logit of two classes"
        raise ValueError(f"{wanted} {found.shape}{one if found.shape == (n, 1) else ''}")
    if found.dtype != bool and not jnp.issubdtype(found.dtype, jnp.floating):
        raise TypeError(f"{wanted} {found.dtype}; give numbers that say how likely each class is")
    return jnp.asarray(found, jnp.float32)


def abstract_logits(model: Model, images: Float[AnyArray, "n h w c"]) -> jax.ShapeDtypeStruct:
    """Shape and type of ``logits_of(model, images)``, or its errors: nothing is computed.

    What a callable object keeps from one call to the next stays as it was, so that no tracer is left in it.
    """
    held = getattr(getattr(model, "__self__", model), "__dict__", {})
    before = dict(held)
    try:
        return jax.eval_shape(partial(logits_of, model), images)
    finally:
        if isinstance(held, dict):
            held.update(before)
            for name in held.keys() - before.keys():
                del held[name]


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]


def _instead_of_images(shape: tuple[int, ...], error: Exception) -> str:
    if isinstance(error, jax.errors.JAXTypeError):  # of a value that is not known, or NumPy in a function
        return COMPILED
    is_turned = len(shape) == 4 and shape[1] <= 4 < min(shape[2:])
    return "; give images.transpose(0, 2, 3, 1) if their channels come first" if is_turned else ""


def _instead_of_logits(found: Any) -> str:
    """What a model returned in place of logits, and what to give instead of the model."""
    named = kind(found)
    if hasattr(found, "logits"):
        return f"{named}; give lambda x: model(x).logits"
    if isinstance(found, Mapping):
        names = list(found)
        key = "logits" if "logits" in names or not names else names[0]
        return f"{named} of {names}; give lambda x: model(x)[{key!r}]"
    if isinstance(found, tuple | list):
        return f"{named} of {len(found)}; give lambda x: model(x)[0] if the logits come first"
    return named
