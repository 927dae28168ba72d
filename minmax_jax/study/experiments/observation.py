"""Observation: do the weights of a LeNet move to the ends of their intervals while it learns?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import MEMBERSHIPS, READINGS
from minmax_jax.minmax import random_displacement, random_walk
from minmax_jax.study.design.condition import LAYERS, REFERENCE, Condition
from minmax_jax.study.engine.experiment import Arrays, Tell, network, telling
from minmax_jax.study.experiments.factorial import Factorial, Layout, Plan, Variable
from minmax_jax.study.experiments.statistics import course, ends, spread
from minmax_jax.training import Diverged, fit

NAME = "observation"
QUESTION = "Do weights move to the ends of their intervals while a network learns?"
KINDS = ("layer", "reading", "membership")

VARIABLES = {
    "fuzziness": Variable(("snapshot", *KINDS, "measure"), "fuzziness F of a layer's kernel"),
    "moved_away": Variable(
        ("snapshot", *KINDS), "share of weights farther from the centre than at the start"
    ),
    "near_zero": Variable(("snapshot", "layer"), "share of weights within a tenth of the largest"),
    "kurtosis": Variable(("snapshot", "layer"), "excess kurtosis of a kernel's weights"),
    "walk_fuzziness": Variable(
        ("snapshot", *KINDS, "measure"),
        "fuzziness F after the same steps in random directions, mean over walks",
    ),
    "walk_moved_away": Variable(
        ("snapshot", *KINDS),
        "share of weights farther from the centre after such a walk, mean over walks",
    ),
    "displaced_fuzziness": Variable(
        ("snapshot", *KINDS, "measure"),
        "fuzziness F after the same displacements in random directions, mean over draws",
    ),
    "displaced_moved_away": Variable(
        ("snapshot", *KINDS),
        "share of weights farther from the centre after such displacements, mean over draws",
    ),
    "away": Variable(KINDS, "weights that ended farther from the centre"),
    "towards": Variable(KINDS, "weights that ended nearer to the centre"),
    "train_accuracy": Variable(
        ("epoch",),
        "accuracy on the epoch's batches, each before its update; under attack if trained so",
    ),
    "test_accuracy": Variable(("epoch",), "accuracy on all test images after the epoch, not under attack"),
    "finished": Variable((), "whether training came to its end, without diverging"),
}


@dataclass(frozen=True, kw_only=True)
class Observation(Factorial):
    """How much is observed: under which conditions, for how long, and from how many seeds.

    Kernels are recorded at ``snapshots`` steps, and every ``every``-th of these is reported on. The reading
    "trajectory" takes each weight's extremes over all that are recorded, in training as in the ``walks``. Of
    random displacements there are as many draws as walks.
    """

    crossed = ("conditions", "seeds")

    conditions: tuple[Condition, ...]
    seeds: tuple[int, ...] = tuple(range(10))
    epochs: int = 5
    snapshots: int = 41
    every: int = 4
    walks: int = 5

    @property
    def datasets(self) -> Sequence[str]:
        """The names of the data sets of all conditions."""
        return list(dict.fromkeys(one.dataset for one in self.conditions))

    def work(self, condition: Condition, seed: int, folder: Path, tell: Tell) -> Arrays:
        """Train one network and take the statistics of its layers; only ``finished`` if it diverged."""
        try:
            run = fit(
                condition.model(seed, self.small),
                condition.data(seed, self.small),
                epochs=self.epochs,
                seed=seed,
                snapshots=self.snapshots,
                record=LAYERS,
                progress=telling(tell, 0.9),
                **condition.training(),
            )
        except Diverged:
            return {"finished": np.array(False)}
        network(run)
        history, generator = run.history, np.random.default_rng(seed)
        by_layer = [self.statistics(history[f"kernel_{layer}"].values, generator) for layer in LAYERS]
        found = {
            name: np.stack([one[name] for one in by_layer], axis=VARIABLES[name].dims.index("layer"))
            for name in by_layer[0]
        }
        found |= {name: history[name].values for name in ("train_accuracy", "test_accuracy")}
        found |= {"step": history.snapshot.values[:: self.every], "finished": np.array(True)}
        return {
            name: array.astype(np.float32) if array.dtype.kind == "f" else array
            for name, array in found.items()
        }

    def statistics(self, rows: np.ndarray, generator: np.random.Generator) -> Arrays:
        """Statistics of one layer's kernel, recorded in ``rows``, and of its random walks and displacements.

        Walks draw from ``generator``, and displacements from a child of it: neither changes the other.
        """
        child = generator.spawn(1)[0]
        found = course(rows, self.every) | ends(rows) | spread(rows[:: self.every])
        for null, moved, random in (
            ("walk", random_walk, generator),
            ("displaced", random_displacement, child),
        ):
            draws = [course(moved(rows, random), self.every) for _ in range(self.walks)]
            found |= {f"{null}_{name}": np.mean([one[name] for one in draws], axis=0) for name in draws[0]}
        return found

    def layout(self, found: Sequence[Arrays]) -> Layout:
        """Courses of the layers, and accuracies by epoch."""
        steps = next(one["step"] for one in found if "step" in one)
        return VARIABLES, {
            "epoch": np.arange(1, self.epochs + 1),
            "snapshot": ("snapshot", steps, {"long_name": "training step"}),
            "layer": list(LAYERS),
            "reading": list(READINGS),
            "membership": list(MEMBERSHIPS),
            "measure": list(MEASURES),
        }


def conditions() -> tuple[Condition, ...]:
    """The full factorial of data, network and optimiser, and two controls that vary the reference."""
    factorial = [
        Condition(dataset, variant, optimiser)
        for dataset in ("mnist", "fashion_mnist")
        for variant in ("modern", "classic")
        for optimiser in ("adam", "sgd")
    ]
    return (*factorial, replace(REFERENCE, labels="random"), replace(REFERENCE, optimiser="adamw"))


SHORT = partial(Observation, seeds=(0, 1), epochs=1, snapshots=5, every=2, walks=2, small=True)
PLANS = {
    NAME: Plan(
        NAME,
        QUESTION,
        Observation(conditions=conditions()),
        SHORT(conditions=(REFERENCE, replace(REFERENCE, labels="random"))),
    )
}
