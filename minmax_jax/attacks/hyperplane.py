"""Hyperplanes: faces of a class's region, taken as linear, and the smallest change onto one in the box."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Norm, finite, size
from minmax_jax.attacks.losses import pick, without
from minmax_jax.evaluation import Model

# By Hölder, a change of norm s raises a linear function by at most s times the gradient's norm in this one.
DUAL: Mapping[Norm, Norm] = {"linf": "l1", "l2": "l2", "l1": "linf"}
HALVINGS = 40  # of [0, 1]: more than float32 resolves
Faces = Callable[[Float[Array, "n classes"]], Float[Array, "k n"]]


def distance(
    values: Float[Array, " n"], gradients: Float[Array, "n h w c"], norm: Norm = "linf"
) -> Float[Array, " n"]:
    """How far each hyperplane is, were there no box: ``|value| / |gradient|`` in the dual norm."""
    return jnp.abs(values) / (size(gradients, DUAL[norm]) + 1e-12)


def other_classes(
    logits: Float[Array, "n classes"], labels: Int[Array, " n"], count: int
) -> Int[Array, "n count"]:
    """The ``count`` classes, other than the label, of the largest logits, the largest first."""
    return lax.top_k(without(logits, labels), count)[1]


def differences(
    logits: Float[Array, "n classes"], labels: Int[Array, " n"], others: Int[Array, "n k"]
) -> Float[Array, "k n"]:
    """``z_k - z_label`` for each k of ``others``."""
    return jnp.take_along_axis(logits, others, axis=1).T - pick(logits, labels)[None]


def nearest_face(
    model: Model, images: Float[Array, "n h w c"], faces: Faces, norm: Norm = "linf"
) -> tuple[Float[Array, " n"], Float[Array, "n h w c"]]:
    """Value and gradient in the pixels of whichever of ``faces`` has the hyperplane nearest to each image.

    ``faces`` maps logits to the values (k, n) of k functions that are zero on the faces of a region. One pass
    forward serves all of them; there is one backward for each.
    """
    values, pull = jax.vjp(lambda x: faces(model(x)), images)
    k, n = values.shape
    if k == 1:
        return values[0], pull(jnp.ones_like(values))[0]
    each = jnp.broadcast_to(jnp.eye(k, dtype=values.dtype)[:, :, None], (k, k, n))
    gradients = jax.vmap(lambda one: pull(one)[0])(each)
    best = jax.vmap(lambda v, g: distance(v, g, norm))(values, gradients).argmin(0)
    rows = jnp.arange(n)
    return values[best, rows], gradients[best, rows]


def smallest_change(
    images: Float[Array, "n h w c"],
    normal: Float[Array, "n h w c"],
    rise: Float[Array, " n"],
    norm: Norm = "linf",
) -> Float[Array, "n h w c"]:
    """Smallest d, by ``norm``, with ``<normal, d> = rise`` and ``images + d`` in [0, 1], for each image.

    With r the room of a pixel on the side that it has to move to, and w = abs(normal), the pixel moves by
    ``min(m, r)`` (linf) or ``min(m w, r)`` (l2), with one m >= 0 for each image; in l1 the pixels of the
    largest w move by all of r, until the rise is reached. Exact up to rounding, without a sort. Where the box
    does not allow so large a rise, every pixel that adds to it moves as far as it can. Pixels whose slope is
    zero or not finite stay where they are.
    Source: Croce and Hein 2020 (FAB), equation 4. Identity: to the hyperplane ``<w, z> = b`` leads
    ``smallest_change(x, w, b - <w, x>)``.
    """
    shape = images.shape
    slope = finite(normal).reshape(shape[0], -1)
    rise = finite(rise)
    side = jnp.sign(slope) * jnp.sign(rise)[:, None]
    flat = images.reshape(slope.shape)
    room = jnp.where(side > 0, 1 - flat, flat)
    # Scaled to a largest slope of 1, so that squares of tiny gradients do not vanish.
    largest = jnp.maximum(jnp.abs(slope).max(1), jnp.finfo(slope.dtype).tiny)
    weight, need = jnp.abs(slope) / largest[:, None], jnp.abs(rise) / largest
    amount = _greedy(weight, room, need) if norm == "l1" else _level(weight, room, need, norm)
    return (side * amount).reshape(shape)


def _level(weight: Array, room: Array, need: Array, norm: Norm) -> Array:
    """Amounts ``min(m, room)`` or ``min(m weight, room)`` for which ``sum(weight * amount) == need``.

    The sum is concave and piecewise linear in m, so Newton's method from 0 never passes the root, and reaches
    it once the set of pixels without room stays the same: after a handful of steps, at most one a pixel.
    """
    pace = jnp.ones_like(weight) if norm == "linf" else weight
    full = jnp.where(weight > 0, room / jnp.where(pace > 0, pace, 1), 0)  # the m that uses up the room
    most = full.max(1)

    def newton(state: tuple[Array, Array]) -> tuple[Array, Array]:
        m, _ = state
        free = full > m[:, None]
        rest = need - jnp.where(free, 0, weight * room).sum(1)
        steep = jnp.where(free, weight * pace, 0).sum(1)
        new = jnp.where(steep > 0, rest / jnp.where(steep > 0, steep, 1), most)
        new = jnp.clip(new, m, most)
        return new, (new > m).any()

    m, _ = lax.while_loop(lambda state: state[1], newton, (jnp.zeros_like(need), jnp.array(True)))
    return jnp.where(full > m[:, None], pace * m[:, None], room)


def _greedy(weight: Array, room: Array, need: Array) -> Array:
    """Amounts of the least sum for which ``sum(weight * amount) == need``: the largest weights first."""
    gain = weight * room

    def gained(above: Array) -> Array:
        return jnp.where(weight > above[:, None], gain, 0).sum(1)

    def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        enough = gained(middle) >= need
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    low, high = lax.fori_loop(0, HALVINGS, halve, (jnp.zeros_like(need), jnp.ones_like(need)))
    # Between the ends lies one weight, or several equal ones, which share what is left.
    whole = weight > high[:, None]
    partly = (weight > low[:, None]) & ~whole
    rest, last = need - gained(high), jnp.where(partly, gain, 0).sum(1)
    share = jnp.clip(rest / jnp.where(last > 0, last, 1), 0, 1)
    return jnp.where(whole, room, jnp.where(partly, share[:, None] * room, 0))
