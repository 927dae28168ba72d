"""Checks of arguments: each error names the argument, says what it must be, and what was given."""

from typing import Any, TypeVar

import jax
import numpy as np

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


def check_type(argument: str, got: Any, takes: type) -> None:
    """Raise TypeError unless ``got`` is an instance of ``takes``."""
    if not isinstance(got, takes):
        named = takes.__name__ if takes.__module__ == "builtins" else f"{takes.__module__}.{takes.__name__}"
        raise TypeError(f"{argument} must be {_with_article(named)}, got {_with_article(type(got).__name__)}")


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def check_count(argument: str, got: Any, least: int = 1, most: int | None = None) -> None:
    """Raise TypeError unless ``got`` is an int, and ValueError unless it is from ``least`` to ``most``."""
    if isinstance(got, bool) or not isinstance(got, int | np.integer):
        raise TypeError(f"{argument} must be an int, got {got!r}")
    if got < least or (most is not None and got > most):
        range_ = f"at least {least}" if most is None else f"in [{least}, {most}]"
        raise ValueError(f"{argument} must be {range_}, got {got}")


def check_positive(argument: str, got: Any) -> None:
    """Raise ValueError unless ``got`` is a finite number > 0, or not known yet (inside a transformation)."""
    if is_known(got) and not 0 < got < float("inf"):
        raise ValueError(f"{argument} must be a finite number > 0, got {got}")
