"""One choice of everything that the playground trains with."""

from dataclasses import dataclass, replace
from typing import Any, get_args

from flax import nnx

from minmax_jax.attacks.inputs import check_eps
from minmax_jax.checks import SEEDS, check_count, check_type, one_of
from minmax_jax.data import Dataset, load
from minmax_jax.fuzziness import Measure
from minmax_jax.intervals import Membership, Reading
from minmax_jax.lenet import LeNet, Variant
from minmax_jax.objective import Objective
from minmax_jax.study.design.condition import defence
from minmax_jax.training import fit
from minmax_jax.training.optimisers import OPTIMISERS, Optimiser
from minmax_jax.training.progress import Progress


@dataclass(frozen=True)
class Play:
    """A LeNet, its data, and how it is trained: objective, optimiser, and how long.

    ``eps`` > 0 is adversarial training at that L-inf radius (PGD of 5 steps, its radius rising for 0.3 of the
    run). ``images`` are the first of the training set, all if there are not so many. Raises TypeError or
    ValueError for a field that nothing can be trained with; whether the data are there is found by ``data``.
    """

    dataset: str = "mnist"
    variant: Variant = "modern"
    optimiser: Optimiser = "adam"
    reading: Reading = "layer"
    membership: Membership = "signed"
    measure: Measure = "entropy"
    strength: float = 0.0
    eps: float = 0.0
    epochs: int = 2
    images: int = 60_000
    seed: int = 0

    def __post_init__(self) -> None:
        check_type("dataset", self.dataset, str)
        one_of("variant", self.variant, get_args(Variant))
        one_of("optimiser", self.optimiser, get_args(Optimiser))
        Objective(self.strength, self.reading, self.membership, self.measure)
        check_eps(self.eps, "linf")
        check_count("epochs", self.epochs)
        check_count("images", self.images)
        check_count("seed", self.seed, **SEEDS)

    @property
    def name(self) -> str:
        """In words, such as "mnist modern adam, λ 10 layer signed entropy, eps 0.1, 2 epochs, seed 0"."""
        parts = [f"{self.dataset} {self.variant} {self.optimiser}"]
        if self.strength:
            parts.append(f"λ {self.strength:g} {self.reading} {self.membership} {self.measure}")
        parts += [f"eps {self.eps:g}"] if self.eps else []
        return ", ".join([*parts, f"{self.epochs} epoch{'s' * (self.epochs != 1)}", f"seed {self.seed}"])

    @property
    def trained(self) -> "Play":
        """The same, less what makes no difference in training: without strength, how fuzziness is read."""
        return (
            self if self.strength else replace(self, reading="layer", membership="signed", measure="entropy")
        )

    def data(self) -> Dataset:
        """The data set with as many training images as asked for. Raises what ``mm.load`` does."""
        whole = load(self.dataset)
        if self.images >= len(whole.train):
            return whole
        name, part = f"{whole.name}-{self.images}", whole.train[: self.images]
        return Dataset(name, part, whole.test, whole.class_names, whole.provenance)

    def model(self, data: Dataset) -> LeNet:
        """The network before training."""
        return LeNet(data.image_shape, data.classes, self.variant, rngs=nnx.Rngs(self.seed))

    def training(self) -> dict[str, Any]:
        """Arguments of ``fit``."""
        attacked = defence(self.eps) if self.eps else None
        objective = Objective(self.strength, self.reading, self.membership, self.measure, defence=attacked)
        return {
            "objective": objective,
            "optimiser": OPTIMISERS[self.optimiser],
            "epochs": self.epochs,
            "seed": self.seed,
        }

    def rehearse(self, data: Dataset) -> None:
        """Do the first steps and throw them away: what is compiled for them serves the training to come."""

        def enough(now: Progress) -> bool:
            assert now.history is not None
            now.history()  # compiled, too
            return True

        fit(self.model(data), data, progress=enough, **self.training())
