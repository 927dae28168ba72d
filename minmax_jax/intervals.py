"""The interval that a weight lives in, and the weight's membership: its position in that interval."""

from typing import Literal, NamedTuple, get_args

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from minmax_jax.checks import AnyArray, is_known, one_of

Reading = Literal["layer", "filter", "fixed", "trajectory"]
Membership = Literal["signed", "magnitude"]
READINGS: tuple[Reading, ...] = get_args(Reading)
MEMBERSHIPS: tuple[Membership, ...] = get_args(Membership)


class Interval(NamedTuple):
    """The interval [low, high] of each weight; both broadcast to the kernel's shape."""

    low: Float[AnyArray, "..."]
    high: Float[AnyArray, "..."]


def initial_bound(shape: tuple[int, ...]) -> float:
    """Half-width c of Flax's default initialiser's support [-c, c], for a kernel of this shape.

    ``lecun_normal`` draws from a normal of standard deviation ``s = 1 / (0.8796 sqrt(fan_in))`` cut off at
    two of them, with fan_in = kh * kw * cin and 0.8796 the standard deviation of a unit normal so cut; the
    support ends at ``c = 2 s``. Identity: no weight of a fresh ``Conv`` or ``nnx.Conv`` is beyond it.
    """
    fan_in = max(int(np.prod(shape[:-1])), 1)
    return 2.0 / (0.87962566103423978 * fan_in**0.5)


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

    Where it depends on the weights it is held constant under differentiation (stop-gradient).
    Raises ValueError for an unknown name, a bound <= 0, missing extremes, a kernel that is empty or not
    finite, or a signed interval of zero width. Source: readings of this study; the paper's abstract names
    none.
    """
    one_of("reading", reading, READINGS)
    one_of("membership", membership, MEMBERSHIPS)
    if not jnp.issubdtype(kernel.dtype, jnp.floating):
        raise TypeError(f"kernel must be floating-point weights, got {kernel.dtype}")
    if kernel.size == 0:
        raise ValueError(f"kernel has shape {kernel.shape}; it takes at least one weight")
    finite = jnp.isfinite(kernel).all()
    if is_known(finite) and not bool(finite):
        raise ValueError("kernel holds NaN or infinite weights; it takes finite ones")
    if bound is not None and reading != "fixed":
        raise ValueError(f"bound is {bound} with reading {reading!r}; only 'fixed' takes one")
    signed = membership == "signed"
    if reading == "trajectory":
        if extremes is None:
            raise ValueError("extremes is None; reading 'trajectory' takes the Interval of a run")
        low, high = extremes
        ordered = jnp.all(low <= high)
        if is_known(ordered) and not bool(ordered):
            raise ValueError("extremes hold NaN or a low end above its high end; it takes low <= high")
        span = extremes if signed else Interval(jnp.zeros_like(low), jnp.maximum(-low, high))
    elif reading == "fixed":
        if bound is not None and is_known(bound) and not 0 < bound < float("inf"):
            raise ValueError(f"bound must be a finite number > 0, got {bound}")
        c = jnp.asarray(initial_bound(kernel.shape) if bound is None else bound, kernel.dtype)
        span = Interval(-c if signed else jnp.zeros_like(c), c)
    else:
        if reading == "filter" and kernel.ndim < 2:
            raise ValueError(f"kernel has shape {kernel.shape}; reading 'filter' takes rank >= 2")
        axes = tuple(range(kernel.ndim - (reading == "filter")))
        w = lax.stop_gradient(kernel)
        high = (w if signed else jnp.abs(w)).max(axes, keepdims=True)
        span = Interval(w.min(axes, keepdims=True) if signed else jnp.zeros_like(high), high)
    wide = jnp.all(span.high > span.low)
    if reading != "trajectory" and is_known(wide) and not bool(wide):
        raise ValueError(
            f"kernel of shape {kernel.shape} has an interval of zero width by reading {reading!r} and "
            f"membership {membership!r}; it takes weights that differ"
        )
    return span


def memberships(
    kernel: Float[AnyArray, "..."], span: Interval, membership: Membership = "signed"
) -> Float[Array, "..."]:
    """Membership mu in [0, 1]: ``(w - a) / (b - a)`` signed, ``abs(w) / b`` by magnitude.

    Weights beyond an end are clipped to it, and a weight at or beyond an end has derivative zero: it has met
    its bound, so the regulariser neither pushes it out nor pulls it back. In an interval of zero width (a
    weight that never moved over a run) mu is 1/2: nothing is known of it.
    Identity: mu(a) = 0, mu(b) = 1 and, signed, mu((a + b) / 2) = 1/2.
    """
    one_of("membership", membership, MEMBERSHIPS)
    position = kernel if membership == "signed" else jnp.abs(kernel)
    width = span.high - span.low
    mu = (position - span.low) / jnp.where(width > 0, width, 1)
    # the quotient (b - a) / (b - a) can be rounded to less than 1, so the high end is compared itself
    beyond = position >= span.high
    end = lax.stop_gradient(jnp.where(beyond, 1.0, jnp.clip(mu, 0, 1)))
    within = jnp.where((mu > 0) & (mu < 1) & ~beyond, mu, end)
    return jnp.where(width > 0, within, 0.5)
