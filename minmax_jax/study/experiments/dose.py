"""Dose: what does adversarial training make of convolutions, by its radius, and how robust is the network?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from minmax_jax.attacks.registry import WORST
from minmax_jax.evaluation import accuracy
from minmax_jax.lenet import Variant
from minmax_jax.robustness.masking import CHECKS
from minmax_jax.study.design.condition import Condition
from minmax_jax.study.design.data import images_of
from minmax_jax.study.engine.experiment import Arrays, Tell, fitted
from minmax_jax.study.experiments import filters, measurements
from minmax_jax.study.experiments.factorial import Factorial, Layout, Plan, Variable, stored
from minmax_jax.study.experiments.rival import rival

NAME = "dose"
DATASETS = ("mnist", "fashion_mnist")
NAMES: Mapping[str, str] = {dataset: f"{NAME}_{dataset}" for dataset in DATASETS}  # of the experiments
QUESTION = "What does adversarial training make of the convolutions, by its radius, and how robust is that?"
VARIABLES = {
    **filters.VARIABLES,
    **filters.KEPT,
    **{name: measurements.VARIABLES[name] for name in ("clean_accuracy", "accuracy")},
    "finished": Variable((), "whether training came to its end, without diverging"),
}


@dataclass(frozen=True, kw_only=True)
class Dose(Factorial):
    """How much is tried: radii of adversarial training (``doses``), for both variants, from which seeds.

    All is measured on validation images: clean accuracy on all of them, units on the first, and accuracy
    under attack at the radii ``eps`` on some, which are others for each seed.
    """

    crossed = ("variants", "doses", "seeds")

    dataset: str
    variants: tuple[Variant, ...] = ("modern", "classic")
    doses: tuple[float, ...] = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
    seeds: tuple[int, ...] = tuple(range(5))
    epochs: int = 3
    images: int = stored("attacked images of each seed", 100)
    looked_at: int = stored("images whose units are looked at", 1000)
    attacks: tuple[str, ...] = ("pgd", "autoattack")
    eps: tuple[float, ...] = (0.1, 0.2, 0.3)
    checks: bool = stored("checks for masking", False)

    @property
    def datasets(self) -> Sequence[str]:
        """The name of the data set."""
        return (self.dataset,)

    def cost(self, variant: Variant, dose: float, _: int) -> float:
        """Adversarial training takes longer, and so do attacks that find nothing."""
        return 3.0 if dose else 1.0

    def work(self, variant: Variant, dose: float, seed: int, folder: Path, tell: Tell) -> Arrays:
        """Train and measure one network; one that diverges is measured as it last was, ``finished`` 0."""
        condition = Condition(self.dataset, variant, eps=dose)
        model, finished = fitted(
            condition.model(seed, self.small),
            self.data.data,
            tell,
            0.5,
            epochs=self.epochs,
            seed=seed,
            **condition.training(),
        )
        part = self.data.validation
        attacked = images_of(part, seed, self.seeds, self.images)
        found = filters.measure(model, part.images[: self.looked_at], self.eps) | filters.kept(model)
        found["clean_accuracy"] = np.array(accuracy(model, part), np.float32)
        found["accuracy"] = measurements.in_turn(model, attacked, self.eps, self.attacks, seed)
        if self.checks:
            other = rival(self.dataset, self.small)
            found["masking"] = measurements.checks(model, attacked, seed, other)
        return found | {"finished": np.array(finished)}

    def layout(self, found: Sequence[Arrays]) -> Layout:
        """What the convolutions are, their weights, and accuracies."""
        labels = filters.labels(self.eps) | {"attack": [*self.attacks, WORST]}
        if not self.checks:
            return VARIABLES, labels
        return VARIABLES | {"masking": measurements.VARIABLES["masking"]}, labels | {"check": list(CHECKS)}


def _plan(dataset: str) -> Plan:
    """The experiment on one data set."""
    full = Dose(dataset=dataset)
    quick = replace(
        full,
        variants=("modern",),
        doses=(0.0, 0.3),
        seeds=(0, 1),
        epochs=1,
        images=8,
        attacks=("pgd",),
        small=True,
    )
    return Plan(NAMES[dataset], QUESTION, full, quick)


PLANS = {NAMES[dataset]: _plan(dataset) for dataset in DATASETS}
