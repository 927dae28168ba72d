"""A trial: attacks on the images that a model gets right, counted against each other."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from minmax_jax.attacks.registry import NAMED, NamedAttack
from minmax_jax.jobs.progress import Bar
from minmax_jax.robustness.masking_report import Check
from minmax_jax.robustness.target import Victim

SHARE = 0.01
POINT = (
    "One point of accuracy: two implementations of one attack may differ by as much on an honest model. "
    "A single image never alarms."
)
Mask = Bool[np.ndarray, " rows"]


@dataclass(frozen=True, eq=False)
class Trial:
    """Attacks of one radius on the ``rows`` of a victim that are classified as labelled."""

    victim: Victim
    rows: Int[np.ndarray, " rows"]
    eps: float
    seed: int
    work: Bar

    @property
    def all(self) -> Mask:
        """All rows."""
        return np.ones(len(self.rows), bool)

    def breaks(
        self,
        name: str,
        among: Mask,
        *,
        attack: NamedAttack | None = None,
        eps: float | None = None,
        scale: float | None = None,
    ) -> Mask:
        """Which rows in ``among`` an attack breaks, by default the one of this name at the trial's radius."""
        chosen, radius = attack or NAMED[name], self.eps if eps is None else eps
        rows = self._begin(f"{name} at eps {radius:g}", chosen, among)
        found = self.victim.under(name, chosen, radius, rows, self.seed, scale=scale, done=self.work.did)
        return self._among(among, found.broken)

    def transfers(self, other: Victim, among: Mask, name: str) -> Mask:
        """Which of the rows in ``among`` are broken by the images that an attack makes on another model."""
        rows = self._begin(f"{name} on another model", NAMED[name], among)
        found = other.under(name, NAMED[name], self.eps, rows, self.seed, keep=True, done=self.work.did)
        return self._among(among, self.victim.answer(found.images) != self.victim.labels[rows])

    def check(self, name: str, broken: Mask, passed: str, alarm: str, reason: str = POINT) -> Check:
        """The check that no more than a point of the images are ``broken`` where they should not be.

        The sentences name the share as {share}.
        """
        share = float(broken.mean())
        threshold = max(SHARE, 1 / len(self.rows))
        words = alarm if share > threshold else passed
        return Check(name, share, threshold, reason, words.format(share=f"{100 * share:.3g} %"))

    def _begin(self, what: str, attack: NamedAttack, among: Mask) -> Int[np.ndarray, " some"]:
        self.work.begin(what, attack.passes)
        self.work.spared(int((~among).sum()))
        return self.rows[among]

    def _among(self, among: Mask, found: Bool[np.ndarray, " some"]) -> Mask:
        whole = np.zeros(len(self.rows), bool)
        whole[among] = found
        return whole
