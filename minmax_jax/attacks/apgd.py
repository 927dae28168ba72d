"""Auto-PGD: projected gradient ascent without a step size to choose."""

from typing import get_args

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.apgd_run import Aim, Settings, climb
from minmax_jax.attacks.ball import Eps, Norm, per_image, size
from minmax_jax.attacks.inputs import checked, evaluated
from minmax_jax.attacks.losses import Loss, climbed, is_reached, least_classes
from minmax_jax.checks import AnyArray, check_count, is_known, one_of
from minmax_jax.evaluation import Model


def apgd(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps,
    *,
    norm: Norm = "linf",
    loss: Loss = "ce",
    targets: Int[AnyArray, " n"] | None = None,
    steps: int = 100,
    restarts: int = 1,
    rho: float = 0.75,
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """Auto-PGD: steps with momentum whose size halves itself, going back to the best point.

        z = P(x + a d(x)),    x <- P(x + 0.75 (z - x) + 0.25 (x - previous))

    with d steepest by ``norm``, P into the ball of radius ``eps`` and [0, 1], and a from 2 eps downwards: at
    checks fixed by ``steps`` it is halved where at most a share ``rho`` of the steps raised the loss, or
    nothing was gained since the last check. By "l1" the steps are sparse, and the ball shrinks from 3 eps
    over 2 eps to eps. ``loss`` is "ce", "dlr" or "margin"; with ``targets`` the attack climbs towards them,
    by "dlr" along the targeted DLR. Each of ``restarts`` starts at random on the ball's surface.

    An image is left alone once it is misclassified (as the target, if there is one): that point is its
    result. For the others it is the point of largest loss, the image itself among them. A Flax module is
    attacked in evaluation mode. ``key`` is a jax random key, ``jax.random.key(0)`` if None. Pure, jittable.

    Raises ValueError for images or eps out of range, labels that name no class, too few classes for the loss,
    steps or restarts < 1, or rho outside [0, 1].
    Source: Croce and Hein 2020, algorithm 1; by "l1" Croce and Hein 2021 ("Mind the box"), algorithm 1.
    Identity: more restarts are never worse, for the same key.
    """
    model = evaluated(model)
    one_of("loss", loss, get_args(Loss))
    least = least_classes(loss, targets is not None)
    x0, truth, _ = checked(model, images, labels, eps, norm, targets=targets, least_classes=least)
    goals = None if targets is None else jnp.asarray(targets)
    settings = _settings(norm, loss, steps, restarts, rho)
    aim = Aim(truth, goals, goals)
    logits = model(x0)
    heights = jnp.where(is_reached(logits, truth, goals), jnp.inf, climbed(loss, truth, goals)(logits))

    def restart(best: tuple[Array, Array], key: Array) -> tuple[tuple[Array, Array], None]:
        points, heights = best
        found, reached = climb(model, x0, _start(key, x0, eps, norm), aim, heights < jnp.inf, eps, settings)
        better = reached > heights
        return (jnp.where(per_image(better), found, points), jnp.where(better, reached, heights)), None

    (points, _), _ = lax.scan(restart, (x0, heights), _keys(key, restarts))
    return points


def apgd_targeted(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps,
    *,
    norm: Norm = "linf",
    target_classes: int = 9,
    steps: int = 100,
    restarts: int = 1,
    rho: float = 0.75,
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """APGD-T: Auto-PGD on the targeted DLR towards each of the most likely other classes in turn.

    Any misclassification counts, not only as the class that it climbs towards. The ``target_classes`` other
    classes of largest logit (all others, where there are fewer) are tried one after the other, each
    ``restarts`` times, on the images that are still classified as labelled. The result is the misclassified
    point, or the image itself where there is none. The rest is as for ``apgd``.

    Raises ValueError as ``apgd`` does, and for a model of fewer than four classes or target_classes < 1.
    Source: Croce and Hein 2020, sections 4.2 and 5.
    Identity: more target classes are never worse for the same key.
    """
    model = evaluated(model)
    x0, truth, classes = checked(model, images, labels, eps, norm, least_classes=4)
    check_count("target_classes", target_classes)
    settings = _settings(norm, "dlr", steps, restarts, rho)
    tried = min(target_classes, classes - 1)
    logits = model(x0)
    ranked = jnp.argsort(logits, axis=1, descending=True)[:, 1 : tried + 1]
    goals = jnp.repeat(ranked.T, restarts, axis=0)

    def attempt(best: tuple[Array, Array], drawn: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        points, standing = best
        goal, key = drawn
        start = _start(key, x0, eps, norm)
        found, heights = climb(model, x0, start, Aim(truth, goal), standing, eps, settings)
        broken = heights == jnp.inf
        return (jnp.where(per_image(broken), found, points), standing & ~broken), None

    standing = ~is_reached(logits, truth, None)
    (points, _), _ = lax.scan(attempt, (x0, standing), (goals, _keys(key, len(goals))))
    return points


def _settings(norm: Norm, loss: Loss, steps: int, restarts: int, rho: float) -> Settings:
    check_count("steps", steps)
    check_count("restarts", restarts)
    if not is_known(rho) or not 0 <= rho <= 1:
        raise ValueError(f"rho must be a number in [0, 1], known when the attack is compiled, got {rho}")
    return Settings(norm, loss, steps, float(rho))


def _keys(key: Array | None, number: int) -> Array:
    """That many keys, the first of which do not depend on how many there are."""
    root = jax.random.key(0) if key is None else key
    return jax.vmap(lambda i: jax.random.fold_in(root, i))(jnp.arange(number))


def _start(key: Array, x0: Float[Array, "n h w c"], eps: Eps, norm: Norm) -> Float[Array, "n h w c"]:
    """A random point, yet to be brought into the ball: by "linf" and "l2" on its surface."""
    if norm == "l1":
        return x0 + jax.random.normal(key, x0.shape, x0.dtype)
    if norm == "l2":
        noise = jax.random.normal(key, x0.shape, x0.dtype)
    else:
        noise = jax.random.uniform(key, x0.shape, x0.dtype, -1, 1)
    return x0 + eps * noise / per_image(size(noise, norm))
