"""DeepFool: to the nearest face of a class's region, taken as linear, again and again."""

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, per_image, size, steepest
from minmax_jax.attacks.compaction import on_active
from minmax_jax.attacks.hyperplane import differences, distance, nearest_face, other_classes
from minmax_jax.attacks.inputs import attack_inputs
from minmax_jax.attacks.losses import Aim
from minmax_jax.attacks.selection import Nearest, choose, within
from minmax_jax.checks import AnyArray, check_count, check_least, plain
from minmax_jax.evaluation import Model

NORMS: tuple[Norm, ...] = ("l2", "linf")
NUDGE = 1e-4  # added to each step's length, as by the authors: without it steps end on the boundary itself


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

    With ``f_k = z_k - z_label`` taken as linear at x, r_i is the smallest change that reaches ``f_k = 0`` for
    the nearest k: ``|f_k| / |grad f_k|_2^2 grad f_k`` in "l2", ``|f_k| / |grad f_k|_1 sign(grad f_k)`` in
    "linf". An image is done once its class has changed. An image that is misclassified to begin with, or
    whose class does not change within ``eps``, comes back unchanged. A step takes two passes forward, and one
    backward for each class but the label. Pure and jittable.

    Args:
        model: any callable from images to logits; a Flax module is attacked in evaluation mode.
        images: (n, h, w, c), in [0, 1].
        labels: (n,), each image's class.
        eps: largest change accepted, in pixel units; None: any.
        norm: "l2" or "linf", in which the change is smallest.
        steps: steps at most, at least 1.
        overshoot: by how much the change goes past the hyperplanes, >= 0.
        candidates: how many of each image's most likely classes are considered, the label among them, at
            least 2; all, where there are fewer.
        key: accepted for a uniform signature; unused.

    Raises:
        ValueError: for images or eps out of range, labels that name no class, norm "l1", steps < 1,
            candidates < 2, or overshoot < 0.

    Source: Moosavi-Dezfooli et al. 2016, "DeepFool: a simple and accurate method to fool deep neural
    networks", algorithm 2; the box as in foolbox. Identity: on a linear model, away from the box,
    ``1 + overshoot`` times the distance to the nearest face.
    """
    model, x0, aim, classes = attack_inputs(model, images, labels, eps, norm, norms=NORMS, needs_eps=False)
    steps = check_count("steps", steps)
    candidates = check_count("candidates", candidates, 2)
    eps, overshoot = plain(eps), check_least("overshoot", overshoot)
    logits = model(x0)
    others = other_classes(logits, aim.labels, min(candidates, classes) - 1)

    def run(active: Array, x0: Array, aim: Aim, others: Array) -> Array:
        def faces(logits: Array) -> Array:
            return differences(logits, aim.labels, others)

        def at(change: Array) -> Array:
            return jnp.clip(x0 + (1 + overshoot) * change, 0, 1)

        def going(state: tuple[Array, Array, Array]) -> Array:
            count, _, done = state
            return (count < steps) & (active & ~done).any()

        def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            count, change, done = state
            value, slope = nearest_face(model, at(change), faces, norm)
            length = distance(value, slope, norm) + NUDGE
            change = choose(done, change, change + per_image(length) * steepest(slope, norm))
            return count + 1, change, done | aim.is_reached(model(at(change)))

        start: Any = jnp.array(0), jnp.zeros_like(x0), jnp.zeros(len(x0), bool)
        _, change, done = lax.while_loop(going, step, start)
        return choose(done, at(change), x0)

    points = on_active(run, ~aim.is_reached(logits), x0, x0, aim, others)
    return within(Nearest(points, size(points - x0, norm)), x0, eps)
