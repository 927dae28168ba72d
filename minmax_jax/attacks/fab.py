"""The fast adaptive boundary attack: the smallest change that crosses the boundary of a class."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.ball import Eps, Norm, per_image, size
from minmax_jax.attacks.compaction import on_active
from minmax_jax.attacks.fab_walk import Walk
from minmax_jax.attacks.hyperplane import other_classes
from minmax_jax.attacks.inputs import attack_inputs
from minmax_jax.attacks.losses import Aim
from minmax_jax.attacks.selection import Nearest, within
from minmax_jax.checks import AnyArray, as_key, check_count, plain
from minmax_jax.evaluation import Model

# Twice the largest distance of random starts, where no eps sets it: the reference's.
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
    """Fast adaptive boundary attack: the smallest change, in ``norm``, that changes the class.

    Each step takes the boundary to the class whose hyperplane is nearest, and goes onto it, inside [0, 1]:

        x <- clip((1 - alpha) (x + eta d(x)) + alpha (x0 + eta d(x0)), 0, 1)

    with d the smallest change onto it and ``alpha = min(|d(x)| / (|d(x)| + |d(x0)|), alpha_max)``. From a
    point of another class it goes back, ``x <- x0 + beta (x - x0)``. Three searches between the image and the
    nearest such point end the walk. Where the walk has found no such point, every fifth step leaps to the
    ends of [0, 1] (this study's: see ``Walk``). A step takes two passes forward, and one backward for each
    class but the label's.

    The result is the nearest point found. With an ``eps``, an image is done once a change within eps is
    found, and comes back unchanged where there is none. Images that are misclassified to begin with come back
    unchanged. Pure and jittable.

    Args:
        model: any callable from images to logits; a Flax module is attacked in evaluation mode.
        images: (n, h, w, c), in [0, 1].
        labels: (n,), each image's class.
        eps: largest change accepted, in pixel units; None: the smallest change of every image.
        norm: "linf", "l2" or "l1", in which the change is smallest.
        targets: (n,), classes whose own regions are to be reached; None: any but the label's.
        steps: steps of each walk, at least 1.
        restarts: number of walks, at least 1. All but the first start at random, at half the distance of the
            nearest point so far, and half of eps at most (without eps, of 0.3 in "linf", 1 in "l2" and 5 in
            "l1").
        alpha_max: largest weight of the image in a step, in [0, 1].
        eta: how far a step goes, as a multiple of the way to the hyperplane, >= 1.
        beta: share of its distance that a point beyond the boundary keeps, in [0, 1).
        key: jax random key, unused by one restart alone; None: ``jax.random.key(0)``.

    Raises:
        ValueError: for images or eps out of range, labels or targets that name no class, steps or
            restarts < 1, alpha_max outside [0, 1], eta < 1, or beta outside [0, 1).

    Source: Croce and Hein 2020, "Minimally distorted adversarial examples with a fast adaptive boundary
    attack". Identity: on a linear model, the distance to the nearest face within the box.
    """
    options: Any = {"targets": targets, "needs_eps": False}
    model, x0, aim, classes = attack_inputs(model, images, labels, eps, norm, **options)
    walk = Walk(model, norm, steps, alpha_max, eta, beta)
    eps, restarts = plain(eps), check_count("restarts", restarts)
    logits = model(x0)
    others = other_classes(logits, aim.labels, classes - 1)
    rounds = jnp.broadcast_to(others[None], (restarts, *others.shape))
    return _nearest(walk, x0, aim, logits, rounds, eps, restarts, key)


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

    ``fab`` along the boundary between the label and each of the most likely other classes in turn; a change
    to any other class counts. With an ``eps``, each walk goes on with the images that still withstand, at a
    cost that falls with their number; with ``eps=None`` all classes are tried on all images, and the smallest
    change is kept. A step takes two passes forward and one backward, however many classes there are. This is
    AutoAttack's FAB-T. Pure and jittable.

    Args:
        model: any callable from images to logits; a Flax module is attacked in evaluation mode.
        images: (n, h, w, c), in [0, 1].
        labels: (n,), each image's class.
        eps: largest change accepted, in pixel units; None: the smallest change of every image.
        norm: "linf", "l2" or "l1", in which the change is smallest.
        steps: steps of each walk, at least 1.
        restarts: walks towards each class, at least 1, with starts as for ``fab``.
        target_classes: how many other classes of largest logit are tried, at least 1; all others, where
            there are fewer.
        alpha_max: as for ``fab``.
        eta: as for ``fab``.
        beta: as for ``fab``.
        key: jax random key, unused by one restart alone; None: ``jax.random.key(0)``.

    Raises:
        ValueError: as ``fab``, and for target_classes < 1.

    Source: Croce and Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse
    parameter-free attacks". Identity: ``fab``, on a model of two classes.
    """
    model, x0, aim, classes = attack_inputs(model, images, labels, eps, norm, needs_eps=False)
    walk = Walk(model, norm, steps, alpha_max, eta, beta)
    eps, restarts = plain(eps), check_count("restarts", restarts)
    target_classes = check_count("target_classes", target_classes)
    logits = model(x0)
    others = other_classes(logits, aim.labels, min(target_classes, classes - 1))
    rounds = jnp.tile(others.T[:, :, None], (restarts, 1, 1))  # so that more restarts are never worse
    return _nearest(walk, x0, aim, logits, rounds, eps, restarts, key)


def _nearest(
    walk: Walk,
    x0: Array,
    aim: Aim,
    logits: Array,
    rounds: Int[Array, "rounds n k"],
    eps: Eps | None,
    restarts: int,
    key: Array | None,
) -> Array:
    """The nearest points of all walks: one a round, towards its classes, with images that are not done."""
    limit = jnp.asarray(-1.0 if eps is None else eps, x0.dtype)  # with -1, no image is ever done
    reach = REACH[walk.norm] if eps is None else eps
    standing = ~aim.is_reached(logits)
    base = as_key(key)

    def start(number: Array, distance: Array) -> Array:
        if restarts == 1:
            return x0
        draw = jax.random.normal if walk.norm != "linf" else _uniform
        noise = draw(jax.random.fold_in(base, number), x0.shape, x0.dtype)
        radius = jnp.where(number < len(rounds) // restarts, 0, jnp.minimum(distance, reach) / 2)
        return jnp.clip(x0 + noise * per_image(radius / size(noise, walk.norm)), 0, 1)

    def walk_round(best: Nearest, inputs: tuple[Array, Array]) -> tuple[Nearest, None]:
        number, others = inputs
        active = standing & (best.distance > limit)
        run = partial(walk, limit)
        return on_active(run, active, best, best, start(number, best.distance), x0, aim, others), None

    nothing = Nearest(x0, jnp.full(len(x0), jnp.inf, x0.dtype))
    found, _ = lax.scan(walk_round, nothing, (jnp.arange(len(rounds)), rounds))
    return within(found, x0, None if eps is None else limit)


def _uniform(key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    return jax.random.uniform(key, shape, dtype, -1, 1)
