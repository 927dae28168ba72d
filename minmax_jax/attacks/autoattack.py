"""AutoAttack: four attacks, each on the images that withstood those before."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.apgd import apgd, apgd_targeted
from minmax_jax.attacks.ball import Eps, Norm
from minmax_jax.attacks.fab import fab_targeted
from minmax_jax.attacks.inputs import attack_inputs
from minmax_jax.attacks.selection import choose
from minmax_jax.attacks.square import square
from minmax_jax.checks import AnyArray, as_key
from minmax_jax.evaluation import Model


def autoattack(
    model: Model,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: Eps,
    *,
    norm: Norm = "linf",
    key: Array | None = None,
) -> Float[Array, "n h w c"]:
    """AutoAttack, standard version: APGD-CE, APGD-T, FAB-T and Square, each on what withstood those before.

    The first three take 100 steps from one start; Square takes 5,000 queries, of the schedule for 10,000,
    which is cut off there as in the authors' code. APGD-T and FAB-T go through the nine most likely other
    classes, or all where there are fewer. In "l1" APGD-CE starts five times, and APGD-T goes through five
    classes. For each image the result is the first point found that is misclassified, or the image itself
    where none of the four finds one. Pure and jittable.

    Args:
        model: any callable from images to logits of at least four classes; a Flax module is attacked in
            evaluation mode.
        images: (n, h, w, c), in [0, 1].
        labels: (n,), each image's class.
        eps: radius of the ball, in pixel units: in [0, 1] in "linf", >= 0 in the other norms.
        norm: norm of the ball.
        key: jax random key; None: ``jax.random.key(0)``.

    Raises:
        ValueError: for images or eps out of range, labels that name no class, or a model of fewer than four
            classes, for which the targeted DLR of APGD-T is not defined.

    Source: Croce and Hein 2020, section 6; in "l1" Croce and Hein 2021 ("Mind the box").
    Identity: an image withstands it if and only if it withstands each of the four with the same keys.
    """
    model, x0, aim, classes = attack_inputs(model, images, labels, eps, norm)
    if classes < 4:
        raise ValueError(
            f"model must have at least 4 classes for AutoAttack's targeted DLR loss, got {classes}; "
            'for fewer, run apgd(loss="ce"), fab_targeted and square one by one'
        )
    points, done = x0, jnp.zeros(len(x0), bool)
    for attack, one in zip(standard(norm), jax.random.split(as_key(key), 4), strict=True):
        # A broken image goes in as its broken self, which costs an attack no work. What comes back for it is
        # ignored: by another rounding of its logits it might not count as broken, and move on.
        found = attack(model, points, aim.labels, eps, norm=norm, key=one)
        broken = ~done & aim.is_reached(model(found))
        points, done = choose(broken, found, points), done | broken
    return points


def standard(norm: Norm) -> tuple[Callable[..., Array], ...]:
    """The four attacks in their order, with the settings of the standard version for a norm."""
    starts, classes = (5, 5) if norm == "l1" else (1, 9)
    return (
        partial(apgd, loss="ce", restarts=starts),
        partial(apgd_targeted, target_classes=classes),
        fab_targeted,
        partial(square, queries=5000, stretched=False),
    )
