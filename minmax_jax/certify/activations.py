"""ReLU and scaled tanh between two lines: the linear relaxations of CROWN."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from minmax_jax.certify.bounds import Bounds, per_value, total
from minmax_jax.lenet import scaled_tanh

HALVINGS = 20  # of the interval that holds a point of tangency; the bound is sound after any number


class Lines(NamedTuple):
    """``low_slope x + low_offset <= f(x) <= high_slope x + high_offset`` for every value x in its bounds."""

    low_slope: Float[Array, "..."]
    low_offset: Float[Array, "..."]
    high_slope: Float[Array, "..."]
    high_offset: Float[Array, "..."]


class Activation:
    """A monotone function ``apply`` of each value, and two ``lines`` that enclose it."""

    def apply(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The function."""
        raise NotImplementedError

    def lines(self, inputs: Bounds) -> Lines:
        """A line below and one above the function between the bounds."""
        raise NotImplementedError

    def forward(self, inputs: Bounds) -> Bounds:
        """``[f(low), f(high)]``, exact since f is monotone."""
        return Bounds(self.apply(inputs.low), self.apply(inputs.high))

    def backward(
        self, coefficients: Float[Array, "..."], inputs: Bounds
    ) -> tuple[Float[Array, "..."], Float[Array, "s n"]]:
        """A linear function below ``<a, f(x)>``: the lower line where a > 0, the upper one where a < 0."""
        low_slope, low_offset, high_slope, high_offset = map(per_value, self.lines(inputs))
        up, down = jnp.maximum(coefficients, 0), jnp.minimum(coefficients, 0)
        return up * low_slope + down * high_slope, total(up * low_offset + down * high_offset)


class Relu(Activation):
    """``max(x, 0)``. Above: the chord. Below: x where high > -low, else 0, whichever leaves the smaller area.

    Source: Zhang et al. 2018 (CROWN), with their adaptive lower slope.
    """

    def apply(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """``max(x, 0)``."""
        return jax.nn.relu(x)

    def lines(self, inputs: Bounds) -> Lines:
        """Exact where the bounds have one sign."""
        low, high = inputs
        crosses = (low < 0) & (high > 0)
        chord = high / jnp.where(crosses, high - low, 1)
        on = (low >= 0).astype(low.dtype)
        slope = jnp.where(crosses, chord, on)
        below = jnp.where(crosses, (high > -low).astype(low.dtype), on)
        zero = jnp.zeros_like(low)
        return Lines(below, zero, slope, jnp.where(crosses, -slope * low, zero))


class Tanh(Activation):
    """``scaled_tanh``, convex below 0 and concave above. Each line is a chord or a tangent.

    Above: where the chord from low to high lies above the curve, the chord; else a tangent, at the middle of
    the bounds if that tangent is above the curve at ``low``, or else at the point whose tangent meets the
    curve there. Below: the same rotated about the origin, since the function is odd. The point of tangency
    is a constant under differentiation. Source: Zhang et al. 2018 (CROWN), S-shaped activations.
    """

    def apply(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """``scaled_tanh``."""
        return scaled_tanh(x)

    def lines(self, inputs: Bounds) -> Lines:
        """The line above, and the one below from the line above the mirrored bounds."""
        slope, offset = _above(*inputs)
        mirrored, height = _above(-inputs.high, -inputs.low)
        return Lines(mirrored, -height, slope, offset)


def _steepness(x: Array) -> Array:
    """Derivative of ``scaled_tanh``."""
    return 1.7159 * 2 / 3 * (1 - jnp.square(jnp.tanh(2 / 3 * x)))


def _above(low: Array, high: Array) -> tuple[Array, Array]:
    """Slope and offset of a line above ``scaled_tanh`` between the bounds."""
    start = lax.stop_gradient(low)

    def covers(point: Array) -> Array:
        """Whether the tangent at a point >= 0 is above the curve at ``low``, and so all along."""
        return scaled_tanh(point) + _steepness(point) * (start - point) >= scaled_tanh(start)

    def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        short, far = ends
        middle = (short + far) / 2
        good = covers(middle)
        return jnp.where(good, short, middle), jnp.where(good, middle, far)

    nearest, farthest = lax.stop_gradient((jnp.maximum(low, 0), jnp.maximum(high, 0)))
    _, touch = lax.fori_loop(0, HALVINGS, halve, (nearest, farthest))
    touch = jnp.where(low >= 0, nearest, touch)
    point = lax.stop_gradient(jnp.maximum(touch, (low + high) / 2))
    has_tangent = (low >= 0) | ((high > 0) & covers(farthest))
    wide = high - low > 1e-6  # the slope of a narrower chord would be all rounding; the tangent is as good
    chord = (scaled_tanh(high) - scaled_tanh(low)) / jnp.where(wide, high - low, 1)
    slope = jnp.where(has_tangent, _steepness(point), jnp.where(wide, chord, _steepness(low)))
    at = jnp.where(has_tangent, point, low)
    return slope, scaled_tanh(at) - slope * at
