"""Arguments that are numbers: each comes out as Python's own.

NumPy's would wrap around (int16), be rounded (float16) or make results float64 in what is computed from them.
"""

import math
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from minmax_jax.checks.arguments import AnyArray, is_known

LARGEST = 2**31 - 1  # int32
SEEDS = {"least": 0, "most": LARGEST}  # what both JAX and NumPy accept


def plain(got: Any) -> Any:
    """A number of NumPy or JAX as Python's own; one that is not known yet, in float32.

    An int that jax cannot hold becomes a float.
    """
    number = _of_python(got)
    if isinstance(number, int) and abs(number) > LARGEST:
        return float(number) if abs(number) < sys.float_info.max else math.copysign(math.inf, number)
    return number


def _of_python(got: Any) -> Any:
    if not isinstance(got, np.generic | AnyArray) or got.ndim != 0:
        return got
    if jnp.issubdtype(got.dtype, jax.dtypes.extended):  # random keys are no numbers
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
    count = _of_python(got)
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{argument} must be an int, got {got!r}")
    end = LARGEST if most is None else most
    if not least <= count <= end:
        range_ = f"at least {least}" if most is None and count < least else f"in [{least}, {end}]"
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


def check_finite(argument: str, got: Any) -> Any:
    """``check_number`` for a finite number of either sign."""
    return check_number(argument, got, "a finite number", math.isfinite)


def check_least(argument: str, got: Any, least: int = 0) -> Any:
    """``check_number`` for a finite number of at least ``least``."""
    takes = f"a finite number >= {least}"
    return check_number(argument, got, takes, lambda number: least <= number < float("inf"))
