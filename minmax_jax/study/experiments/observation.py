"""Observation: do the weights of a LeNet move to the ends of their intervals while it learns?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import MEMBERSHIPS, READINGS
from minmax_jax.minmax import random_walk
from minmax_jax.study.design.condition import LAYERS, REFERENCE, Condition, coordinates
from minmax_jax.study.design.images import pictures
from minmax_jax.study.engine.experiment import Arrays, Experiment, Tell, Unit, stacked, telling
from minmax_jax.study.experiments.statistics import course, ends, spread
from minmax_jax.training import Diverged, fit

if TYPE_CHECKING:
    import xarray as xr

NAME = "observation"
ATTACKED = "observation_attacked"
KINDS = ("layer", "reading", "membership")
DIMENSIONS = {
    "fuzziness": ("snapshot", *KINDS, "measure"),
    "moved_away": ("snapshot", *KINDS),
    "near_zero": ("snapshot", "layer"),
    "kurtosis": ("snapshot", "layer"),
    "walk_fuzziness": ("snapshot", *KINDS, "measure"),
    "walk_moved_away": ("snapshot", *KINDS),
    "away": KINDS,
    "towards": KINDS,
    "train_accuracy": ("epoch",),
    "test_accuracy": ("epoch",),
    "finished": (),
}
NOTES = {
    "fuzziness": "fuzziness F of a layer's kernel",
    "moved_away": "share of weights farther from the centre than at the start",
    "near_zero": "share of weights within a tenth of the largest",
    "kurtosis": "excess kurtosis of a kernel's weights",
    "walk_fuzziness": "fuzziness F after the same steps in random directions, mean over walks",
    "walk_moved_away": "share of weights farther from the centre after such a walk, mean over walks",
    "away": "weights that ended farther from the centre",
    "towards": "weights that ended nearer to the centre",
    "train_accuracy": "accuracy on the epoch's batches, each before its update; under attack if trained so",
    "test_accuracy": "accuracy on all test images after the epoch, not under attack",
    "finished": "whether training came to its end, without diverging",
}


@dataclass(frozen=True)
class Setting:
    """How much is observed: under which conditions, for how long, and from how many seeds.

    Kernels are recorded at ``snapshots`` steps, and one ``every`` so many of these is reported on. The
    reading "trajectory" takes each weight's extremes over all that are recorded, in training as in the walks.
    """

    conditions: tuple[Condition, ...]
    seeds: int = 10
    epochs: int = 5
    snapshots: int = 41
    every: int = 4
    walks: int = 5
    small: bool = False


def plain_conditions() -> tuple[Condition, ...]:
    """The full factorial of data, network and optimiser, and two controls that go out from the reference."""
    factorial = [
        Condition(dataset, variant, optimiser)
        for dataset in ("mnist", "fashion_mnist")
        for variant in ("modern", "classic")
        for optimiser in ("adam", "sgd")
    ]
    return (*factorial, replace(REFERENCE, labels="random"), replace(REFERENCE, optimiser="adamw"))


def attacked_conditions() -> tuple[Condition, ...]:
    """Adversarial training at eps 0.1 and 0.3 from the reference, and at 0.1 with each factor changed alone.

    The whole factorial of it would take as long as the rest of the study.
    """
    changes: list[dict[str, Any]] = [
        *({"eps": 0.3}, {"dataset": "fashion_mnist"}, {"variant": "classic"}, {"optimiser": "sgd"}),
    ]
    return tuple(replace(REFERENCE, **{"eps": 0.1, **change}) for change in [{}, *changes])


FULL = {NAME: Setting(plain_conditions()), ATTACKED: Setting(attacked_conditions())}
SHORT = partial(Setting, seeds=2, epochs=1, snapshots=5, every=2, walks=2, small=True)
QUICK = {
    NAME: SHORT((REFERENCE, replace(REFERENCE, labels="random"))),
    ATTACKED: SHORT((replace(REFERENCE, eps=0.1),)),
}


def plan(name: str, quick: bool = False) -> Experiment:
    """One of the two experiments, whole or quick: "observation", or the same under adversarial training."""
    return experiment(name, (QUICK if quick else FULL)[name])


def experiment(name: str, setting: Setting) -> Experiment:
    """The experiment of a setting: one unit for each condition and seed."""
    units = [
        Unit(f"{one.name}, seed {seed}", partial(observe, one, seed, setting), cost=5.0 if one.eps else 1.0)
        for one in setting.conditions
        for seed in range(setting.seeds)
    ]
    config = {
        "conditions": [one.facts for one in setting.conditions],
        "seeds": list(range(setting.seeds)),
        "epochs": setting.epochs,
        "snapshots": setting.snapshots,
        "every": setting.every,
        "walks": setting.walks,
        "small": setting.small,
    }
    names = dict.fromkeys(one.dataset for one in setting.conditions)
    data = {name: pictures(name, setting.small).checksum for name in names}
    question = "Do weights move to the ends of their intervals while a network learns?"
    return Experiment(name, question, config, data, units, partial(tabulate, setting))


def observe(condition: Condition, seed: int, setting: Setting, _: Path, tell: Tell) -> Arrays:
    """Train one network and take the statistics of its layers; only ``finished`` if it diverged.

    Raises KeyboardInterrupt if it is stopped.
    """
    try:
        run = fit(
            condition.model(seed, setting.small),
            condition.data(seed, setting.small),
            epochs=setting.epochs,
            seed=seed,
            snapshots=setting.snapshots,
            record=LAYERS,
            progress=telling(tell, 0.9),
            **condition.training(),
        )
    except Diverged:
        return {"finished": np.array(False)}
    if run.outcome == "stopped":
        raise KeyboardInterrupt
    history, generator = run.history, np.random.default_rng(seed)
    found = {name: history[name].values for name in ("train_accuracy", "test_accuracy")}
    found |= {"step": history.snapshot.values[:: setting.every], "finished": np.array(True)}
    by_layer = []
    for layer in LAYERS:
        rows = history[f"kernel_{layer}"].values
        walks = [course(random_walk(rows, generator), setting.every) for _ in range(setting.walks)]
        mean = {f"walk_{name}": np.mean([walk[name] for walk in walks], axis=0) for name in walks[0]}
        by_layer.append(course(rows, setting.every) | ends(rows) | spread(rows[:: setting.every]) | mean)
    for name in by_layer[0]:
        found[name] = np.stack([one[name] for one in by_layer], axis=DIMENSIONS[name].index("layer"))
    return {
        name: array.astype(np.float32) if array.dtype.kind == "f" else array for name, array in found.items()
    }


def tabulate(setting: Setting, found: Sequence[Arrays]) -> "xr.Dataset":
    """One labelled table of all conditions and seeds."""
    import xarray as xr  # heavy to import, so only where it is used

    shape = len(setting.conditions), setting.seeds
    steps = next(one["step"] for one in found if "step" in one)
    variables: dict[str, Any] = {}
    for name, dims in DIMENSIONS.items():
        values = stacked(found, name)
        values = values.reshape(*shape, *values.shape[1:])
        variables[name] = (("condition", "seed", *dims), values, {"long_name": NOTES[name]})
    labels = coordinates(list(setting.conditions)) | {
        "seed": np.arange(setting.seeds),
        "epoch": np.arange(1, setting.epochs + 1),
        "snapshot": ("snapshot", steps, {"long_name": "training step"}),
        "layer": list(LAYERS),
        "reading": list(READINGS),
        "membership": list(MEMBERSHIPS),
        "measure": list(MEASURES),
    }
    return xr.Dataset(variables, labels)
