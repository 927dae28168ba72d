"""The search for the most robust LeNet-5: candidates, compared on validation images.

Of one seed each: it finds a good recipe, and says nothing on what fuzziness does. For that, see
``regularisation``.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from minmax_jax.data import Dataset
from minmax_jax.defences import TRADES, Adversarial
from minmax_jax.defences.recipe import optimiser
from minmax_jax.evaluation import accuracy
from minmax_jax.intervals import Membership
from minmax_jax.lenet import LeNet
from minmax_jax.objective import Objective
from minmax_jax.robustness import robustness
from minmax_jax.study.design.condition import REFERENCE
from minmax_jax.study.design.images import pictures
from minmax_jax.study.engine.experiment import Arrays, Experiment, Tell, Unit, network, telling
from minmax_jax.training import Diverged, fit

if TYPE_CHECKING:
    import xarray as xr

NAME = "robust_search"
DATASET = REFERENCE.dataset
EPS = 0.3  # radius of the attack
SEED = 100  # apart from the seeds that are reported
BATCH = 128
WARMUP = 0.3


@dataclass(frozen=True)
class Candidate:
    """A way to train a robust network: a defence of radius ``eps``, and a fuzziness term if wanted.

    ``beta`` is that of TRADES; the fuzziness is by the layer's interval and entropy.
    """

    defence: Literal["adversarial", "trades"]
    eps: float = EPS
    beta: float = 6.0
    strength: float = 0.0
    membership: Membership = "signed"

    @property
    def name(self) -> str:
        """In words, such as "trades 0.3 beta 6"."""
        words = [
            self.defence,
            f"{self.eps:g}",
            *([f"beta {self.beta:g}"] if self.defence == "trades" else []),
        ]
        if self.strength:
            words += [f"fuzziness {self.strength:g} {self.membership}"]
        return " ".join(words)

    @property
    def facts(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)

    def training(self, data: Dataset, epochs: int) -> dict[str, Any]:
        """Arguments of ``fit``; the optimiser is that of the recipes."""
        if self.defence == "trades":
            defence: Any = TRADES(self.eps, beta=self.beta, steps=10, warmup=WARMUP)
        else:
            defence = Adversarial(self.eps, steps=10, warmup=WARMUP)
        return {
            "objective": Objective(self.strength, membership=self.membership, defence=defence),
            "optimiser": optimiser(epochs * (len(data.train) // BATCH)),
            "epochs": epochs,
            "batch_size": BATCH,
        }


CANDIDATES = (
    Candidate("adversarial"),
    Candidate("adversarial", eps=0.34),
    Candidate("trades"),
    Candidate("trades", eps=0.34),
    Candidate("trades", beta=3.0),
    Candidate("trades", beta=12.0),
    Candidate("trades", strength=10.0, membership="magnitude"),
    Candidate("trades", strength=-10.0, membership="signed"),
)


@dataclass(frozen=True)
class Setting:
    """How much is tried: candidates, epochs, and images under attack."""

    candidates: tuple[Candidate, ...] = CANDIDATES
    epochs: int = 8
    images: int = 512
    attack: str = "autoattack"
    small: bool = False


FULL = Setting()
QUICK = Setting((Candidate("adversarial"), Candidate("trades")), 1, 8, "pgd", small=True)


def plan(quick: bool = False) -> Experiment:
    """The experiment, whole or quick."""
    return experiment(QUICK if quick else FULL)


def experiment(setting: Setting) -> Experiment:
    """The experiment of a setting: one unit for each candidate."""
    units = [Unit(one.name, partial(attempt, one, setting)) for one in setting.candidates]
    config = {
        "candidates": [one.facts for one in setting.candidates],
        "seeds": [SEED],
        "epochs": setting.epochs,
        "attacked validation images": setting.images,
        "attack": setting.attack,
        "eps": EPS,
        "small": setting.small,
    }
    data = {DATASET: pictures(DATASET, setting.small).checksum}
    question = "Which training makes the most robust LeNet-5, by validation images?"
    return Experiment(NAME, question, config, data, units, partial(tabulate, setting))


def trained(candidate: Candidate, seed: int, epochs: int, small: bool, folder: Path, tell: Tell) -> LeNet:
    """The network of a candidate and a seed, which goes on from ``folder`` if it was stopped there."""
    data = pictures(DATASET, small).data
    run = fit(
        REFERENCE.model(seed, small),
        data,
        seed=seed,
        snapshots=2,
        progress=telling(tell, 0.8),
        checkpoint=folder,
        **candidate.training(data, epochs),
    )
    return network(run)


def attempt(candidate: Candidate, setting: Setting, folder: Path, tell: Tell) -> Arrays:
    """Train by one candidate and attack validation images; accuracies of 0 if training diverges."""
    try:
        model = trained(candidate, SEED, setting.epochs, setting.small, folder, tell)
    except Diverged:
        return {name: np.array(0, np.float32) for name in ("clean_accuracy", "robust_accuracy")}
    validation = pictures(DATASET, setting.small).validation
    report = robustness(model, validation[: setting.images], [EPS], attacks=[setting.attack], progress=False)
    return {
        "clean_accuracy": np.array(accuracy(model, validation), np.float32),
        "robust_accuracy": np.array(float(report.accuracy.sel(attack=setting.attack).squeeze()), np.float32),
    }


def tabulate(setting: Setting, found: Sequence[Arrays]) -> "xr.Dataset":
    """One row for each candidate."""
    import xarray as xr  # heavy to import, so only where it is used

    notes = {
        "clean_accuracy": "accuracy on all validation images",
        "robust_accuracy": f"accuracy on validation images under {setting.attack} at eps {EPS:g}",
    }
    variables: dict[str, Any] = {
        name: ("candidate", np.stack([one[name] for one in found]), {"long_name": note})
        for name, note in notes.items()
    }
    return xr.Dataset(variables, {"candidate": [one.name for one in setting.candidates]})


def winner(table: "xr.Dataset") -> str:
    """The name of the candidate with the highest accuracy under attack; of equals, the first."""
    return str(table.candidate.values[np.argmax(table.robust_accuracy.values)])
