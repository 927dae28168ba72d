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
from minmax_jax.attacks.inputs import checked, evaluated
from minmax_jax.attacks.losses import climbed, is_reached
from minmax_jax.checks import AnyArray, check_count, is_known, one_of
from minmax_jax.evaluation import Model

INSIDE = 0.999999  # images are drawn this much towards 1/2, so that the inverse of tanh is finite
CHECKS = 10  # in the course of Adam's steps: does the loss still fall?
PROGRESS = 0.9999  # the share of itself to which it has to fall from one check to the next
LARGEST = 1e10  # constant tried


class Best(NamedTuple):
    """The nearest adversarial image found so far, and how far it is: infinitely, if there is none."""

    points: Float[Array, "n h w c"]
    distance: Float[Array, " n"]


class Descent(NamedTuple):
    """How far Adam has come for one constant of each image."""

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

    Adam takes ``steps`` of ``learning_rate`` in w, and ``x' = (1 + tanh w) / 2`` is always in [0, 1]. The
    margin is the largest other logit less the label's; with ``targets``, the target's less the largest other.
    A change is found where it is above ``confidence``. A binary search of ``binary_search_steps`` looks for
    each image's least constant: from ``initial_constant`` it grows tenfold until a change is found, then goes
    to the middle of the interval. With ``abort_early``, Adam stops for an image whose loss has not fallen
    by 0.01 % after a tenth of the steps.

    The result is the nearest x' found in any step; the image itself where there is none, where it is farther
    than ``eps`` (None: no limit), or where the image is misclassified with that confidence as it is.
    ``key`` is taken so that all attacks are called alike, and not used. Pure and jittable.
    Raises ValueError for a norm other than "l2", images or eps out of range, labels that name no class,
    counts < 1, a confidence < 0, or a learning rate or constant that is not > 0.
    Source: Carlini and Wagner 2017, section VI.A. Identity: on a linear model, the projection onto the
    boundary, where that is in [0, 1].
    """
    one_of("norm", norm, ("l2",))
    model = evaluated(model)
    x0, truth, _ = checked(model, images, labels, eps, norm, targets=targets, needs_eps=False)
    _check_settings(binary_search_steps, steps, confidence, learning_rate, initial_constant)
    aims = None if targets is None else jnp.asarray(targets)
    optimizer = optax.adam(learning_rate)
    stretch = -(-steps // CHECKS)  # of steps between two checks

    def is_found(logits: Array, y: Array, aim: Array | None) -> Bool[Array, " n"]:
        favoured, sign = (y, 1) if aim is None else (aim, -1)
        handicap = sign * confidence * jax.nn.one_hot(favoured, logits.shape[1], dtype=logits.dtype)
        return is_reached(logits + handicap, y, aim)

    def descend(
        first: Array,
        _: Array,
        so_far: tuple[Best, Descent],
        x: Array,
        y: Array,
        aim: Array | None,
        constant: Array,
    ) -> tuple[Best, Descent]:
        """The steps up to the next check."""

        def loss(w: Array) -> tuple[Array, tuple[Array, Array, Array]]:
            points = (1 + jnp.tanh(w)) / 2
            logits = model(points)
            lacking = jnp.maximum(confidence - climbed("margin", y, aim)(logits), 0)
            each = jnp.square(points - x).sum((1, 2, 3)) + constant * lacking
            return each.sum(), (each, points, is_found(logits, y, aim))

        def step(_: Any, state: tuple[Best, Descent]) -> tuple[Best, Descent]:
            best, way = state
            slope, (losses, points, found) = jax.grad(loss, has_aux=True)(way.w)
            move, adam = jax.vmap(optimizer.update)(slope, way.adam)
            way = Descent(way.w + move, adam, way.found | found, losses, way.falls)
            return _nearer(best, points, jnp.where(found, size(points - x, "l2"), jnp.inf)), way

        best, way = lax.fori_loop(0, jnp.minimum(stretch, steps - first), step, so_far)
        return best, way._replace(falls=way.loss <= PROGRESS * so_far[1].loss) if abort_early else way

    def search(best: Best, constant: Array) -> tuple[Best, Bool[Array, " n"]]:
        """Adam's whole way for one constant of each image, and for which of them it found a change."""
        w = jnp.arctanh(INSIDE * (2 * x0 - 1))
        nowhere = jnp.zeros(len(x0), bool)
        way = Descent(w, jax.vmap(optimizer.init)(w), nowhere, jnp.full(len(x0), jnp.inf), best.distance > 0)

        def go(state: tuple[Array, Best, Descent]) -> tuple[Array, Best, Descent]:
            first, best, way = state
            now = best, way
            now = on_active(partial(descend, first), way.falls, now, now, x0, truth, aims, constant)
            return first + stretch, *now

        def goes_on(state: tuple[Array, Best, Descent]) -> Bool[Array, ""]:
            return (state[0] < steps) & state[2].falls.any()

        _, best, way = lax.while_loop(goes_on, go, (jnp.int32(0), best, way))
        return best, way.found

    def halve(
        state: tuple[Best, Array, Array, Array], _: None
    ) -> tuple[tuple[Best, Array, Array, Array], None]:
        best, constant, low, high = state
        best, found = search(best, constant)
        low, high = jnp.where(found, low, constant), jnp.where(found, constant, high)
        larger = jnp.minimum(10 * constant, LARGEST)
        return (best, jnp.where(jnp.isinf(high), larger, (low + high) / 2), low, high), None

    begun = jnp.where(is_found(model(x0), truth, aims), 0, jnp.full(len(x0), jnp.inf))
    same = jnp.ones_like(begun)
    bounds = initial_constant * same, 0 * same, jnp.inf * same
    (best, *_), _ = lax.scan(halve, (Best(x0, begun), *bounds), length=binary_search_steps)
    return (
        best.points
        if eps is None
        else jnp.where((best.distance <= eps)[:, None, None, None], best.points, x0)
    )


def _nearer(best: Best, points: Float[Array, "n h w c"], distance: Float[Array, " n"]) -> Best:
    wins = distance < best.distance
    return Best(
        jnp.where(wins[:, None, None, None], points, best.points), jnp.where(wins, distance, best.distance)
    )


def _check_settings(
    binary_search_steps: Any, steps: Any, confidence: Any, learning_rate: Any, initial_constant: Any
) -> None:
    check_count("binary_search_steps", binary_search_steps)
    check_count("steps", steps)
    if is_known(confidence) and not 0 <= confidence < float("inf"):
        raise ValueError(f"confidence must be a finite number >= 0, in logits, got {confidence}")
    for name, got in (("learning_rate", learning_rate), ("initial_constant", initial_constant)):
        if is_known(got) and not 0 < got < float("inf"):
            raise ValueError(f"{name} must be a finite number > 0, got {got}")
