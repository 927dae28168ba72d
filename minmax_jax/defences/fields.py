"""The fields of defences: which of them are traced, and what they take."""

from typing import Any

import jax
import numpy as np

from minmax_jax.attacks.ball import NORMS
from minmax_jax.checks import check_count, is_known, one_of


def check_number(defence: Any, name: str, most: float = float("inf"), what: str = "number") -> None:
    """Turn a field into a float; raise TypeError or ValueError unless it is a number from 0 to ``most``."""
    value = getattr(defence, name)
    takes = f"a finite {what} >= 0" if most == float("inf") else f"a {what} in [0, {most:g}]"
    if isinstance(value, bool) or not isinstance(value, int | float | np.number | np.ndarray | jax.Array):
        raise TypeError(f"{name} must be {takes}, got {value!r}")
    if np.ndim(value) != 0:
        raise ValueError(f"{name} has shape {np.shape(value)}; it takes {takes}")
    if is_known(value):
        object.__setattr__(defence, name, float(value))
        if not 0 <= value <= most or not np.isfinite(value):
            raise ValueError(f"{name} must be {takes}, got {value}")


def check_ball(defence: Any) -> None:
    """Check the fields that all attacks of training have: norm, eps, start, warmup, steps and stride."""
    one_of("norm", defence.norm, NORMS)
    check_radius(defence, 1 if defence.norm == "linf" else float("inf"))
    check_count("steps", defence.steps)
    if defence.stride is not None:
        check_number(defence, "stride", what="length of a step, in units of eps,")


def check_radius(defence: Any, most: float = 1) -> None:
    """Check the radius and its schedule."""
    for name in ("eps", "start"):
        check_number(defence, name, most, "radius, in pixel units of [0, 1],")
    check_number(defence, "warmup", 1, "share of the run")
