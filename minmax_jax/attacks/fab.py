"""The fast adaptive boundary attack: the smallest change that leads over the boundary of a class."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, per_image, size
from minmax_jax.attacks.compaction import on_active
from minmax_jax.attacks.fab_walk import Best, Walk
from minmax_jax.attacks.hyperplane import other_classes
from minmax_jax.attacks.inputs import checked, evaluated
from minmax_jax.attacks.losses import is_reached
from minmax_jax.checks import AnyArray, check_count
from minmax_jax.evaluation import Model

# How far random starts lie at most, where no eps tells: the reference's.
REACH: Mapping[Norm, float] = {"linf": 0.3, "l2": 1.0, "l1": 5.0}


def fab(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps | None,
    *,
    norm: Norm = "linf",
    targets: Int[AnyArray, " n"] | None = None,
    steps: int = 100,
    restarts: int = 1,
    alpha_max: Eps = 0.1,
    eta: Eps = 1.05,
    beta: Eps = 0.9,
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """Fast adaptive boundary attack: the smallest change, by ``norm``, that changes the class.

    Each step takes the boundary to the class whose hyperplane is nearest, and goes onto it, inside [0, 1]:

        x <- clip((1 - alpha) (x + eta d(x)) + alpha (x0 + eta d(x0)), 0, 1)

    with d the smallest change onto it and ``alpha = min(|d(x)| / (|d(x)| + |d(x0)|), alpha_max)``. From a
    point of another class it goes back, ``x <- x0 + beta (x - x0)``. Three searches between the image and the
    nearest such point end the walk. Where the walk has found no such point, every fifth step leaps to the
    ends of [0, 1] (this study's: see ``Walk``). All but the first of ``restarts`` begin at random, at half
    the size of the best change so far, and of eps at most (with no eps, of 0.3, 1 and 5 by "linf", "l2" and
    "l1").
    With ``targets`` the attack takes the boundary of the target's own region.

    The result is the nearest point found. With an ``eps``, an image is done once a change within eps is
    found, and comes back as it was where there is none; ``eps=None`` finds the smallest change for all.
    Images that are misclassified to begin with come back as they are. A Flax module is attacked in evaluation
    mode. ``key`` is a jax random key, ``jax.random.key(0)`` if None; one restart alone does without. Pure and
    jittable. A step takes two passes forward, and one backward for each class but the
    label's.

    Raises ValueError for images or eps out of range, labels that name no class, steps or restarts < 1,
    alpha_max outside [0, 1], eta < 1, or beta outside [0, 1).
    Source: Croce and Hein 2020, "Minimally distorted adversarial examples with a fast adaptive boundary
    attack". Identity: on a linear model, the distance to the nearest face within the box.
    """
    model = evaluated(model)
    x0, truth, classes = checked(model, images, labels, eps, norm, targets=targets, needs_eps=False)
    walk = Walk(model, norm, steps, alpha_max, eta, beta)
    check_count("restarts", restarts)
    logits = model(x0)
    others = other_classes(logits, truth, classes - 1)
    rounds = jnp.broadcast_to(others[None], (restarts, *others.shape))
    return _nearest(walk, x0, truth, targets, logits, rounds, eps, restarts, key)


def fab_targeted(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps | None,
    *,
    norm: Norm = "linf",
    steps: int = 100,
    restarts: int = 1,
    target_classes: int = 9,
    alpha_max: Eps = 0.1,
    eta: Eps = 1.05,
    beta: Eps = 0.9,
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """FAB-T: the fast adaptive boundary attack towards one likely class after another.

    ``fab`` along the boundary between the label and, in turn, each of the ``target_classes`` most likely
    other classes (all others, where there are fewer), ``restarts`` times each. A change to any other class
    counts. With an ``eps``, each goes on with the images that are still standing only, at a cost that falls
    with their number; with ``eps=None`` all classes are tried on all images, and the smallest change is kept.
    A step takes two passes forward and one backward, however many classes there are. AutoAttack's FAB-T.

    All else, and what it raises, as ``fab``; target_classes is at least 1.
    Source: Croce and Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse
    parameter-free attacks". Identity: ``fab``, on a model of two classes.
    """
    model = evaluated(model)
    x0, truth, classes = checked(model, images, labels, eps, norm, needs_eps=False)
    walk = Walk(model, norm, steps, alpha_max, eta, beta)
    check_count("restarts", restarts)
    check_count("target_classes", target_classes)
    logits = model(x0)
    others = other_classes(logits, truth, min(target_classes, classes - 1))
    rounds = jnp.tile(others.T[:, :, None], (restarts, 1, 1))  # so that more restarts are never worse
    return _nearest(walk, x0, truth, None, logits, rounds, eps, restarts, key)


def _nearest(
    walk: Walk,
    x0: Array,
    truth: Array,
    targets: Any,
    logits: Array,
    rounds: Int[Array, "rounds n k"],
    eps: Eps | None,
    restarts: int,
    key: Array | None,
) -> Array:
    """The nearest points of all walks: one a round, towards its classes, with images that are not done."""
    targets = None if targets is None else jnp.asarray(targets)
    limit = jnp.asarray(-1.0 if eps is None else eps, x0.dtype)  # with -1, no image is ever done
    reach = REACH[walk.norm] if eps is None else eps
    standing = ~is_reached(logits, truth, targets)
    base = jax.random.key(0) if key is None else key

    def start(number: Array, distance: Array) -> Array:
        if restarts == 1:
            return x0
        draw = jax.random.normal if walk.norm != "linf" else _uniform
        noise = draw(jax.random.fold_in(base, number), x0.shape, x0.dtype)
        radius = jnp.where(number < len(rounds) // restarts, 0, jnp.minimum(distance, reach) / 2)
        return jnp.clip(x0 + noise * per_image(radius / size(noise, walk.norm)), 0, 1)

    def walk_round(best: Best, inputs: tuple[Array, Array]) -> tuple[Best, None]:
        number, others = inputs
        active = standing & (best[1] > limit)
        return on_active(run, active, best, best, start(number, best[1]), x0, truth, targets, others), None

    def run(active: Array, *arrays: Any) -> Best:
        return walk(limit, active, *arrays)

    numbers = jnp.arange(len(rounds))
    nothing = x0, jnp.full(len(x0), jnp.inf, x0.dtype)
    (points, distance), _ = lax.scan(walk_round, nothing, (numbers, rounds))
    found = distance <= (jnp.finfo(x0.dtype).max if eps is None else limit)
    return jnp.where(found[:, None, None, None], points, x0)


def _uniform(key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    return jax.random.uniform(key, shape, dtype, -1, 1)
