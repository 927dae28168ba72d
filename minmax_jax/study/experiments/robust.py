"""The most robust LeNet-5: the winner of the search, trained for longer, reported on test images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from flax import nnx

from minmax_jax.attacks.registry import WORST
from minmax_jax.certify import verified
from minmax_jax.evaluation import accuracy
from minmax_jax.lenet import LeNet
from minmax_jax.robustness import robustness
from minmax_jax.study.design.candidate import CANDIDATES, Candidate
from minmax_jax.study.engine.experiment import Arrays, Tell
from minmax_jax.study.engine.runner import check
from minmax_jax.study.experiments import search
from minmax_jax.study.experiments.factorial import Factorial, Layout, Plan, Variable, stored
from minmax_jax.training.saved import parameters, with_parameters

if TYPE_CHECKING:
    import xarray as xr

NAME = "robust"
WEIGHT = "weight "  # begins the names of weights in the table
VARIABLES = {
    "clean_accuracy": Variable((), "accuracy on all test images"),
    "accuracy": Variable(("attack", "eps"), "accuracy under attack on the first test images"),
    "interval": Variable(("end", "attack", "eps"), "95 % bootstrap interval of it, over images"),
    "verified": Variable(("eps",), "share of these images certified by interval bounds or CROWN-IBP"),
}


@dataclass(frozen=True, kw_only=True)
class Robust(Factorial):
    """How much is reported: seeds, epochs, test images and attacks; the candidate is the search's winner."""

    crossed = ("seeds",)

    candidate: Candidate = CANDIDATES[0]
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 30
    images: int = stored("attacked test images", 1000)
    attacks: tuple[str, ...] = ("pgd", "autoattack")
    eps: tuple[float, ...] = (0.1, 0.2, 0.3)
    chosen_by: str | None = stored("chosen by", None)  # the checksum of the search's result

    def work(self, seed: int, folder: Path, tell: Tell) -> Arrays:
        """Train the network of a seed, and attack it."""
        model = search.trained(self, self.candidate, seed, folder, tell)
        test = self.data.data.test
        attacked = test[: self.images]
        under = robustness(model, attacked, self.eps, attacks=self.attacks, progress=False)
        certified = verified(model, attacked, self.eps, progress=False).accuracy.sel(bound="combined")
        found: dict[str, Any] = {
            "clean_accuracy": accuracy(model, test),
            "accuracy": under.accuracy.values,
            "interval": under.interval.values,
            "verified": certified.values,
        }
        weights = {WEIGHT + name: np.asarray(array) for name, array in parameters(model).items()}
        return {name: np.asarray(value, np.float32) for name, value in found.items()} | weights

    def layout(self, found: Sequence[Arrays]) -> Layout:
        """What is reported of the networks, and their weights."""
        weights = {
            name: Variable(
                tuple(f"{name.removeprefix(WEIGHT)} {axis}" for axis in range(array.ndim)), "weights"
            )
            for name, array in found[0].items()
            if name.startswith(WEIGHT)
        }
        labels = {"attack": [*self.attacks, WORST], "eps": list(self.eps), "end": ["low", "high"]}
        return VARIABLES | weights, labels


def robust_lenet(table: "xr.Dataset", seed: int = 0) -> LeNet:
    """The trained network of a seed, in evaluation mode, out of the table of this experiment.

    Raises ValueError for a seed that the table does not hold.
    """
    if seed not in table.seed.values:
        raise ValueError(f"seed must be one of {table.seed.values.tolist()}, got {seed}")
    names = [str(name) for name in table.data_vars if str(name).startswith(WEIGHT)]
    arrays = {name.removeprefix(WEIGHT): table[name].sel(seed=seed).values for name in names}
    return with_parameters(nnx.eval_shape(lambda: LeNet(rngs=nnx.Rngs(0))), arrays)


def _complete(setting: Robust, folder: Path, quick: bool) -> Robust:
    """The setting with the winner of the search, whose result has to be in the folder."""
    table = check(folder / f"{search.NAME}.nc", search.PLANS[search.NAME].experiment(folder, quick))
    chosen = {one.name: one for one in CANDIDATES}[search.winner(table)]
    return replace(setting, candidate=chosen, chosen_by=table.attrs["checksum"])


PLANS = {
    NAME: Plan(
        NAME,
        "How robust can a LeNet-5 of 61,706 parameters be?",
        Robust(),
        Robust(seeds=(0, 1), epochs=1, images=8, attacks=("pgd",), small=True),
        _complete,
    )
}
