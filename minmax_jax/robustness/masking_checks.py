"""The checks for gradient masking: for each, the share of images that reveal it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Bool, Int

from minmax_jax.attacks.losses import Loss
from minmax_jax.attacks.pgd import pgd
from minmax_jax.attacks.registry import NAMED, NamedAttack
from minmax_jax.jobs.progress import Bar
from minmax_jax.robustness.masking_report import Check, not_done, share_check
from minmax_jax.robustness.predictions import Rows
from minmax_jax.robustness.target import Target

WHITE = ("pgd", "apgd")
BLACK = "square"
SCALES = (0.01, 0.1, 10.0, 100.0)

Among = Bool[np.ndarray, " rows"]


def _scale_free(loss: Loss) -> NamedAttack:
    return replace(NAMED["pgd"], function=partial(pgd, steps=40, restarts=2, loss=loss))


DLR, MARGIN = _scale_free("dlr"), _scale_free("margin")


@dataclass(frozen=True, eq=False)
class Attacker:
    """Attacks of one radius on those images of a target that it classifies as labelled: the ``rows``."""

    target: Target
    rows: Rows
    eps: float
    seed: int
    bar: Bar

    @property
    def all(self) -> Among:
        """All rows."""
        return np.ones(len(self.rows), bool)

    def breaks(
        self,
        name: str,
        among: Among,
        *,
        attack: NamedAttack | None = None,
        eps: float | None = None,
        scale: float | None = None,
    ) -> Among:
        """Which rows in ``among`` an attack breaks.

        Args:
            name: of the attack; it also decides the random numbers.
            among: the rows that are attacked.
            attack: the attack; None for the one of this name.
            eps: radius; None for the attacker's.
            scale: multiplies the logits that the attack sees; None for 1.
        """
        chosen, radius = attack or NAMED[name], self.eps if eps is None else eps
        rows = self._begin(f"{name} at eps {radius:g}", chosen, among)
        found = self.target.attacked(name, chosen, radius, rows, self.seed, scale=scale, done=self.bar.did)
        return self._of_all(among, found.broken)

    def transfers(self, name: str, among: Among, other: Target) -> Among:
        """Which rows in ``among`` are broken by the images that an attack makes on another model."""
        rows = self._begin(f"{name} on another model", NAMED[name], among)
        found = other.attacked(name, NAMED[name], self.eps, rows, self.seed, keep=True, done=self.bar.did)
        return self._of_all(among, self.target.predict(found.images) != self.target.labels[rows])

    def _begin(self, what: str, attack: NamedAttack, among: Among) -> Int[np.ndarray, " some"]:
        self.bar.begin(what, attack.passes)
        self.bar.spared(int((~among).sum()))
        return self.rows[among]

    def _of_all(self, among: Among, found: Bool[np.ndarray, " some"]) -> Among:
        whole = np.zeros(len(self.rows), bool)
        whole[among] = found
        return whole


def zero_gradient(attacker: Attacker) -> Check:
    """The share of images that give an attack no gradient to follow."""
    return share_check(
        "zero_gradient",
        attacker.target.without_gradient(attacker.rows),
        "{share} of images have a zero gradient: attacks that follow the gradient have something to follow.",
        "{share} of images have a zero gradient: attacks that follow the gradient see nothing there; "
        "do not trust their accuracy.",
        "An attack that follows the gradient is blind on these images only: below 1 % it is wrong by less "
        "than a point. A single image never alarms.",
    )


def black_box(attacker: Attacker, standing: Among) -> Check:
    """The share of images that only an attack without gradients breaks."""
    for name in WHITE[1:]:
        standing = standing & ~attacker.breaks(name, standing)
    return share_check(
        "black_box",
        attacker.breaks(BLACK, standing),
        "{share} of images withstand PGD and APGD but not Square, which sees only the model's outputs: "
        "the gradient is a good guide.",
        "{share} of images withstand PGD and APGD but not Square, which sees less, only the model's outputs: "
        "the gradient misleads; do not trust the accuracy under PGD and APGD.",
    )


def random_direction(attacker: Attacker, standing: Among) -> Check:
    """The share of images that noise breaks, but PGD does not."""
    return share_check(
        "random_direction",
        attacker.breaks("noise", standing),
        "{share} of images withstand PGD but not random noise: PGD finds what chance finds.",
        "{share} of images withstand PGD but not random noise: PGD is worse than chance there; "
        "do not trust its accuracy.",
    )


def one_step(attacker: Attacker, standing: Among) -> Check:
    """The share of images that one step breaks, but many steps do not."""
    return share_check(
        "one_step",
        attacker.breaks("fgsm", standing),
        "{share} of images withstand PGD but not FGSM: many steps find what a single one finds.",
        "{share} of images withstand the many steps of PGD but not the single one of FGSM: PGD loses its "
        "way; do not trust its accuracy.",
    )


def logit_scale(attacker: Attacker, standing: Among) -> Check:
    """The share of images that are broken once the logits have another scale, or none.

    All images are attacked anew, from the same random starts, so that the scale is the only difference.
    """
    loss, attack = ("difference of logits ratio", DLR) if attacker.target.classes > 2 else ("margin", MARGIN)
    found = {
        f"with the logits times {scale:g}": attacker.breaks("pgd", attacker.all, scale=scale) & standing
        for scale in SCALES
    }
    broken = attacker.breaks("pgd", attacker.all, attack=attack)
    found[f"on the {loss}, which has no scale"] = broken & standing
    best = max(found, key=lambda how: found[how].sum())
    return share_check(
        "logit_scale",
        found[best],
        "{share} of images withstand PGD but not the same with the logits on another scale, or on the "
        f"{loss}, which has none: the size of the logits hides nothing.",
        f"{{share}} of images withstand PGD but not the same {best}: the size of the logits hides the "
        "gradient; do not trust the accuracy under attacks on the cross-entropy.",
    )


def large_eps(attacker: Attacker) -> Check:
    """The share of images that PGD does not break although an image in reach is known to be misclassified."""
    target = attacker.target
    shape = target.images.shape[1:]
    width = 1.0 if target.norm == "linf" else float(np.prod(shape)) ** 0.5
    grey = target.predict(np.full((1, *shape), 0.5, np.float32))[0]
    by_grey = target.labels[attacker.rows] != grey
    by_any = np.full(len(attacker.rows), len({int(grey), *target.predictions.tolist()}) > 1)
    if not (by_grey | by_any).any():
        return not_done("large_eps", "no image is known that the model classifies otherwise.")
    found = {}
    for eps, breakable in ((width / 2, by_grey), (width, by_any)):
        found[eps] = breakable & ~attacker.breaks("pgd", breakable, eps=eps)
    worst = max(found, key=lambda eps: found[eps].sum())
    return share_check(
        "large_eps",
        found[worst],
        f"{{share}} of images withstand PGD at eps {width / 2:.3g} or {width:.3g} although an image in reach "
        "is known to be classified otherwise: accuracy falls to 0 as it must.",
        f"{{share}} of images withstand PGD at eps {worst:.3g} although an image in reach is known to be "
        "classified otherwise: PGD fails where it must succeed; do not trust its accuracy at any eps.",
        "Every one of these images is a failure of the attack. "
        "Below 1 % that is less than a point; a single image never alarms.",
    )


def transfer(attacker: Attacker, standing: Among, others: Sequence[Target]) -> Check:
    """The share of images for which the gradient of another model is the better guide."""
    if not others:
        return not_done("transfer", "it needs other models for the same images, masking(..., others=[...]).")
    found = [attacker.transfers("pgd", standing, other) for other in others]
    return share_check(
        "transfer",
        max(found, key=lambda broken: broken.sum()),
        "{share} of images withstand PGD on this model but not the same on another: its own gradient is the "
        "better guide.",
        "{share} of images withstand PGD on this model but not what PGD makes on another: its own gradient "
        "misleads; do not trust the accuracy under PGD.",
    )
