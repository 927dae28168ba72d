"""The search for the most robust LeNet-5: candidates, compared on validation images.

Each is trained from one seed: this finds a good recipe, but says nothing about what fuzziness does; for
that, see ``regularisation``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minmax_jax.evaluation import accuracy
from minmax_jax.lenet import LeNet
from minmax_jax.robustness import robustness
from minmax_jax.study.design.candidate import CANDIDATES, EPS, Candidate
from minmax_jax.study.design.condition import REFERENCE
from minmax_jax.study.engine.experiment import Arrays, Tell, network, telling
from minmax_jax.study.experiments.factorial import Factorial, Layout, Plan, Variable, stored
from minmax_jax.training import Diverged, fit

if TYPE_CHECKING:
    import xarray as xr

NAME = "robust_search"
SEED = 100  # apart from the seeds that are reported
BATCH = 128


@dataclass(frozen=True, kw_only=True)
class Search(Factorial):
    """How much is tried: candidates, epochs, and images under attack."""

    crossed = ("candidates",)

    candidates: tuple[Candidate, ...] = CANDIDATES
    seeds: tuple[int] = (SEED,)
    epochs: int = 8
    images: int = stored("attacked validation images", 512)
    attack: str = "autoattack"
    eps: float = EPS

    def work(self, candidate: Candidate, folder: Path, tell: Tell) -> Arrays:
        """Train by one candidate and attack validation images; accuracies of 0 if training diverges."""
        try:
            model = trained(self, candidate, self.seeds[0], folder, tell)
        except Diverged:
            return {name: np.array(0, np.float32) for name in ("clean_accuracy", "robust_accuracy")}
        validation = self.data.validation
        report = robustness(
            model, validation[: self.images], [self.eps], attacks=[self.attack], progress=False
        )
        robust = report.accuracy.sel(attack=self.attack).squeeze()
        found = {"clean_accuracy": accuracy(model, validation), "robust_accuracy": float(robust)}
        return {name: np.array(value, np.float32) for name, value in found.items()}

    def layout(self, found: Sequence[Arrays]) -> Layout:
        """Two accuracies."""
        attacked = f"accuracy on validation images under {self.attack} at eps {self.eps:g}"
        return {
            "clean_accuracy": Variable((), "accuracy on all validation images"),
            "robust_accuracy": Variable((), attacked),
        }, {}


def trained(setting: Any, candidate: Candidate, seed: int, folder: Path, tell: Tell) -> LeNet:
    """The network of a candidate and a seed; ``folder`` keeps its training, which resumes from there."""
    data = setting.data.data
    run = fit(
        REFERENCE.model(seed, setting.small),
        data,
        epochs=setting.epochs,
        batch_size=BATCH,
        seed=seed,
        snapshots=2,
        progress=telling(tell, 0.8),
        checkpoint=folder,
        **candidate.training(setting.epochs * (len(data.train) // BATCH)),
    )
    return network(run)


def winner(table: "xr.Dataset") -> str:
    """The name of the candidate with the highest accuracy under attack; of equals, the first."""
    return str(table.candidate.values[np.argmax(table.robust_accuracy.values)])


PLANS = {
    NAME: Plan(
        NAME,
        "Which training makes the most robust LeNet-5, by validation images?",
        Search(),
        Search(
            candidates=(Candidate("adversarial"), Candidate("trades")),
            epochs=1,
            images=8,
            attack="pgd",
            small=True,
        ),
    )
}
