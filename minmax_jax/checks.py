"""Checks of arguments: each error names the argument, says what it must be, and what was given.

A number comes out as Python's own: NumPy's would wrap around (int16), be rounded (float16) or make results
float64 in what is computed from them.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

Name = TypeVar("Name", bound=str)
AnyArray = jax.Array | np.ndarray  # what functions accept: JAX's arrays, and NumPy's
SEEDS = {"least": 0, "most": 2**31 - 1}  # what both JAX and NumPy accept


def one_of(argument: str, got: Any, takes: tuple[Name, ...]) -> Name:
    """``got`` if it is one of ``takes``, else a ValueError."""
    if got not in takes:
        raise ValueError(f"{argument} must be one of {takes}, got {got!r}")
    return got


def is_known(x: Any) -> bool:
    """True where values can be checked now; false inside a JAX transformation."""
    return not isinstance(x, jax.core.Tracer)


def check_type(argument: str, got: Any, takes: type, cure: str = "") -> None:
    """Raise TypeError unless ``got`` is an instance of ``takes``; ``cure`` says what to give instead."""
    if not isinstance(got, takes):
        named = takes.__name__ if takes.__module__ == "builtins" else f"{takes.__module__}.{takes.__name__}"
        cure = f"; {cure}" if cure else ""
        raise TypeError(f"{argument} must be {_with_article(named)}, got {kind(got)}{cure}")


def kind(got: Any) -> str:
    """What ``got`` is, for the end of an error message: an int, the class LeNet."""
    return f"the class {got.__name__}" if isinstance(got, type) else _with_article(type(got).__name__)


def check_module(argument: str, got: Any) -> None:
    """Raise TypeError unless ``got`` is a module of Flax NNX."""
    cure = ""
    if is_linen(got):
        cure = "give nnx.bridge.ToNNX(module, rngs=nnx.Rngs(0)).lazy_init(images[:1])"
    elif isinstance(got, type):
        cure = f"make one, such as {got.__name__}(rngs=nnx.Rngs(0))"
    check_type(argument, got, nnx.Module, cure)


def is_linen(got: Any) -> bool:
    """Whether ``got`` is a module of Flax Linen, which holds no weights, or a class of them."""
    return isinstance(got, linen.Module) or (isinstance(got, type) and issubclass(got, linen.Module))


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def plain(got: Any) -> Any:
    """A number of NumPy or JAX as Python's own; one that is not known yet, in float32."""
    if not isinstance(got, np.generic | AnyArray) or np.ndim(got) != 0:
        return got
    if not is_known(got):
        return jnp.asarray(got, jnp.float32)
    if jnp.issubdtype(got.dtype, jnp.floating):
        return float(got)
    return int(got) if jnp.issubdtype(got.dtype, jnp.integer) else got.item()


def check_count(argument: str, got: Any, least: int = 1, most: int | None = None) -> int:
    """``got`` as an int: of Python, NumPy or JAX, or an array that is one integer.

    Raises TypeError unless it is one (a bool is none), ValueError unless it is from ``least`` to ``most``.
    """
    count = plain(got)
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{argument} must be an int, got {got!r}")
    if count < least or (most is not None and count > most):
        range_ = f"at least {least}" if most is None else f"in [{least}, {most}]"
        raise ValueError(f"{argument} must be {range_}, got {count}")
    return count


def check_number(
    argument: str, got: Any, takes: str, inside: Callable[[Any], bool], traced: bool = True
) -> Any:
    """``got`` as Python's own number where it is ``inside``, described as ``takes``; see ``plain``.

    One that is not known yet (inside a transformation) passes if ``traced``. Raises TypeError unless it is a
    number (a bool is none), ValueError for an array of several, and for a number outside.
    """
    number = plain(got)
    if isinstance(number, AnyArray) and np.ndim(number) != 0:
        raise ValueError(f"{argument} must be {takes}, got an array of shape {np.shape(number)}")
    if traced and not is_known(number):
        return number
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise TypeError(f"{argument} must be {takes}, got {got!r}")
    if not inside(number):
        raise ValueError(f"{argument} must be {takes}, got {number}")
    return number


def check_positive(argument: str, got: Any) -> Any:
    """``check_number`` for a finite number > 0."""
    return check_number(argument, got, "a finite number > 0", lambda number: 0 < number < float("inf"))


def check_least(argument: str, got: Any, least: int = 0) -> Any:
    """``check_number`` for a finite number of at least ``least``."""
    takes = f"a finite number >= {least}"
    return check_number(argument, got, takes, lambda number: least <= number < float("inf"))


def instead_of_labels(labels: Any, name: str = "labels") -> str:
    """What to give instead of labels that are no class numbers (n,), to end an error message with."""
    if np.ndim(labels) == 2:
        cure = f"{name}[:, 0]" if labels.shape[1] == 1 else f"{name}.argmax(-1) where they are one-hot"
    elif np.ndim(labels) == 1 and (jnp.issubdtype(labels.dtype, jnp.floating) or labels.dtype == bool):
        cure = f"{name}.astype(int)"
    elif np.ndim(labels) == 1:  # texts, objects, numbers below 0
        cure = f"np.unique({name}, return_inverse=True)[1], which numbers the classes"
    else:
        return ""
    return f"; give {cure}"
