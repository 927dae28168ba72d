"""The most robust LeNet-5: the winner of the search, trained for longer, reported on test images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from flax import nnx

from minmax_jax.attacks.registry import WORST
from minmax_jax.certify import verified
from minmax_jax.evaluation import accuracy
from minmax_jax.lenet import LeNet
from minmax_jax.robustness import robustness
from minmax_jax.study.design.images import pictures
from minmax_jax.study.engine.experiment import Arrays, Experiment, Tell, Unit
from minmax_jax.study.engine.runner import check
from minmax_jax.study.experiments import search
from minmax_jax.study.experiments.search import DATASET, Candidate
from minmax_jax.training.saved import parameters, with_parameters

if TYPE_CHECKING:
    import xarray as xr

NAME = "robust"
RADII = (0.1, 0.2, 0.3)
WEIGHT = "weight "  # begins the names of weights in the table


@dataclass(frozen=True)
class Setting:
    """How much is reported: seeds, epochs, test images and attacks."""

    candidates: tuple[Candidate, ...] = search.FULL.candidates
    seeds: int = 3
    epochs: int = 30
    images: int = 1000
    attacks: tuple[str, ...] = ("pgd", "autoattack")
    small: bool = False


FULL = Setting()
QUICK = Setting(search.QUICK.candidates, seeds=2, epochs=1, images=8, attacks=("pgd",), small=True)


def plan(folder: Path, quick: bool = False) -> Experiment:
    """The experiment, whole or quick; the search's result has to be in ``folder``."""
    setting = QUICK if quick else FULL
    table = check(folder / f"{search.NAME}.nc", search.plan(quick))
    chosen = {one.name: one for one in setting.candidates}
    planned = experiment(chosen[search.winner(table)], setting)
    return replace(planned, config=planned.config | {"chosen by": table.attrs["checksum"]})


def experiment(candidate: Candidate, setting: Setting) -> Experiment:
    """The experiment of a setting: one unit for each seed."""
    units = [
        Unit(f"{candidate.name}, seed {seed}", partial(report, candidate, seed, setting))
        for seed in range(setting.seeds)
    ]
    config = {
        "candidate": candidate.facts,
        "seeds": list(range(setting.seeds)),
        "epochs": setting.epochs,
        "attacked test images": setting.images,
        "attacks": list(setting.attacks),
        "eps": list(RADII),
        "small": setting.small,
    }
    data = {DATASET: pictures(DATASET, setting.small).checksum}
    question = "How robust can a LeNet-5 of 61,706 parameters be?"
    return Experiment(NAME, question, config, data, units, partial(tabulate, setting))


def report(candidate: Candidate, seed: int, setting: Setting, folder: Path, tell: Tell) -> Arrays:
    """Train the network of a seed, and attack it."""
    model = search.trained(candidate, seed, setting.epochs, setting.small, folder, tell)
    test = pictures(DATASET, setting.small).data.test
    attacked = test[: setting.images]
    under = robustness(model, attacked, RADII, attacks=setting.attacks, progress=False)
    certified = verified(model, attacked, RADII, progress=False).accuracy.sel(bound="combined")
    return {
        "clean_accuracy": np.array(accuracy(model, test), np.float32),
        "accuracy": under.accuracy.values.astype(np.float32),
        "interval": under.interval.values.astype(np.float32),
        "verified": certified.values.astype(np.float32),
    } | {WEIGHT + name: np.asarray(array) for name, array in parameters(model).items()}


def robust_lenet(table: "xr.Dataset", seed: int = 0) -> LeNet:
    """The trained network of a seed, in evaluation mode, out of the table of this experiment.

    Raises ValueError for a seed that the table does not hold.
    """
    if seed not in table.seed.values:
        raise ValueError(f"seed must be one of {table.seed.values.tolist()}, got {seed}")
    names = [str(name) for name in table.data_vars if str(name).startswith(WEIGHT)]
    arrays = {name.removeprefix(WEIGHT): table[name].sel(seed=seed).values for name in names}
    return with_parameters(nnx.eval_shape(lambda: LeNet(rngs=nnx.Rngs(0))), arrays)


def tabulate(setting: Setting, found: Sequence[Arrays]) -> "xr.Dataset":
    """One labelled table of all seeds, with their weights."""
    import xarray as xr  # heavy to import, so only where it is used

    measured: dict[str, tuple[tuple[str, ...], str]] = {
        "clean_accuracy": ((), "accuracy on all test images"),
        "accuracy": (("attack", "eps"), "accuracy under attack on the first test images"),
        "interval": (("end", "attack", "eps"), "95 % bootstrap interval of it, over images"),
        "verified": (("eps",), "share of these images certified by interval bounds or CROWN-IBP"),
    }
    variables: dict[str, Any] = {}
    for name, sample in found[0].items():
        own = tuple(f"{name.removeprefix(WEIGHT)} {axis}" for axis in range(sample.ndim))
        dims, note = measured.get(name, (own, "weights"))
        variables[name] = (("seed", *dims), np.stack([one[name] for one in found]), {"long_name": note})
    labels = {
        "seed": np.arange(setting.seeds),
        "attack": [*setting.attacks, WORST],
        "eps": list(RADII),
        "end": ["low", "high"],
    }
    return xr.Dataset(variables, labels)
