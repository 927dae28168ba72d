"""The interval that each weight lives in, and the weight's membership: its position in that interval.

The paper says that weights move away from the centres of their intervals and does not say which intervals.
Four readings are offered, for two kinds of membership: of the weight itself, and of its magnitude.
"""

from typing import Literal, NamedTuple, get_args

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from minmax_jax.checks import FLOATS, AnyArray, as_array, as_ends, check_positive, is_known, one_of

Reading = Literal["layer", "filter", "fixed", "trajectory"]
Membership = Literal["signed", "magnitude"]
READINGS: tuple[Reading, ...] = get_args(Reading)
MEMBERSHIPS: tuple[Membership, ...] = get_args(Membership)


class Interval(NamedTuple):
    """The interval [low, high] of each weight; both broadcast to the kernel's shape."""

    low: Float[AnyArray, "..."]
    high: Float[AnyArray, "..."]


def initial_bound(shape: tuple[int, ...]) -> float:
    """Half-width c of the support [-c, c] of Flax's default initialiser, for a kernel of this shape.

    ``lecun_normal`` draws from a normal of standard deviation ``s = 1 / (0.8796 sqrt(fan_in))`` truncated at
    two of them, with fan_in = kh * kw * cin and 0.8796 the standard deviation of a unit normal truncated so;
    hence ``c = 2 s``. Identity: no weight of a fresh ``Conv`` or ``nnx.Conv`` lies beyond it.
    """
    fan_in = max(int(np.prod(shape[:-1])), 1)
    return 2.0 / (0.87962566103423978 * fan_in**0.5)


def check_bound(bound: float | None, reading: str) -> float | None:
    """``bound`` if it is None, or finite and > 0 where the reading is "fixed"; else a ValueError."""
    if bound is None:
        return None
    if reading != "fixed":
        raise ValueError(f"bound must be None unless reading is 'fixed', got {bound} with {reading!r}")
    return check_positive("bound", bound)


def widened(values: Float[AnyArray, "*shape"], name: str = "kernel") -> Float[Array, "*shape"]:
    """In float32 at least: what is computed from weights in half precision has two or three digits."""
    array = jnp.asarray(as_array(name, values))
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def interval(
    kernel: Float[AnyArray, "..."],
    reading: Reading = "layer",
    membership: Membership = "signed",
    *,
    bound: float | None = None,
    extremes: Interval | None = None,
) -> Interval:
    """The interval of each weight of a kernel, by one of four readings of the paper's "interval".

    | reading | signed | magnitude |
    |---|---|---|
    | layer | [min W, max W] | [0, max abs W] |
    | filter | the same over each output channel (the last axis) | |
    | fixed | [-c, c] | [0, c], c = ``bound``, by default the support of the initialiser |
    | trajectory | ``extremes``: each weight's own [min, max] over a run | [0, max abs] over a run |

    An interval that depends on the weights is held constant under differentiation (stop-gradient), so that
    a gradient moves the weights in their interval, never the interval.
    Source: readings of this study; the paper's abstract names none.

    Args:
        kernel: weights of any floating-point type, all finite; the output channels are the last axis.
        reading: the row of the table.
        membership: the column of the table.
        bound: c > 0, for the reading "fixed" only; None is ``initial_bound`` of the kernel's shape, the
            support of Flax's initialiser. Of PyTorch's it is ``fan_in**-0.5``.
        extremes: each weight's own ends over a run, for the reading "trajectory" only.

    Raises:
        TypeError: for weights that are not floating-point numbers.
        ValueError: for an unknown name, a bound <= 0, missing extremes, a kernel that is empty or not
            finite, or an interval of zero width.
    """
    one_of("reading", reading, READINGS)
    one_of("membership", membership, MEMBERSHIPS)
    kernel = as_array("kernel", kernel, takes="floating-point weights", kinds=FLOATS)
    if kernel.size == 0:
        raise ValueError(f"kernel must hold at least one weight, got shape {kernel.shape}")
    finite = jnp.isfinite(kernel).all()
    if is_known(finite) and not bool(finite):
        raise ValueError("kernel must hold finite weights, got NaN or infinite ones")
    kernel, bound = widened(kernel), check_bound(bound, reading)
    signed = membership == "signed"
    if reading == "trajectory":
        low, high = extremes = Interval(*map(widened, as_ends("extremes", extremes, kernel.shape)))
        ordered = jnp.all(low <= high)
        if is_known(ordered) and not bool(ordered):
            raise ValueError("extremes must have low <= high, got NaN or a low end above its high end")
        span = extremes if signed else Interval(jnp.zeros_like(low), jnp.maximum(-low, high))
    elif reading == "fixed":
        c = jnp.asarray(initial_bound(kernel.shape) if bound is None else bound, kernel.dtype)
        span = Interval(-c if signed else jnp.zeros_like(c), c)
    else:
        if reading == "filter" and kernel.ndim < 2:
            raise ValueError(f"kernel must have rank >= 2 with reading 'filter', got shape {kernel.shape}")
        axes = tuple(range(kernel.ndim - (reading == "filter")))
        w = lax.stop_gradient(kernel)
        high = (w if signed else jnp.abs(w)).max(axes, keepdims=True)
        span = Interval(w.min(axes, keepdims=True) if signed else jnp.zeros_like(high), high)
    wide = jnp.all(span.high > span.low)
    if reading != "trajectory" and is_known(wide) and not bool(wide):
        raise ValueError(
            f"kernel must hold weights that differ, got an interval of zero width by reading {reading!r} and "
            f"membership {membership!r} for shape {kernel.shape}"
        )
    return span


def memberships(
    kernel: Float[AnyArray, "..."], span: Interval, membership: Membership = "signed"
) -> Float[Array, "..."]:
    """Membership mu in [0, 1]: ``(w - a) / (b - a)`` signed, ``abs(w) / b`` by magnitude.

    Weights beyond an end are clipped to it, and a weight at or beyond an end has derivative zero: it has met
    its bound, so the regulariser neither pushes it out nor pulls it back. In an interval of zero width (of a
    weight that never moved during a run) mu is 1/2, as nothing is known about it.
    Identity: mu(a) = 0, mu(b) = 1 and, signed, mu((a + b) / 2) = 1/2.
    """
    one_of("membership", membership, MEMBERSHIPS)
    weights, span = widened(kernel), Interval(*map(widened, as_ends("span", span, np.shape(kernel))))
    position = weights if membership == "signed" else jnp.abs(weights)
    width = span.high - span.low
    mu = (position - span.low) / jnp.where(width > 0, width, 1)
    # Rounding can take the quotient (b - a) / (b - a) below 1, so the weight itself is compared with the end.
    beyond = position >= span.high
    # The ends enter as constants, of derivative zero: clip by itself has derivative 1/2 at an end.
    end = lax.stop_gradient(jnp.where(beyond, 1.0, jnp.clip(mu, 0, 1)))
    within = jnp.where((mu > 0) & (mu < 1) & ~beyond, mu, end)
    return jnp.where(width > 0, within, 0.5)
