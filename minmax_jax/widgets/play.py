"""One choice of everything that the playground trains with, and the controls that make it."""

from dataclasses import dataclass, replace
from typing import Any, get_args

import ipywidgets
from flax import nnx

from minmax_jax.attacks.inputs import check_eps
from minmax_jax.checks import SEEDS, check_count, check_type, one_of
from minmax_jax.data import Dataset, load
from minmax_jax.fuzziness import MEASURES, Measure
from minmax_jax.intervals import MEMBERSHIPS, Membership, Reading
from minmax_jax.lenet import LeNet, Variant
from minmax_jax.objective import TRAINABLE_READINGS, Objective
from minmax_jax.study.design.condition import defence
from minmax_jax.training import Progress, fit
from minmax_jax.training.optimisers import OPTIMISERS, Optimiser
from minmax_jax.widgets.controls import dropdown, integer, row, slider

DATASETS = ("mnist", "fashion_mnist")
STRENGTHS = (-100.0, -30.0, -10.0, -3.0, 0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
RADII = (0.0, 0.05, 0.1, 0.2, 0.3)
ROWS = (
    ("dataset", "variant", "optimiser"),
    ("strength",),
    ("reading", "membership", "measure"),
    ("eps", "epochs", "seed"),
)


@dataclass(frozen=True)
class Play:
    """A LeNet, its data, and how it is trained: objective, optimiser, and how long.

    Args:
        dataset: A name that ``mm.load`` takes.
        variant: The LeNet, as ``mm.LeNet`` has it.
        optimiser: "adam", "sgd" or "adamw", with the study's settings.
        reading: What "interval" means in the fuzziness term.
        membership: How the term reads a weight's membership.
        measure: The term's measure of fuzziness.
        strength: λ of the term; below 0 towards more fuzziness, by default without it.
        eps: The L-inf radius of adversarial training in [0, 1] (PGD of 5 steps, the radius rising during the
            first 0.3 of the run), by default 0: plain training.
        epochs: How often the training images are gone through.
        images: How many of the first training images are used, all if there are fewer.
        seed: Of the initial weights and of the batches.

    Raises:
        TypeError, ValueError: For a field that nothing can be trained with. (Whether there are such data is
            found out by ``data``.)
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
        plain = {
            "strength": float(self.strength),
            "eps": float(self.eps),
            "epochs": check_count("epochs", self.epochs),
            "images": check_count("images", self.images),
            "seed": check_count("seed", self.seed, **SEEDS),
        }
        for field, value in plain.items():
            object.__setattr__(self, field, value)

    @property
    def name(self) -> str:
        """In words, such as "mnist modern adam, λ 10 layer signed entropy, 2 epochs, seed 0"."""
        parts = [f"{self.dataset} {self.variant} {self.optimiser}"]
        if self.strength:
            parts.append(f"λ {self.strength:g} {self.reading} {self.membership} {self.measure}")
        parts += [f"adversarial training at eps {self.eps:g}"] if self.eps else []
        return ", ".join([*parts, f"{self.epochs} epoch{'s' * (self.epochs != 1)}", f"seed {self.seed}"])

    @property
    def trained(self) -> "Play":
        """The same without what makes no difference in training: at strength 0, how fuzziness is read."""
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
        """Train the first steps and discard them: what they compile makes the real training start sooner."""

        def enough(now: Progress) -> bool:
            assert now.history is not None
            now.history()  # is compiled, too
            return True

        fit(self.model(data), data, progress=enough, **self.training())


class PlayForm(ipywidgets.VBox):
    """Controls for the fields of a ``Play``: ``choice`` is what they say, ``controls`` each by its field."""

    def __init__(self, start: Play) -> None:
        self.images = start.images
        lists: dict[str, tuple[str, tuple[str, ...]]] = {
            "dataset": ("dataset", tuple(dict.fromkeys((*DATASETS, start.dataset)))),
            "variant": ("network", get_args(Variant)),
            "optimiser": ("optimiser", get_args(Optimiser)),
            "reading": ("λ reading", TRAINABLE_READINGS),
            "membership": ("λ membership", MEMBERSHIPS),
            "measure": ("λ measure", MEASURES),
        }
        self.controls: dict[str, Any] = {
            field: dropdown(name, options, getattr(start, field), width="220px")
            for field, (name, options) in lists.items()
        }
        self.controls |= {
            "strength": slider("strength λ of fuzziness", STRENGTHS, float(start.strength)),
            "eps": slider("adversarial training, eps", RADII, float(start.eps)),
            "epochs": integer("epochs", start.epochs, 1, 20),
            "seed": integer("seed", start.seed, 0, 99),
        }
        super().__init__([row(*(self.controls[field] for field in fields)) for fields in ROWS])

    @property
    def choice(self) -> Play:
        """What the controls say."""
        return Play(images=self.images, **{field: control.value for field, control in self.controls.items()})
