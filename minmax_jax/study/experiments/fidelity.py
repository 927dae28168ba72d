"""Fidelity: what do the numbers of the paper's group become under strong attacks?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.attacks.deepfool import deepfool
from minmax_jax.attacks.fgsm import fgsm
from minmax_jax.attacks.pgd import pgd
from minmax_jax.attacks.registry import WORST, NamedAttack
from minmax_jax.data import Split
from minmax_jax.evaluation import map_batches, merge_model, split_model
from minmax_jax.models.pixels import OnPixels
from minmax_jax.robustness.masking import CHECKS
from minmax_jax.robustness.target import prepare
from minmax_jax.study.design.data import images_of
from minmax_jax.study.design.fidelity import ARMS, BATCH_SIZE, DATASET, EPS, FGSM, PLAIN, Rebuilt, unclipped
from minmax_jax.study.engine.experiment import Arrays, Tell, fitted
from minmax_jax.study.experiments import filters, measurements
from minmax_jax.study.experiments.factorial import Layout, Plan, Variable, stored
from minmax_jax.study.experiments.grouped import Grouped
from minmax_jax.study.experiments.rival import rival

NAME = "fidelity"
QUESTION = "What do the numbers of the paper's group become under strong attacks?"
TUNING = 100  # added to the seed of the order of batches where training goes on from a trained network
BATCH = 250  # images attacked together
UNCLIPPED = "fgsm unclipped"
# The group's attacks in the box [0, 1], where its own FGSM and DeepFool are not: with radius and norm.
BOXED: Mapping[str, tuple[NamedAttack, float | None, Any]] = {
    "fgsm": (NamedAttack(fgsm), EPS, "linf"),
    "pgd": (NamedAttack(partial(pgd, steps=40)), EPS, "linf"),
    "deepfool": (NamedAttack(partial(deepfool, steps=3)), None, "l2"),
}
VARIABLES = {
    **filters.WEIGHTS,
    "judged": Variable(
        ("judge",),
        "accuracy under the group's attacks at eps 0.0924; DeepFool takes 3 steps and has no radius",
    ),
    **{name: measurements.VARIABLES[name] for name in ("clean_accuracy", "accuracy", "masking")},
    "finished": Variable((), "whether training, that before tuning too, came to its end, without diverging"),
}


@dataclass(frozen=True, kw_only=True)
class Fidelity(Grouped):
    """How much is tried: which networks (``arms``), from which seeds, and on how many validation images.

    Clean accuracy is that of all of them. The group's attacks are tried on so many ``judged`` for each seed,
    others for each, and strong ones on the first ``images`` of these. Networks that are tuned are done with
    the plain one that they start from.
    """

    arms: tuple[Rebuilt, ...] = ARMS
    seeds: tuple[int, ...] = tuple(range(5))
    judged: int = stored("images of each seed under the group's attacks", 1000)
    images: int = stored("attacked images of each seed", 48)
    attacks: tuple[str, ...] = ("pgd", "autoattack")
    eps: tuple[float, ...] = (EPS, 0.1, 0.2)
    checks: bool = stored("checks for masking", True)

    @property
    def datasets(self) -> Sequence[str]:
        """The name of the data set."""
        return (DATASET,)

    def group(self, arm: Rebuilt) -> Rebuilt:
        """What the network starts from, else itself."""
        return arm.start or arm

    def cost(self, arm: Rebuilt, _: int) -> float:
        """By the epochs; attacks take as long as some."""
        return arm.passes + 10.0

    def work(self, arm: Rebuilt, seed: int, folder: Path, tell: Tell) -> Arrays:
        """Train and measure one network; one that diverges is measured as it last was, ``finished`` 0."""
        model, finished = self.trained(arm, seed, folder, tell)
        part = self.data.validation
        judged = images_of(part, seed, self.seeds, self.judged)
        attacked = judged[: self.images]
        other = rival(DATASET, self.small) if self.checks else None
        found = measurements.strongly(model, part, attacked, self.eps, self.attacks, seed, other)
        found |= filters.weights(model.network) | {"judged": judge(model, judged, seed)}
        return found | {"finished": np.array(finished)}

    def trained(self, arm: Rebuilt, seed: int, folder: Path, tell: Tell) -> tuple[OnPixels, bool]:
        """A trained network, whose run ``folder`` keeps, and whether all training came to its end."""
        start, finished = arm.model(seed, self.small), True
        if arm.start is not None:
            start, finished = self.trained(arm.start, seed, folder, tell)
        data = self.data.data
        model, came_to_its_end = fitted(
            start,
            data,
            tell,
            0.6,
            epochs=arm.passes,
            batch_size=BATCH_SIZE,
            seed=seed + (TUNING if arm.tuned else 0),
            checkpoint=folder / arm.name,
            **arm.training(arm.passes * (len(data.train) // BATCH_SIZE)),
        )
        return model, finished and came_to_its_end

    def layout(self, found: Sequence[Arrays]) -> Layout:
        """What the convolutions' weights are, and accuracies."""
        return VARIABLES, {
            **filters.labels(self.eps),
            "judge": [UNCLIPPED, *BOXED],
            "attack": [*self.attacks, WORST],
            "check": list(CHECKS),
        }


def judge(model: OnPixels, part: Split, seed: int) -> Float[np.ndarray, " judge"]:
    """Accuracy under the group's FGSM, which leaves [0, 1], and under its attacks in the box.

    Nearly all pixels of MNIST lie at an end of [0, 1], where the box lets an attack go one way only: outside
    of it FGSM is stronger, by images that are none.
    """
    found = [withstands(model, part).mean()]
    for name, (attack, eps, norm) in BOXED.items():
        target = prepare(model, part, norm, BATCH)
        rows = np.flatnonzero(target.correct)
        broken = target.attacked(name, attack, eps, rows, seed).broken
        found.append((len(rows) - broken.sum()) / len(part))
    return np.array(found, np.float32)


def withstands(model: OnPixels, part: Split) -> Bool[np.ndarray, " n"]:
    """Which images are classified as labelled after FGSM that is not clipped."""
    definition, state = split_model(model)
    return np.asarray(_withstands(definition, state, jnp.asarray(part.images), jnp.asarray(part.labels)))


@partial(jax.jit, static_argnames="definition")
def _withstands(
    definition: Any, state: Any, images: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Bool[Array, " n"]:
    model = merge_model(definition, state)

    def one(x: Array, y: Array) -> Array:
        return model(unclipped(model, x, y, EPS)).argmax(-1) == y

    return map_batches(one, BATCH, images, labels)


FULL = Fidelity()
QUICK = replace(
    FULL,
    arms=(
        PLAIN,
        replace(FGSM, epochs=1),
        Rebuilt("l1 - l2", 1.0, "both", epochs=1),
        Rebuilt("l1 - l2", 1.0, "conv1", epochs=1, tuned=True),
    ),
    seeds=(0, 1),
    judged=16,
    images=8,
    attacks=("pgd",),
    checks=False,
    small=True,
)
PLANS = {NAME: Plan(NAME, QUESTION, FULL, QUICK)}
