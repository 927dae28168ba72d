"""The ball of an attack, ``{x + d : |d|_p <= eps}``, inside the box [0, 1]: norms, projections, steps."""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Shaped

from minmax_jax.checks import AnyArray

Norm = Literal["linf", "l2", "l1"]
NORMS: tuple[Norm, ...] = get_args(Norm)
Eps = float | Float[Array, ""]
ROUNDS = 100  # a projection's most iterations; it usually needs three to ten
RESOLUTION = 1e-6  # of norms, relative: about what float32 resolves in a sum over an image


def per_image(values: Shaped[Array, " n"]) -> Shaped[Array, "n 1 1 1"]:
    """One value for each image, broadcastable to images."""
    return values[:, None, None, None]


def size(change: Float[AnyArray, "n h w c"], norm: Norm) -> Float[Array, " n"]:
    """Norm of each image's change: largest entry (linf), Euclidean length (l2), or sum of entries (l1)."""
    absolute = jnp.abs(change)
    if norm == "linf":
        return absolute.max((1, 2, 3))
    if norm == "l2":
        return jnp.sqrt(jnp.square(absolute).sum((1, 2, 3)))
    return absolute.sum((1, 2, 3))


def project(
    images: Float[Array, "n h w c"], centre: Float[Array, "n h w c"], eps: Eps, norm: Norm = "linf"
) -> Float[Array, "n h w c"]:
    """Nearest images, in Euclidean distance, in the ball of radius eps about ``centre`` and in [0, 1].

    With change d and one multiplier m >= 0 for each image, they are ``clip(x + d / (1 + m), 0, 1)`` in "l2"
    and ``clip(x + sign(d) max(|d| - m, 0), 0, 1)`` in "l1": the Karush-Kuhn-Tucker conditions.
    Identity: ``project(project(x)) == project(x)`` up to rounding, and ``project(centre) == centre``.
    """
    if norm == "linf":
        return jnp.clip(jnp.clip(images, centre - eps, centre + eps), 0, 1)
    change = images - centre
    room = jnp.where(change < 0, centre, 1 - centre)
    keep = scaled if norm == "l2" else lowered
    return jnp.clip(centre + jnp.sign(change) * keep(jnp.abs(change), room, eps), 0, 1)


def scaled(far: Float[Array, "n h w c"], room: Float[Array, "n h w c"], eps: Eps) -> Float[Array, "n h w c"]:
    """``min(s far, room)`` with the largest share s <= 1 for each image that keeps its l2 norm within eps.

    s grows from the value that would do without the box: pixels that have met the box stay there and the
    others share what is left of eps, until no more pixels meet it. s is therefore exact after as many rounds
    as there are such groups, most often three to five, and never too large.
    """
    most = jnp.maximum(size(far, "linf"), jnp.finfo(far.dtype).tiny)
    unit = far / per_image(most)  # so that squares neither vanish nor overflow

    def grow(share: Array) -> Array:
        met = per_image(share) * unit >= room
        left = eps**2 - jnp.where(met, room**2, 0).sum((1, 2, 3))
        free = jnp.where(met, 0, unit**2).sum((1, 2, 3))
        new = jnp.sqrt(jnp.maximum(left, 0) / jnp.maximum(free, jnp.finfo(far.dtype).tiny))
        return jnp.clip(new, share, most)

    def going(state: tuple[Array, Array, Array]) -> Array:
        share, before, rounds = state
        return (share > before * (1 + RESOLUTION)).any() & (rounds < ROUNDS)

    def advance(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        share, _, rounds = state
        return grow(share), share, rounds + 1

    first = jnp.minimum(most, eps / jnp.maximum(size(unit, "l2"), 1))
    share, _, _ = lax.while_loop(going, advance, (grow(first), first, jnp.int32(1)))
    return jnp.minimum(per_image(share) * unit, room)


def lowered(far: Float[Array, "n h w c"], room: Float[Array, "n h w c"], eps: Eps) -> Float[Array, "n h w c"]:
    """``clip(far - m, 0, room)`` with the least m >= 0 for each image that keeps its l1 norm within eps.

    The unknown is the depth of m below the largest pixel, which float32 resolves however large that pixel is.
    The norm is piecewise linear in the depth, so Newton's method ends on the right piece; every other round
    bisects the interval that holds the depth, which bounds the number of rounds.
    """
    most = size(far, "linf")
    gap = per_image(most) - far

    def going(state: tuple[Array, Array, Array, Array, Array]) -> Array:
        *_, done, rounds = state
        return ~done.all() & (rounds < ROUNDS)

    def advance(state: tuple[Array, Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array, Array]:
        depth, low, high, done, rounds = state
        left = per_image(depth) - gap
        excess = size(jnp.clip(left, 0, room), "l1") - eps
        fits = excess <= RESOLUTION * eps
        low, high = jnp.where(fits, depth, low), jnp.where(fits, high, depth)
        growing = ((left > 0) & (left < room)).sum((1, 2, 3))
        newton, middle = depth - excess / jnp.maximum(growing, 1), (low + high) / 2
        is_near = fits & ((excess >= -RESOLUTION * eps) | (depth == most))
        is_narrow = (middle <= low) | (middle >= high)
        usable = (newton > low) & (newton < high) & (rounds % 2 == 0)
        return jnp.where(usable, newton, middle), low, high, done | is_near | is_narrow, rounds + 1

    start = most, jnp.zeros_like(most), most, jnp.full(len(far), eps <= 0), jnp.int32(0)
    _, depth, *_ = lax.while_loop(going, advance, start)  # the largest that fits
    return jnp.clip(per_image(depth) - gap, 0, room)


def finite(gradient: Float[Array, "..."]) -> Float[Array, "..."]:
    """Gradients with 0 in place of NaN and infinity."""
    return jnp.where(jnp.isfinite(gradient), gradient, 0)


def level(gradient: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """Gradients scaled to a largest entry of 1, so that squares and sums of tiny ones do not vanish.

    NaN and infinity count as 0, and a gradient of zeros stays zero.
    """
    known = finite(gradient)
    most = size(known, "linf")
    # A gradient of zeros is divided by 1, not by something tiny: a compiler may fuse two divisions into one
    # by the product of both divisors, and a tiny product is 0.
    return known / per_image(jnp.where(most > 0, most, 1))


def steepest(gradient: Float[Array, "n h w c"], norm: Norm = "linf") -> Float[Array, "n h w c"]:
    """Step of norm 1 along which each image's loss rises most: ``argmax <gradient, d>`` over ``|d|_p <= 1``.

    The sign (linf), the unit vector (l2), or the sign of the largest entry alone (l1). It is 0 where the
    gradient is zero or not finite: the attack stays in its ball, and is the weaker for it.
    """
    if norm == "linf":
        return jnp.sign(finite(gradient))
    levelled = level(gradient)
    if norm == "l2":
        return levelled / per_image(jnp.maximum(size(levelled, "l2"), 1))  # >= 1, unless all are 0
    flat = levelled.reshape(len(levelled), -1)
    largest = jax.nn.one_hot(jnp.abs(flat).argmax(1), flat.shape[1], dtype=flat.dtype)
    return (jnp.sign(flat) * largest).reshape(gradient.shape)


def stepped(
    points: Float[Array, "n h w c"], gradient: Float[Array, "n h w c"], length: Eps, norm: Norm = "linf"
) -> Float[Array, "n h w c"]:
    """Points moved by a step of norm ``length`` along which their loss rises most.

    In "linf" and "l2" that is ``points + length * steepest(gradient)``. In "l1" the step is shared among
    pixels, those of the largest gradient first, each moving as far as [0, 1] allows: a step along the largest
    alone would be lost where that pixel is at its bound already, as most pixels of digits are.
    Identity: in "l1", the maximum of ``<gradient, d>`` over ``|d|_1 <= length`` and ``points + d`` in [0, 1].
    """
    if norm != "l1":
        return points + length * steepest(gradient, norm)
    known = finite(gradient)
    room = jnp.where(known > 0, 1 - points, jnp.where(known < 0, points, 0)).reshape(len(points), -1)
    order = jnp.argsort(-jnp.abs(known).reshape(room.shape), axis=1)
    rooms = jnp.take_along_axis(room, order, axis=1)
    moved = jnp.clip(length - (jnp.cumsum(rooms, axis=1) - rooms), 0, rooms)
    back = jnp.take_along_axis(moved, jnp.argsort(order, axis=1), axis=1)
    return points + jnp.sign(known) * back.reshape(points.shape)


def random_point(
    key: Array, centre: Float[Array, "n h w c"], eps: Eps, norm: Norm = "linf"
) -> Float[Array, "n h w c"]:
    """A point drawn from each image's ball, then brought into [0, 1].

    In "linf" it is uniform in the ball. In "l2" and "l1" its direction is that of normal or Laplace noise, so
    that all directions are alike, and its distance is uniform in [0, eps]. A uniform point of such a ball of
    hundreds of dimensions would lie at its edge, far from the image in a direction that does not help: PGD
    that starts there breaks fewer images (two in a hundred on MNIST, 20 steps, "l2").
    Source: this study; torchattacks starts its "l2" PGD alike.
    """
    if norm == "linf":
        change = eps * jax.random.uniform(key, centre.shape, centre.dtype, -1, 1)
        return project(centre + change, centre, eps)
    one, other = jax.random.split(key)
    draw = jax.random.normal if norm == "l2" else jax.random.laplace
    noise = draw(one, centre.shape, centre.dtype)
    distance = eps * jax.random.uniform(other, (len(centre),), centre.dtype)
    return jnp.clip(centre + noise * per_image(distance / size(noise, norm)), 0, 1)
