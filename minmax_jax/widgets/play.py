"""One choice of everything that the playground trains with, and the controls that make it."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import ipywidgets
import optax
from flax import nnx

from minmax_jax.attacks.inputs import check_eps
from minmax_jax.checks import SEEDS, check_count, check_flag, check_type, one_of
from minmax_jax.data import Dataset, load
from minmax_jax.data.dataset import BUNDLED
from minmax_jax.data.tfds import is_prepared
from minmax_jax.defences import TRADES
from minmax_jax.fuzziness import MEASURES, Measure
from minmax_jax.intervals import MEMBERSHIPS, Membership, Reading
from minmax_jax.jobs.once import once
from minmax_jax.lenet import LeNet, Variant
from minmax_jax.objective import TRAINABLE_READINGS, Objective
from minmax_jax.study.design.condition import STEPS, WARMUP, defence
from minmax_jax.study.design.crisp import FAST, Found, by_hand, by_layer
from minmax_jax.training import Progress, fit
from minmax_jax.training.optimisers import OPTIMISERS, Optimiser, frozen
from minmax_jax.widgets.controls import WholeNumber, checkbox, dropdown, group, slider
from minmax_jax.widgets.status import Status

DATASETS = ("mnist", "fashion_mnist")
STRENGTHS = (-100.0, -30.0, -10.0, -3.0, 0.0, 0.01, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
RADII = (0.0, 0.05, 0.1, 0.2, 0.3)
GROUPS = {
    "Data and network": ("dataset", "variant", "made", "optimiser"),
    "Term of the loss": ("term", "strength", "reading", "membership", "measure"),
    "Training under attack": ("defence", "eps"),
    "Length": ("epochs", "seed"),
}
TermName = Literal["fuzziness", "units", "l1 - l2", "l2"]
DefenceName = Literal["adversarial", "trades"]
TERMS: Mapping[TermName, str] = {
    "fuzziness": "λ",
    "units": "fuzziness of units",
    "l1 - l2": "L1 - L2 of conv1",
    "l2": "L2 of convolutions",
}
DEFENCES: Mapping[DefenceName, str] = {"adversarial": "adversarial training", "trades": "TRADES"}
OWN = "own settings"
NOT_PREPARED = "{0} is not prepared here; <code>python -m minmax_jax.data {0}</code> prepares it."
# What can be compared with a click; epochs are enough to see how they differ, not the study's.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "less fuzziness of weights": {"strength": 10.0},
    "L2": {"term": "l2", "strength": 0.01},
    "L1 - L2 of conv1 (the group's term)": {"term": "l1 - l2", "strength": 1.0},
    "crisp by hand": {"variant": "classic", "made": True},
    "crisp by a term": {"variant": "classic", "term": "units", "strength": 100.0, "epochs": 5},
    "adversarial training": {"eps": 0.3, "epochs": 3},
    "TRADES": {"eps": 0.3, "defence": "trades", "epochs": 3},
}


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
        term: What ``strength`` is of: the fuzziness of weights; that of the first convolution's units, which
            then learns by Adam at 0.02, the rest at 0.001; L1 - L2 of the first convolution, as the paper's
            group has it; or L2 of both convolutions.
        defence: What ``eps`` is of: adversarial training, or TRADES with beta 6.
        made: Whether the first convolution is made by hand, of single taps with thresholds between dark and
            bright, and frozen.

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
    term: TermName = "fuzziness"
    defence: DefenceName = "adversarial"
    made: bool = False

    def __post_init__(self) -> None:
        check_type("dataset", self.dataset, str)
        one_of("variant", self.variant, get_args(Variant))
        one_of("optimiser", self.optimiser, get_args(Optimiser))
        one_of("term", self.term, get_args(TermName))
        one_of("defence", self.defence, get_args(DefenceName))
        check_flag("made", self.made)
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
        if self.made:
            parts.append("first convolution by hand")
        if self.strength:
            how = f" {self.reading} {self.membership} {self.measure}" if self.term == "fuzziness" else ""
            parts.append(f"{TERMS[self.term]} {self.strength:g}{how}")
        if self.eps:
            parts.append(f"{DEFENCES[self.defence]} at eps {self.eps:g}")
        return ", ".join([*parts, f"{self.epochs} epoch{'s' * (self.epochs != 1)}", f"seed {self.seed}"])

    @property
    def trained(self) -> "Play":
        """The same without what makes no difference in training, such as how a term of strength 0 is read."""
        found = self if self.eps else replace(self, defence="adversarial")
        if not self.strength:
            found = replace(found, term="fuzziness")
        elif self.term == "units":
            found = replace(found, optimiser="adam")
        if self.strength and self.term == "fuzziness":
            return found
        return replace(found, reading="layer", membership="signed", measure="entropy")

    def data(self) -> Dataset:
        """The data set with as many training images as asked for. Raises what ``mm.load`` does."""
        whole = load(self.dataset)
        if self.images >= len(whole.train):
            return whole
        name, part = f"{whole.name}-{self.images}", whole.train[: self.images]
        return Dataset(name, part, whole.test, whole.class_names, whole.provenance)

    def model(self, data: Dataset) -> LeNet:
        """The network before training."""
        model = LeNet(data.image_shape, data.classes, self.variant, rngs=nnx.Rngs(self.seed))
        return by_hand(model) if self.made else model

    def training(self) -> dict[str, Any]:
        """Arguments of ``fit``."""
        attacked: Any = None
        if self.eps:
            is_trades = self.defence == "trades"
            attacked = TRADES(self.eps, steps=STEPS, warmup=WARMUP) if is_trades else defence(self.eps)
        if self.term == "fuzziness" or not self.strength:
            terms: Any = {
                name: getattr(self, name) for name in ("strength", "reading", "membership", "measure")
            }
        else:
            layers = "conv1 and conv2" if self.term == "l2" else "conv1"
            terms = {"terms": Found(self.term, self.strength, taps=0.0, layers=layers).terms}
        return {
            "objective": Objective(**terms, defence=attacked),
            "optimiser": self._optimiser,
            "epochs": self.epochs,
            "seed": self.seed,
        }

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        found = OPTIMISERS[self.optimiser]
        if self.term == "units" and self.strength:
            found = by_layer(FAST)
        return _held(found) if self.made else found

    def rehearse(self, data: Dataset) -> None:
        """Train the first steps and discard them: what they compile makes the real training start sooner."""

        def enough(now: Progress) -> bool:
            assert now.history is not None
            now.history()  # is compiled, too
            return True

        fit(self.model(data), data, progress=enough, **self.training())


@once  # one object for each, so that all seeds share a compilation
def _held(optimiser: optax.GradientTransformation) -> optax.GradientTransformation:
    """The optimiser, which leaves the first convolution as it is."""
    return frozen(optimiser, ["conv1"])


class PlayForm(ipywidgets.VBox):
    """Controls for the fields of a ``Play``: ``choice`` is what they say, ``controls`` each by its field.

    ``preset`` is a list of settings with a name, which sets all controls but data and seed; it says "own
    settings" where they are none of these. Of the data sets those are offered that are prepared here.
    ``wrong`` says which number cannot be used, as long as there is one.
    """

    def __init__(self, start: Play) -> None:
        self.images = start.images
        missing = [name for name in DATASETS if name != BUNDLED and not is_prepared(name)]
        offered = (*(name for name in DATASETS if name not in missing), start.dataset)
        lists: dict[str, tuple[str, tuple[str, ...]]] = {
            "dataset": ("dataset", tuple(dict.fromkeys(offered))),
            "variant": ("network", get_args(Variant)),
            "optimiser": ("optimiser", get_args(Optimiser)),
            "term": ("term", get_args(TermName)),
            "defence": ("defence", get_args(DefenceName)),
            "reading": ("λ reading", TRAINABLE_READINGS),
            "membership": ("λ membership", MEMBERSHIPS),
            "measure": ("λ measure", MEASURES),
        }
        self.controls: dict[str, Any] = {
            field: dropdown(name, options, getattr(start, field)) for field, (name, options) in lists.items()
        }
        self.controls |= {
            "strength": slider("strength λ of the term", STRENGTHS, float(start.strength)),
            "eps": slider("training under attack, eps", RADII, float(start.eps)),
            "epochs": WholeNumber("epochs", start.epochs, 1, 20),
            "seed": WholeNumber("seed", start.seed, 0, 99),
            "made": checkbox("first convolution by hand", start.made),
        }
        self.preset = dropdown("preset", [OWN, *PRESETS])
        self.wrong = Status()
        self._tell()
        self.preset.observe(self._take, "value")
        for control in self.controls.values():
            control.observe(self._tell, "value")
        groups = {name: [self.controls[field] for field in fields] for name, fields in GROUPS.items()}
        notes = [ipywidgets.HTML(NOT_PREPARED.format(name)) for name in missing]
        groups["Data and network"][1:1] = notes
        groups["Length"].append(self.wrong)
        boxes = [group("", self.preset), *(group(name, *some) for name, some in groups.items())]
        super().__init__(boxes)
        self.add_class("minmax-groups")

    @property
    def choice(self) -> Play:
        """What the controls say. Raises ValueError for a number out of its range."""
        said: dict[str, Any] = {
            field: control.number if isinstance(control, WholeNumber) else control.value
            for field, control in self.controls.items()
        }
        return Play(images=self.images, **said)

    def _take(self, change: Any) -> None:
        """Set the controls to what the preset says."""
        with contextlib.suppress(ValueError):  # a number that the preset may mend
            if preset_of(self.choice) == change["new"]:
                return
        if change["new"] == OWN:
            return
        asked = replace(Play(images=self.images), **PRESETS[change["new"]])
        for field, control in self.controls.items():
            if field not in ("dataset", "seed"):
                control.value = getattr(asked, field)

    def _tell(self, _: Any = None) -> None:
        """Say which preset the controls are, or what is wrong with them."""
        try:
            self.preset.value = preset_of(self.choice)
        except ValueError as error:
            self.wrong.warn(str(error))
        else:
            self.wrong.value = ""


def preset_of(now: Play) -> str:
    """The preset that a choice is, whatever its data, length and seed, else "own settings"."""
    rest = {name: getattr(now, name) for name in ("dataset", "images", "epochs", "seed")}
    for name, fields in PRESETS.items():
        if replace(Play(), **{**fields, **rest}).trained == now.trained:
            return name
    return OWN
