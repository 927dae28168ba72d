"""DeepFool: to the nearest face of a class's region, taken as linear, again and again."""

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, per_image, size, steepest
from minmax_jax.attacks.compaction import on_active
from minmax_jax.attacks.hyperplane import differences, distance, nearest_face, other_classes
from minmax_jax.attacks.inputs import checked, evaluated
from minmax_jax.attacks.losses import is_reached
from minmax_jax.checks import AnyArray, check_count, is_known
from minmax_jax.evaluation import Model

NUDGE = 1e-4  # added to each step's length, as by the authors: else steps end on the boundary itself


def deepfool(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps | None,
    *,
    norm: Norm = "l2",
    steps: int = 50,
    overshoot: Eps = 0.02,
    candidates: int = 10,
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """DeepFool: steps to the nearest hyperplane, ``x = clip(x0 + (1 + overshoot) sum_i r_i, 0, 1)``.

    With ``f_k = z_k - z_label`` taken as linear at x, r_i is the smallest change, by ``norm`` ("l2" or
    "linf"), that reaches ``f_k = 0`` for the nearest k: ``|f_k| / |grad f_k|_2^2 grad f_k`` by "l2", and
    ``|f_k| / |grad f_k|_1 sign(grad f_k)`` by "linf". Classes are the ``candidates`` most likely ones of the
    image, the label among them; all, where there are fewer. An image is done once its class has changed,
    after at most ``steps``; each takes two passes forward, and one backward for each class but the label.

    An image that is misclassified to begin with, or whose class does not change within ``eps`` (None: at
    all), comes back as it was. A Flax module is attacked in evaluation mode. ``key`` is taken so that all
    attacks are called alike, and not used. Pure and jittable.

    Raises ValueError for images or eps out of range, labels that name no class, norm "l1", steps < 1,
    candidates < 2, or overshoot < 0.
    Source: Moosavi-Dezfooli et al. 2016, "DeepFool: a simple and accurate method to fool deep neural
    networks", algorithm 2; the box as in foolbox. Identity: on a linear model, away from the box,
    ``1 + overshoot`` times the distance to the nearest face.
    """
    model = evaluated(model)
    if norm not in ("l2", "linf"):
        raise ValueError(f"norm is {norm!r}; DeepFool takes one of ('l2', 'linf')")
    x0, truth, classes = checked(model, images, labels, eps, norm, needs_eps=False)
    check_count("steps", steps)
    check_count("candidates", candidates, 2)
    if is_known(overshoot) and not 0 <= overshoot < float("inf"):
        raise ValueError(f"overshoot must be a finite number >= 0, got {overshoot}")
    logits = model(x0)
    others = other_classes(logits, truth, min(candidates, classes) - 1)

    def run(active: Array, x0: Array, truth: Array, others: Array) -> Array:
        def faces(logits: Array) -> Array:
            return differences(logits, truth, others)

        def at(change: Array) -> Array:
            return jnp.clip(x0 + (1 + overshoot) * change, 0, 1)

        def going(state: tuple[Array, Array, Array]) -> Array:
            count, _, done = state
            return (count < steps) & (active & ~done).any()

        def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            count, change, done = state
            value, slope = nearest_face(model, at(change), faces, norm)
            length = distance(value, slope, norm) + NUDGE
            moved = change + per_image(length) * steepest(slope, norm)
            change = jnp.where(done[:, None, None, None], change, moved)
            return count + 1, change, done | is_reached(model(at(change)), truth, None)

        start: Any = jnp.array(0), jnp.zeros_like(x0), jnp.zeros(len(x0), bool)
        _, change, done = lax.while_loop(going, step, start)
        return jnp.where(done[:, None, None, None], at(change), x0)

    points = on_active(run, truth == logits.argmax(-1), x0, x0, truth, others)
    if eps is None:
        return points
    within = size(points - x0, norm) <= eps
    return jnp.where(within[:, None, None, None], points, x0)
