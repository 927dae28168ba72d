"""The attack of Carlini and Wagner: the smallest l2 change, by Adam."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, size
from minmax_jax.attacks.compaction import on_active
from minmax_jax.attacks.inputs import attack_inputs
from minmax_jax.attacks.losses import Aim
from minmax_jax.attacks.selection import Nearest, choose, within
from minmax_jax.checks import AnyArray, check_count, check_flag, check_least, check_positive, plain
from minmax_jax.evaluation import Model

NORMS: tuple[Norm, ...] = ("l2",)
INSIDE = 0.999999  # by which images are shrunk towards 1/2, so that arctanh is finite
CHECKS = 10  # times in the course of Adam's steps that the loss must have fallen
PROGRESS = 0.9999  # the share of itself to which it must have fallen since the last check
LARGEST = 1e10  # constant tried


class Descent(NamedTuple):
    """Adam's state for one constant of each image."""

    w: Float[Array, "n h w c"]
    adam: Any
    found: Bool[Array, " n"]
    loss: Float[Array, " n"]
    falls: Bool[Array, " n"]


def carlini_wagner(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps | None = None,
    *,
    norm: Norm = "l2",
    targets: Int[AnyArray, " n"] | None = None,
    confidence: float | Float[Array, ""] = 0.0,
    binary_search_steps: int = 9,
    steps: int = 1000,
    learning_rate: float | Float[Array, ""] = 0.01,
    initial_constant: float | Float[Array, ""] = 1e-3,
    abort_early: bool = True,
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """Carlini and Wagner's attack: ``min |x' - x|_2^2 + constant max(confidence - margin(x'), 0)`` over x'.

    Adam moves w, and ``x' = (1 + tanh w) / 2`` is always in [0, 1]. The margin is the largest other logit
    less the label's; with ``targets``, the target's less the largest other. A change is found where the
    margin exceeds ``confidence``. A binary search looks for each image's least constant: it grows tenfold
    until a change is found, then goes to the middle of the interval.

    The result is the nearest x' found in any step; the image itself where there is none, where it is farther
    than ``eps``, or where the image is misclassified with that confidence as it is. Pure and jittable.

    Args:
        model: any callable from images to logits; a Flax module is attacked in evaluation mode.
        images: (n, h, w, c), in [0, 1].
        labels: (n,), each image's class.
        eps: largest change accepted, in pixel units; None: any.
        norm: "l2", the only one.
        targets: (n,), the classes to reach; None: any but the label.
        confidence: margin to exceed, in logits, >= 0.
        binary_search_steps: constants tried for each image, at least 1.
        steps: Adam's steps for each constant, at least 1.
        learning_rate: Adam's, > 0.
        initial_constant: first constant tried, > 0.
        abort_early: whether Adam stops for an image whose loss has not fallen by 0.01 % after a tenth of the
            steps.
        key: accepted for a uniform signature; unused.

    Raises:
        ValueError: for a norm other than "l2", images or eps out of range, labels or targets that name no
            class, counts < 1, a confidence < 0, or a learning rate or constant that is not > 0.

    Source: Carlini and Wagner 2017, section VI.A. Identity: on a linear model, the projection onto the
    boundary, where that is in [0, 1].
    """
    options: Any = {"targets": targets, "norms": NORMS, "needs_eps": False}
    model, x0, aim, _ = attack_inputs(model, images, labels, eps, norm, **options)
    binary_search_steps = check_count("binary_search_steps", binary_search_steps)
    steps = check_count("steps", steps)
    eps, confidence = plain(eps), check_least("confidence", confidence)
    abort_early = check_flag("abort_early", abort_early)
    learning_rate = check_positive("learning_rate", learning_rate)
    initial_constant = check_positive("initial_constant", initial_constant)
    optimizer = optax.adam(learning_rate)
    stretch = -(-steps // CHECKS)  # of steps between two checks

    def is_found(logits: Array, aim: Aim) -> Bool[Array, " n"]:
        """Whether the aim is reached even with ``confidence`` more against it."""
        favoured, sign = (aim.labels, 1) if aim.targets is None else (aim.targets, -1)
        handicap = sign * confidence * jax.nn.one_hot(favoured, logits.shape[1], dtype=logits.dtype)
        return aim.is_reached(logits + handicap)

    def descend(
        first: Array, _: Array, so_far: tuple[Nearest, Descent], x: Array, aim: Aim, constant: Array
    ) -> tuple[Nearest, Descent]:
        """The steps up to the next check."""

        def loss(w: Array) -> tuple[Array, tuple[Array, Array, Array]]:
            points = (1 + jnp.tanh(w)) / 2
            logits = model(points)
            lacking = jnp.maximum(confidence - aim.loss("margin")(logits), 0)
            each = jnp.square(points - x).sum((1, 2, 3)) + constant * lacking
            return each.sum(), (each, points, is_found(logits, aim))

        def step(_: Any, state: tuple[Nearest, Descent]) -> tuple[Nearest, Descent]:
            best, way = state
            slope, (losses, points, found) = jax.grad(loss, has_aux=True)(way.w)
            move, adam = jax.vmap(optimizer.update)(slope, way.adam)
            way = Descent(way.w + move, adam, way.found | found, losses, way.falls)
            new = Nearest(points, jnp.where(found, size(points - x, "l2"), jnp.inf))
            return choose(new.distance < best.distance, new, best), way

        best, way = lax.fori_loop(0, jnp.minimum(stretch, steps - first), step, so_far)
        return best, way._replace(falls=way.loss <= PROGRESS * so_far[1].loss) if abort_early else way

    def search(best: Nearest, constant: Array) -> tuple[Nearest, Bool[Array, " n"]]:
        """All of Adam's steps for one constant of each image, and for which of them it found a change."""
        w = jnp.arctanh(INSIDE * (2 * x0 - 1))
        nowhere = jnp.zeros(len(x0), bool)
        way = Descent(w, jax.vmap(optimizer.init)(w), nowhere, jnp.inf * same, best.distance > 0)

        def going(state: tuple[Array, Nearest, Descent]) -> Bool[Array, ""]:
            return (state[0] < steps) & state[2].falls.any()

        def advance(state: tuple[Array, Nearest, Descent]) -> tuple[Array, Nearest, Descent]:
            first, best, way = state
            now = best, way
            now = on_active(partial(descend, first), way.falls, now, now, x0, aim, constant)
            return first + stretch, *now

        _, best, way = lax.while_loop(going, advance, (jnp.int32(0), best, way))
        return best, way.found

    def halve(
        state: tuple[Nearest, Array, Array, Array], _: None
    ) -> tuple[tuple[Nearest, Array, Array, Array], None]:
        """One step of the binary search over constants."""
        best, constant, low, high = state
        best, found = search(best, constant)
        low, high = jnp.where(found, low, constant), jnp.where(found, constant, high)
        larger = jnp.minimum(10 * constant, LARGEST)
        return (best, jnp.where(jnp.isinf(high), larger, (low + high) / 2), low, high), None

    begun = jnp.where(is_found(model(x0), aim), 0, jnp.full(len(x0), jnp.inf, x0.dtype))
    same = jnp.ones_like(begun)
    bounds = initial_constant * same, 0 * same, jnp.inf * same
    (best, *_), _ = lax.scan(halve, (Nearest(x0, begun), *bounds), length=binary_search_steps)
    return within(best, x0, eps)
