"""Checks of arguments, with errors that name the argument, what it got and what it takes."""

from typing import Any, TypeVar

import jax
import numpy as np

Name = TypeVar("Name", bound=str)
AnyArray = jax.Array | np.ndarray  # what functions take: jax's arrays, and numpy's
SEEDS = {"least": 0, "most": 2**31 - 1}  # what both jax and NumPy take


def one_of(argument: str, got: Any, takes: tuple[Name, ...]) -> Name:
    """``got`` if it is one of ``takes``, else a ValueError."""
    if got not in takes:
        raise ValueError(f"{argument} is {got!r}; it takes one of {takes}")
    return got


def is_known(x: Any) -> bool:
    """True where values can be checked now; false inside a jax transformation."""
    return not isinstance(x, jax.core.Tracer)


def check_type(argument: str, got: Any, takes: type) -> None:
    """Raise TypeError unless ``got`` is an instance of ``takes``."""
    if not isinstance(got, takes):
        raise TypeError(
            f"{argument} is a {type(got).__name__}; it takes a {takes.__module__}.{takes.__name__}"
        )


def check_count(argument: str, got: Any, least: int = 1, most: int | None = None) -> None:
    """Raise TypeError unless ``got`` is an int, and ValueError unless it is from ``least`` to ``most``."""
    if isinstance(got, bool) or not isinstance(got, int | np.integer):
        raise TypeError(f"{argument} is {got!r}; it takes an int")
    if got < least or (most is not None and got > most):
        range_ = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"{argument} is {got}; it takes {range_}")
