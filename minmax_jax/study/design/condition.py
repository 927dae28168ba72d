"""The conditions under which a LeNet is observed: data, network, optimiser, attack, labels."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from flax import nnx

from minmax_jax.data import Dataset
from minmax_jax.defences import Adversarial
from minmax_jax.lenet import LeNet, Variant
from minmax_jax.objective import Objective
from minmax_jax.study.design.data import study_data
from minmax_jax.study.design.treatment import Treatment
from minmax_jax.training.optimisers import OPTIMISERS, Optimiser

CONVOLUTIONS = ("conv1", "conv2")
LAYERS = (*CONVOLUTIONS, "dense1", "dense2", "dense3")
STEPS = 5  # of the attack in adversarial training
WARMUP = 0.3  # share of the run in which its radius rises


@dataclass(frozen=True)
class Condition(Treatment):
    """What a network is trained on, and how; by default the reference: MNIST, modern, Adam, no attack.

    ``eps`` > 0 is adversarial training (PGD of 5 steps, L-inf, radius rising for 0.3 of the run); ``labels``
    "random" are the true ones in random order. "sgd" has rate 0.02 and momentum 0.9, "adamw" decays weights
    by 0.1 times the rate of 0.001.
    """

    prefix: ClassVar[str | None] = ""

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

    def data(self, seed: int, small: bool = False) -> Dataset:
        """The data set; "random" labels are drawn by the seed."""
        chosen = study_data(self.dataset, small)
        return chosen.data if self.labels == "true" else chosen.with_random_labels(seed)

    def model(self, seed: int, small: bool = False) -> LeNet:
        """The network before training."""
        data = study_data(self.dataset, small).data
        return LeNet(data.image_shape, data.classes, self.variant, rngs=nnx.Rngs(seed))

    def training(self, steps: int = 0) -> dict[str, Any]:
        """Arguments of ``fit``: objective and optimiser, the same for any number of steps."""
        attacked = defence(self.eps) if self.eps else None
        return {"objective": Objective(defence=attacked), "optimiser": OPTIMISERS[self.optimiser]}


REFERENCE = Condition()


def defence(eps: float) -> Adversarial:
    """The adversarial training of the study: PGD of 5 steps, its radius rising for 0.3 of the run."""
    return Adversarial(eps, steps=STEPS, warmup=WARMUP)
