"""Hyperparameters of defences: their ranges, and how they change in the course of training."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from minmax_jax.attacks.ball import NORMS
from minmax_jax.checks import check_count, check_number, is_known, one_of

Number = float | Float[Array, ""]


def ramp(start: Number, stop: Number, over: Number, progress: Number) -> Float[Array, ""]:
    """From ``start`` along a line to ``stop``, reached when the share ``over`` of training is done.

    ``start + (stop - start) progress / over`` while ``progress < over``, then exactly ``stop``.
    Identity: constant for ``over = 0``, and for ``start = stop``.
    """
    share = progress / jnp.maximum(over, jnp.finfo(jnp.float32).tiny)
    return jnp.where(progress < over, start + (stop - start) * share, stop)


def check_field(defence: Any, name: str, most: float = float("inf"), what: str = "number") -> None:
    """Turn a field into a float; raise TypeError or ValueError unless it is a number from 0 to ``most``."""
    takes = f"a finite {what} >= 0" if most == float("inf") else f"a {what} in [0, {most:g}]"
    got = getattr(defence, name)
    number = check_number(name, got, takes, lambda value: 0 <= value <= most and value < float("inf"))
    object.__setattr__(defence, name, float(number) if is_known(number) else number)


def check_ball(defence: Any) -> None:
    """Check the fields that all attacks of training have: norm, eps, start, warmup, steps and stride."""
    one_of("norm", defence.norm, NORMS)
    check_radius(defence, 1 if defence.norm == "linf" else float("inf"))
    object.__setattr__(defence, "steps", check_count("steps", defence.steps))
    if defence.stride is not None:
        check_field(defence, "stride", what="step length")


def check_radius(defence: Any, most: float = 1) -> None:
    """Check the radius and its schedule."""
    for name in ("eps", "start"):
        check_field(defence, name, most, "radius")
    check_field(defence, "warmup", 1, "share of the run")
