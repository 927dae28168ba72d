"""Lower and upper bounds of all values between two layers."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class Bounds(NamedTuple):
    """``low <= x <= high`` for every value x between two layers; the images are on the last axis."""

    low: Float[Array, "..."]
    high: Float[Array, "..."]

    @property
    def centre(self) -> Float[Array, "..."]:
        """``(low + high) / 2``."""
        return (self.low + self.high) / 2

    @property
    def radius(self) -> Float[Array, "..."]:
        """``(high - low) / 2``."""
        return (self.high - self.low) / 2


def per_value(array: Float[Array, "..."]) -> Float[Array, "..."]:
    """An array of values (..., n) with the axes of coefficients (..., s, n)."""
    return array[..., None, :]


def total(array: Float[Array, "..."]) -> Float[Array, "s n"]:
    """The sum of coefficients (..., s, n) over all values."""
    return array.sum(tuple(range(array.ndim - 2)))


def least(coefficients: Float[Array, "..."], bounds: Bounds) -> Float[Array, "s n"]:
    """Least value of ``<a, x>`` over the box of x, ``<a, centre> - <abs a, radius>``.

    ``coefficients`` has an axis of s functions before that of the images; so has the result.
    """
    middle, spread = per_value(bounds.centre), per_value(bounds.radius)
    return total(coefficients * middle - jnp.abs(coefficients) * spread)
