"""Auto-PGD: projected gradient ascent without a step size to choose."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.apgd_run import Settings, apgd_run
from minmax_jax.attacks.ball import Eps, Norm, per_image, size
from minmax_jax.attacks.inputs import attack_inputs
from minmax_jax.attacks.losses import Aim, Loss, least_classes
from minmax_jax.attacks.selection import Scored, best_of, choose
from minmax_jax.checks import AnyArray, as_key, check_count, check_number, plain
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

    with d steepest in ``norm``, P into the ball and [0, 1], and a from 2 eps downwards: at checks fixed by
    ``steps`` it is halved where at most a share ``rho`` of the steps raised the loss, or nothing was gained
    since the last check. In "l1" the steps are sparse, and the ball shrinks from 3 eps over 2 eps to eps.

    An image is left alone once it is misclassified (as the target, if there is one): that point is its
    result. For the others it is the point of largest loss, the image itself among them. Pure and jittable.

    Args:
        model: any callable from images to logits; a Flax module is attacked in evaluation mode.
        images: (n, h, w, c), in [0, 1].
        labels: (n,), each image's class.
        eps: radius of the ball, in pixel units: in [0, 1] in "linf", >= 0 in the other norms.
        norm: norm of the ball.
        loss: "ce" (cross-entropy), "dlr" (difference of logits ratio) or "margin".
        targets: (n,), classes that the attack climbs towards, with "dlr" along the targeted DLR; None: away
            from the label.
        steps: steps of each restart, at least 1.
        restarts: number of starts, at least 1, each at random on the surface of the ball.
        rho: share of steps, in [0, 1], that must raise the loss for the step size to stay.
        key: jax random key; None: ``jax.random.key(0)``.

    Raises:
        ValueError: for images or eps out of range, labels or targets that name no class, too few classes for
            the loss, steps or restarts < 1, or rho outside [0, 1].

    Source: Croce and Hein 2020, algorithm 1; in "l1" Croce and Hein 2021 ("Mind the box"), algorithm 1.
    Identity: more restarts are never worse, for the same key.
    """
    least = least_classes(loss, targets is not None)
    model, x0, aim, _ = attack_inputs(model, images, labels, eps, norm, targets=targets, least=least)
    eps, restarts = plain(eps), check_count("restarts", restarts)
    settings = _settings(norm, loss, steps, rho)

    def restart(best: Scored, key: Array) -> Scored:
        return apgd_run(model, x0, _start(key, x0, eps, norm), aim, best.score < jnp.inf, eps, settings)

    return best_of(restart, Scored(x0, aim.score(loss, model(x0))), _keys(key, restarts))


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

    Any misclassification counts, not only as the class that it climbs towards. Each attempt works on the
    images that are still classified as labelled. The result is the misclassified point, or the image itself
    where there is none. Pure and jittable.

    Args:
        model: any callable from images to logits of at least four classes; a Flax module is attacked in
            evaluation mode.
        images: (n, h, w, c), in [0, 1].
        labels: (n,), each image's class.
        eps: radius of the ball, in pixel units: in [0, 1] in "linf", >= 0 in the other norms.
        norm: norm of the ball.
        target_classes: how many other classes of largest logit are tried, at least 1; all others, where
            there are fewer.
        steps: steps of each attempt, at least 1.
        restarts: attempts for each class, at least 1.
        rho: as for ``apgd``.
        key: jax random key; None: ``jax.random.key(0)``.

    Raises:
        ValueError: as ``apgd``, and for a model of fewer than four classes or target_classes < 1.

    Source: Croce and Hein 2020, sections 4.2 and 5.
    Identity: more target classes are never worse for the same key.
    """
    least = least_classes("dlr", targeted=True)
    model, x0, aim, classes = attack_inputs(model, images, labels, eps, norm, least=least)
    target_classes = check_count("target_classes", target_classes)
    eps, restarts = plain(eps), check_count("restarts", restarts)
    settings = _settings(norm, "dlr", steps, rho, any_class=True)
    tried = min(target_classes, classes - 1)
    logits = model(x0)
    ranked = jnp.argsort(logits, axis=1, descending=True)[:, 1 : tried + 1]
    goals = jnp.repeat(ranked.T, restarts, axis=0)

    def attempt(best: tuple[Array, Array], drawn: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        points, standing = best
        goal, key = drawn
        start = _start(key, x0, eps, norm)
        found, loss = apgd_run(model, x0, start, Aim(aim.labels, goal), standing, eps, settings)
        broken = loss == jnp.inf
        return (choose(broken, found, points), standing & ~broken), None

    standing = ~aim.is_reached(logits)
    (points, _), _ = lax.scan(attempt, (x0, standing), (goals, _keys(key, len(goals))))
    return points


def _settings(norm: Norm, loss: Loss, steps: int, rho: float, any_class: bool = False) -> Settings:
    takes = "a number in [0, 1], known when the attack is compiled"
    share = check_number("rho", rho, takes, lambda number: 0 <= number <= 1, traced=False)
    return Settings(norm, loss, check_count("steps", steps), float(share), any_class)


def _keys(key: Array | None, number: int) -> Array:
    """That many keys, the first of which do not depend on how many there are."""
    root = as_key(key)
    return jax.vmap(lambda i: jax.random.fold_in(root, i))(jnp.arange(number))


def _start(key: Array, x0: Float[Array, "n h w c"], eps: Eps, norm: Norm) -> Float[Array, "n h w c"]:
    """A random point, not yet brought into the ball: in "linf" and "l2" on its surface."""
    if norm == "l1":
        return x0 + jax.random.normal(key, x0.shape, x0.dtype)
    if norm == "l2":
        noise = jax.random.normal(key, x0.shape, x0.dtype)
    else:
        noise = jax.random.uniform(key, x0.shape, x0.dtype, -1, 1)
    return x0 + eps * noise / per_image(size(noise, norm))
