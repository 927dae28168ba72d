"""The conditions under which a LeNet is observed: data, network, optimiser, attack, labels."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from flax import nnx

from minmax_jax.data import Dataset
from minmax_jax.defences import Adversarial
from minmax_jax.lenet import LeNet, Variant
from minmax_jax.objective import Objective
from minmax_jax.study.design.images import pictures
from minmax_jax.training.optimisers import OPTIMISERS, Optimiser

CONVOLUTIONS = ("conv1", "conv2")
LAYERS = (*CONVOLUTIONS, "dense1", "dense2", "dense3")
STEPS = 5  # of the attack in adversarial training
WARMUP = 0.3  # share of the run in which its radius rises


@dataclass(frozen=True)
class Condition:
    """What a network is trained on, and how; as it stands, the reference: MNIST, modern, Adam, no attack.

    ``eps`` > 0 is adversarial training (PGD of 5 steps, L-inf, radius rising for 0.3 of the run); ``labels``
    "random" are the true ones in random order. "sgd" has rate 0.02 and momentum 0.9, "adamw" decays weights
    by 0.1 times the rate of 0.001.
    """

    dataset: str = "mnist"
    variant: Variant = "modern"
    optimiser: Optimiser = "adam"
    eps: float = 0.0
    labels: Literal["true", "random"] = "true"

    @property
    def name(self) -> str:
        """In words, such as "mnist modern adam eps 0.1"."""
        words = [self.dataset, self.variant, self.optimiser]
        words += [f"eps {self.eps:g}"] if self.eps else []
        words += ["random labels"] if self.labels == "random" else []
        return " ".join(words)

    @property
    def facts(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)

    def data(self, seed: int, small: bool = False) -> Dataset:
        """The data set, of which "random" labels are those of the seed."""
        chosen = pictures(self.dataset, small)
        return chosen.data if self.labels == "true" else chosen.with_random_labels(seed)

    def model(self, seed: int, small: bool = False) -> LeNet:
        """The network before training."""
        data = pictures(self.dataset, small).data
        return LeNet(data.image_shape, data.classes, self.variant, rngs=nnx.Rngs(seed))

    def training(self) -> dict[str, Any]:
        """Arguments of ``fit``: objective and optimiser."""
        attacked = defence(self.eps) if self.eps else None
        return {"objective": Objective(defence=attacked), "optimiser": OPTIMISERS[self.optimiser]}


REFERENCE = Condition()


def defence(eps: float) -> Adversarial:
    """The adversarial training of the study: PGD of 5 steps, its radius rising for 0.3 of the run."""
    return Adversarial(eps, steps=STEPS, warmup=WARMUP)


def coordinates(conditions: list[Condition]) -> dict[str, Any]:
    """Labels along an axis of conditions: their names, and each of their fields."""
    facts = {name: np.array([one.facts[name] for one in conditions]) for name in REFERENCE.facts}
    return {"condition": [one.name for one in conditions]} | {
        name: ("condition", values) for name, values in facts.items()
    }
