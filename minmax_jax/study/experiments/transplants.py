"""Transplants: do convolutions make another network robust, and what of them does it?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from minmax_jax.attacks.registry import WORST
from minmax_jax.lenet import LeNet
from minmax_jax.robustness.masking import CHECKS
from minmax_jax.study.design.ablation import transplanted
from minmax_jax.study.design.condition import REFERENCE
from minmax_jax.study.design.data import images_of
from minmax_jax.study.design.transplant import CHOSEN, FASHION_ARMS, PARTS, PLAIN, WEAKLY, Donor, Transplant
from minmax_jax.study.engine.experiment import Arrays, Tell, fitted
from minmax_jax.study.experiments import filters, measurements
from minmax_jax.study.experiments.factorial import Layout, Plan, Variable, stored
from minmax_jax.study.experiments.grouped import Grouped
from minmax_jax.study.experiments.rival import rival

NAME = "transplants"
DONORS = 200  # seed of the first donor, apart from those that are reported
VARIABLES = {
    **filters.VARIABLES,
    **{name: filters.KEPT[name] for name in ("kernel_conv1", "bias_conv1")},
    **{name: measurements.VARIABLES[name] for name in ("clean_accuracy", "accuracy", "masking")},
    "finished": Variable((), "whether training, the donor's too, came to its end, without diverging"),
}


@dataclass(frozen=True, kw_only=True)
class Transplants(Grouped):
    """How much is tried: which arms, from which seeds, how long, and on how many validation images each.

    A network of seed s gets convolutions of a donor of seed 200 + s, with which it shares nothing else, not
    even the order of the batches; every seed attacks images of its own. Arms are grouped by their
    donor, which a unit keeps.
    """

    arms: tuple[Transplant, ...]
    dataset: str = REFERENCE.dataset
    seeds: tuple[int, ...] = tuple(range(5))
    epochs: int = 3
    images: int = stored("attacked images of each seed", 48)
    looked_at: int = stored("images whose units are looked at", 1000)
    attacks: tuple[str, ...] = ("pgd", "autoattack")
    eps: tuple[float, ...] = (0.1, 0.2, 0.3)
    checks: bool = stored("checks for masking", True)

    @property
    def datasets(self) -> Sequence[str]:
        """The name of the data set."""
        return (self.dataset,)

    def group(self, arm: Transplant) -> Donor:
        """Whose convolutions the network gets."""
        return arm.donor

    def cost(self, arm: Transplant, _: int) -> float:
        """Adversarial training takes longer, and so do attacks that find nothing."""
        return 3.0 if arm.eps else 2.0

    def work(self, arm: Transplant, seed: int, folder: Path, tell: Tell) -> Arrays:
        """Train and measure one network; one that diverges is measured as it last was, ``finished`` 0."""
        donor, finished = self.donor(arm.donor, seed, folder / "donor", tell)
        if arm.layers == "all":
            model = donor
        else:
            recipient = self.drawn(seed)
            start = transplanted(donor, recipient, CHOSEN[arm.layers], arm.ablation, seed)
            model, came_to_its_end = self.trained(start, arm, seed, tell)
            finished = finished and came_to_its_end
        part = self.data.validation
        attacked = images_of(part, seed, self.seeds, self.images)
        other = rival(self.dataset, self.small) if self.checks else None
        found = measurements.strongly(model, part, attacked, self.eps, self.attacks, seed, other)
        found |= filters.measure(model, part.images[: self.looked_at], self.eps)
        found |= filters.kept(model, ("conv1",))
        return found | {"finished": np.array(finished)}

    def donor(self, donor: Donor, seed: int, folder: Path, tell: Tell) -> tuple[LeNet, bool]:
        """The donor of a seed, which ``folder`` keeps, and whether its training came to its end."""
        start = self.drawn(DONORS + seed)
        if not donor.is_trained:
            return start, True
        return self.trained(start, donor, DONORS + seed, tell, folder)

    def drawn(self, seed: int) -> LeNet:
        """A network before training."""
        return replace(REFERENCE, dataset=self.dataset).model(seed, self.small)

    def trained(
        self, start: LeNet, by: Donor | Transplant, seed: int, tell: Tell, folder: Path | None = None
    ) -> tuple[LeNet, bool]:
        """A trained network, and whether training came to its end."""
        return fitted(
            start,
            self.data.data,
            tell,
            0.4,
            epochs=self.epochs,
            seed=seed,
            checkpoint=folder,
            **by.training(),
        )

    def layout(self, found: Sequence[Arrays]) -> Layout:
        """What the convolutions are, and accuracies."""
        return VARIABLES, {
            **filters.labels(self.eps),
            "attack": [*self.attacks, WORST],
            "check": list(CHECKS),
        }


def _quick(setting: Transplants, arms: tuple[Transplant, ...]) -> Transplants:
    return replace(
        setting, arms=arms, seeds=(0, 1), epochs=1, images=8, attacks=("pgd",), checks=False, small=True
    )


FASHION = Transplants(arms=FASHION_ARMS, dataset="fashion_mnist", eps=(0.05, 0.1))
FEW: Mapping[str, tuple[Transplant, ...]] = {
    "ablations": (
        Transplant(),
        Transplant(WEAKLY, "all"),
        Transplant(WEAKLY, "both"),
        Transplant(WEAKLY, "conv1", "permuted"),
    ),
    "donors": (Transplant(), Transplant(PLAIN, "both")),
    "necessity": (
        Transplant(PLAIN, "both", eps=0.3),
        Transplant(eps=0.3, forbidden="zeros"),
        Transplant(eps=0.3, forbidden="biases"),
    ),
}
QUESTIONS: Mapping[str, str] = {
    "ablations": "Do a robust network's convolutions make another one robust, and what of them does it?",
    "donors": "Whose convolutions make another network robust?",
    "necessity": "How robust does adversarial training make a network without what it makes of convolutions?",
}
PLANS = {
    f"{NAME}_{part}": Plan(
        f"{NAME}_{part}", QUESTIONS[part], Transplants(arms=arms), _quick(Transplants(arms=arms), FEW[part])
    )
    for part, arms in PARTS.items()
}
FASHIONABLE = f"{NAME}_fashion_mnist"
PLANS |= {FASHIONABLE: Plan(FASHIONABLE, QUESTIONS["ablations"], FASHION, _quick(FASHION, FEW["ablations"]))}
