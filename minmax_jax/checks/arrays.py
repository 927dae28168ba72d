"""Arguments that are arrays, random keys, or pairs of sides."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from minmax_jax.checks.arguments import AnyArray, is_known, items, kind
from minmax_jax.checks.numbers import check_count, check_finite, check_least, plain

FLOATS = (jnp.floating,)
REALS = (*FLOATS, jnp.integer, np.bool_)


def as_array(
    argument: str,
    got: Any,
    axes: str | None = None,
    *,
    takes: str = "an array of numbers",
    kinds: tuple[Any, ...] = REALS,
    cure: str = "",
) -> jax.Array | np.ndarray:
    """``got`` as an array of NumPy or JAX: one of them, a number, or of a kind that NumPy reads, but no list.

    Values are not looked at, and tracers pass.

    Args:
        argument: name of the argument.
        got: what was given for it.
        axes: names of the axes, such as "n, h, w, c", or "..., cout", the last of any number; none but n
            may be empty. None takes any.
        takes: what the array has to be.
        kinds: the types of numbers that this means, by default all that are real.
        cure: what to give instead of an array of another type.

    Raises:
        TypeError: for what is no array, or one of another type.
        ValueError: for another number of axes.
    """
    array = got[...] if isinstance(got, nnx.Variable) else got
    if not isinstance(array, AnyArray):
        array = _as_numpy(argument, array)
    if not any(jnp.issubdtype(array.dtype, one) for one in kinds):
        raise TypeError(f"{argument} must be {takes}, got {array.dtype}{cure}")
    names = axes.split(", ") if axes else ["..."]
    least = len(names) - names.count("...")
    if array.ndim < least or (array.ndim > least and len(names) == least):
        raise ValueError(f"{argument} must have shape ({axes}), got {array.shape}")
    if axes and 0 in array.shape[names[0] == "n" :]:
        raise ValueError(f"{argument} must have shape ({axes}), none 0, got {array.shape}")
    return array


def _as_numpy(argument: str, got: Any) -> np.ndarray:
    number = isinstance(got, int | float) and not isinstance(got, bool)
    if isinstance(got, type) or not (number or hasattr(got, "__array__")):
        cure = f"; give np.asarray({argument})" if isinstance(got, list | tuple | range) else ""
        raise TypeError(f"{argument} must be an array of NumPy or JAX, got {kind(got)}{cure}")
    try:
        return np.asarray(got)
    except Exception as error:  # such as of a tensor that needs a gradient
        raise TypeError(f"{argument} must be an array of NumPy or JAX, got {kind(got)}: {error}") from error


def as_key(key: Any) -> jax.Array:
    """A random key of JAX, also one of its older kind; ``jax.random.key(0)`` for None, else a TypeError."""
    if key is None:
        return jax.random.key(0)
    if isinstance(key, AnyArray):
        is_new = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        if key.shape == (() if is_new else (2,)) and (is_new or key.dtype == np.uint32):
            return jnp.asarray(key)
    is_seed = isinstance(plain(key), int) and not isinstance(key, bool)
    given = f"{key!r}; give jax.random.key({key})" if is_seed else _described(key)
    raise TypeError(f"key must be one random key, such as jax.random.key(0), got {given}")


def _described(got: Any) -> str:
    return f"{got.dtype} of shape {got.shape}" if isinstance(got, AnyArray) else kind(got)


def as_ends(argument: str, got: Any, shape: tuple[int, ...]) -> tuple[AnyArray, ...]:
    """The low and high end of an interval. Raises ValueError unless they broadcast with this shape."""
    if not isinstance(got, tuple) or len(got) != 2:
        raise ValueError(f"{argument} must be an Interval(low, high), got {kind(got)}")
    ends = tuple(as_array(argument, end) for end in got)
    try:
        np.broadcast_shapes(shape, *(end.shape for end in ends))
    except ValueError:
        shapes = " and ".join(str(end.shape) for end in ends)
        raise ValueError(
            f"{argument} must have ends that broadcast to the kernel's shape {shape}, got {shapes}"
        ) from None
    return ends


def as_pair(argument: str, got: Any, names: str) -> tuple[int, int]:
    """``got`` as two ints of at least 1, called by ``names``, or a ValueError."""
    sides = tuple(map(plain, items(got)))
    if len(sides) != 2 or not all(type(side) is int and side >= 1 for side in sides):
        raise ValueError(f"{argument} must be ({names}), each >= 1, got {got!r}")
    return sides


def as_strides(got: Any) -> int | tuple[int, int]:
    """Steps of a window as ``nnx.Conv`` takes them: one count, or (down, across)."""
    return as_pair("strides", got, "down, across") if items(got) else check_count("strides", got)


def as_weight(argument: str, got: Any, *, is_signed: bool) -> Any:
    """The weight of a term, a finite number, as a float; an array has one for each of several models.

    What is not known yet (inside a transformation) passes. Raises TypeError for what is no number, and
    ValueError for one that is not finite, or below 0 unless it ``is_signed``.
    """
    if isinstance(got, AnyArray) and got.ndim:
        return as_array(argument, got)
    if not is_known(got):
        return got
    return float((check_finite if is_signed else check_least)(argument, got))
