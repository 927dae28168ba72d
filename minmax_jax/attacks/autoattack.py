"""AutoAttack: four attacks, each on what the ones before left standing."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.apgd import apgd, apgd_targeted
from minmax_jax.attacks.ball import Eps, Norm, per_image
from minmax_jax.attacks.fab import fab_targeted
from minmax_jax.attacks.inputs import checked, evaluated
from minmax_jax.attacks.square import square
from minmax_jax.checks import AnyArray
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
    """AutoAttack, standard version: APGD-CE, APGD-T, FAB-T and Square, each on what is still standing.

    The first three take 100 steps from one start, Square takes 5,000 queries, on the schedule of 10,000
    broken off there, as the authors' code has it. APGD-T and FAB-T go through the nine most likely other
    classes, or all where there are fewer. By "l1" APGD-CE starts five times, and APGD-T goes through five
    classes. For each image the result is the first point found that is
    misclassified, or the image itself where none of the four finds one. A Flax module is attacked in
    evaluation mode. ``key`` is a jax random key, ``jax.random.key(0)`` if None. Pure and jittable.

    Raises ValueError for images or eps out of range, labels that name no class, or a model of fewer than four
    classes, for which the targeted DLR of APGD-T is not defined.
    Source: Croce and Hein 2020, section 6; by "l1" Croce and Hein 2021 ("Mind the box").
    Identity: an image withstands it if and only if it withstands each of the four with the same keys.
    """
    model = evaluated(model)
    x0, truth, classes = checked(model, images, labels, eps, norm)
    if classes < 4:
        raise ValueError(
            f"model has {classes} classes; AutoAttack takes at least 4, as its targeted DLR loss does. "
            'For fewer, use apgd(loss="ce"), fab_targeted and square one by one'
        )
    points, done = x0, jnp.zeros(len(x0), bool)
    keys = jax.random.split(jax.random.key(0) if key is None else key, 4)
    for attack, one in zip(standard(norm), keys, strict=True):
        # A broken image goes in as its broken self, which costs an attack no work. What comes back for it is
        # not looked at: by another rounding of its logits it might not count as broken, and move on.
        found = attack(model, points, truth, eps, norm=norm, key=one)
        broken = ~done & (model(found).argmax(-1) != truth)
        points, done = jnp.where(per_image(broken), found, points), done | broken
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
