"""Signs of gradient masking: for each, the share of images that show it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from minmax_jax.attacks.losses import Loss
from minmax_jax.attacks.pgd import pgd
from minmax_jax.attacks.registry import NAMED, NamedAttack
from minmax_jax.robustness.masking_report import Check, not_done
from minmax_jax.robustness.target import Victim
from minmax_jax.robustness.trial import Mask, Trial

WHITE = ("pgd", "apgd")
BLACK = "square"
SCALES = (0.01, 0.1, 10.0, 100.0)


def _scale_free(loss: Loss) -> NamedAttack:
    return replace(NAMED["pgd"], function=partial(pgd, steps=40, restarts=2, loss=loss))


DLR, MARGIN = _scale_free("dlr"), _scale_free("margin")


def zero_gradient(trial: Trial) -> Check:
    """The share of images that give an attack nothing to follow."""
    return trial.check(
        "zero_gradient",
        trial.victim.without_gradient(trial.rows),
        "{share} of images have a zero gradient: attacks that follow the gradient have something to follow.",
        "{share} of images have a zero gradient: attacks that follow the gradient see nothing there; "
        "do not trust their accuracy.",
        "An attack that follows the gradient is blind on these images only: below 1 % it is wrong by less "
        "than a point. A single image never alarms.",
    )


def black_box(trial: Trial, standing: Mask) -> Check:
    """The share of images that show more to an attack that sees less."""
    for name in WHITE[1:]:
        standing = standing & ~trial.breaks(name, standing)
    return trial.check(
        "black_box",
        trial.breaks(BLACK, standing),
        "{share} of images withstand PGD and APGD but not Square, which sees only the model's answers: "
        "the gradient is a good guide.",
        "{share} of images withstand PGD and APGD but not Square, which sees less, only the model's answers: "
        "the gradient misleads; do not trust the accuracy under PGD and APGD.",
    )


def random_direction(trial: Trial, standing: Mask) -> Check:
    """The share of images that noise breaks, and PGD does not."""
    return trial.check(
        "random_direction",
        trial.breaks("noise", standing),
        "{share} of images withstand PGD but not random noise: PGD finds what chance finds.",
        "{share} of images withstand PGD but not random noise: PGD is worse than chance there; "
        "do not trust its accuracy.",
    )


def one_step(trial: Trial, standing: Mask) -> Check:
    """The share of images that one step breaks, and many do not."""
    return trial.check(
        "one_step",
        trial.breaks("fgsm", standing),
        "{share} of images withstand PGD but not FGSM: many steps find what a single one finds.",
        "{share} of images withstand the many steps of PGD but not the single one of FGSM: PGD loses its "
        "way; do not trust its accuracy.",
    )


def logit_scale(trial: Trial, standing: Mask) -> Check:
    """The share of images that are broken once the logits have another scale, or none.

    All images are attacked anew, from the same random starts, so that the scale is the only difference.
    """
    loss, attack = ("difference of logits ratio", DLR) if trial.victim.classes > 2 else ("margin", MARGIN)
    found = {
        f"with the logits times {scale:g}": trial.breaks("pgd", trial.all, scale=scale) & standing
        for scale in SCALES
    }
    found[f"on the {loss}, which has no scale"] = trial.breaks("pgd", trial.all, attack=attack) & standing
    best = max(found, key=lambda how: found[how].sum())
    return trial.check(
        "logit_scale",
        found[best],
        "{share} of images withstand PGD but not the same with the logits on another scale, or on the "
        f"{loss}, which has none: the size of the logits hides nothing.",
        f"{{share}} of images withstand PGD but not the same {best}: the size of the logits hides the "
        "gradient; do not trust the accuracy under attacks on the cross-entropy.",
    )


def large_eps(trial: Trial) -> Check:
    """The share of images that PGD leaves standing though an image in reach is known to break them."""
    victim = trial.victim
    shape = victim.images.shape[1:]
    width = 1.0 if victim.norm == "linf" else float(np.prod(shape)) ** 0.5
    grey = victim.answer(np.full((1, *shape), 0.5, np.float32))[0]
    by_grey = victim.labels[trial.rows] != grey
    by_any = np.full(len(trial.rows), len({int(grey), *victim.answers.tolist()}) > 1)
    if not (by_grey | by_any).any():
        return not_done("large_eps", "no image is known that the model classifies otherwise.")
    found = {}
    for eps, breakable in ((width / 2, by_grey), (width, by_any)):
        found[eps] = breakable & ~trial.breaks("pgd", breakable, eps=eps)
    worst = max(found, key=lambda eps: found[eps].sum())
    return trial.check(
        "large_eps",
        found[worst],
        f"{{share}} of images withstand PGD at eps {width / 2:.3g} or {width:.3g} though an image in reach "
        "is known to be classified otherwise: accuracy falls to 0 as it must.",
        f"{{share}} of images withstand PGD at eps {worst:.3g} though an image in reach is known to be "
        "classified otherwise: PGD fails where it cannot but succeed; do not trust its accuracy at any eps.",
        "Every one of these images is a failure of the attack. "
        "Below 1 % that is less than a point; a single image never alarms.",
    )


def transfer(trial: Trial, standing: Mask, rivals: Sequence[Victim]) -> Check:
    """The share of images for which another model is the better guide to this one."""
    if not rivals:
        return not_done("transfer", "it takes other models for the same images, masking(..., others=[...]).")
    found = [trial.transfers(rival, standing, "pgd") for rival in rivals]
    most = max(found, key=lambda broken: broken.sum())
    return trial.check(
        "transfer",
        most,
        "{share} of images withstand PGD on this model but not the same on another: its own gradient is the "
        "better guide.",
        "{share} of images withstand PGD on this model but not what PGD makes on another: its own gradient "
        "misleads; do not trust the accuracy under PGD.",
    )
