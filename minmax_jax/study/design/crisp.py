"""Networks whose first convolution is crisp: made by hand, or found by a term of the loss."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Float

from minmax_jax.jobs.once import once
from minmax_jax.lenet import LeNet, Variant
from minmax_jax.models.parameters import are_inside
from minmax_jax.models.pixels import OnPixels, Squashed
from minmax_jax.objective import Objective
from minmax_jax.study.design.condition import Condition
from minmax_jax.study.design.transplant import FROZEN
from minmax_jax.study.design.treatment import Treatment
from minmax_jax.terms import L1, L2, EffectiveTaps, Fuzziness, L1MinusL2, Term, UnitFuzziness
from minmax_jax.training import ADAM

# Where the filters of a made convolution look: at the centre of the window and beside it, as (row, column).
CENTRES = ((2, 2), (2, 3), (3, 2), (1, 2), (2, 1), (3, 3))
FAST = 2e-2  # Adam's rate for a first convolution that has to become steep: the others' is 1e-3


@dataclass(frozen=True)
class Made(Treatment):
    """A first convolution with so many ``taps`` a filter, a ``slope`` and a ``threshold``; the rest learns.

    A filter's weights are ``slope / taps`` at the taps nearest to its centre, and its bias is ``-slope *
    threshold``, so that ``y = slope (mean of the taps' pixels - threshold)``. It is frozen unless ``learns``.
    With 0 taps, nothing is made: a plain network. ``squashed`` instead puts ``sigmoid(slope (x -
    threshold))`` in the place of each pixel, of which binarised images are the limit. The last ``dark``
    filters have the opposite signs: their units are on where pixels are dark, which a ReLU does not bound.
    """

    prefix: ClassVar[str | None] = "made_"

    taps: int = 1
    slope: float = 20.0
    threshold: float = 0.5
    variant: Variant = "classic"
    learns: bool = False
    squashed: bool = False
    dataset: str = "mnist"
    dark: int = 0

    @property
    def name(self) -> str:
        """In words, such as "classic, 1 tap, slope 20, threshold 0.5"."""
        if not self.taps:
            return f"{self.variant}, plain"
        first = "squashed pixels" if self.squashed else f"{self.taps} tap{'s' if self.taps > 1 else ''}"
        words = [self.variant, first, f"slope {self.slope:g}", f"threshold {self.threshold:g}"]
        words += [f"{self.dark} for dark"] if self.dark else []
        return ", ".join([*words, *(["learns"] if self.learns else [])])

    def model(self, seed: int, small: bool = False) -> nnx.Module:
        """The network before training."""
        model = Condition(self.dataset, self.variant).model(seed, small)
        if not self.taps:
            return model
        if self.squashed:
            return OnPixels(model, Squashed(self.slope, self.threshold))
        return by_hand(model, self.taps, self.slope, self.threshold, self.dark)

    def training(self, steps: int = 0) -> dict[str, Any]:
        """Arguments of ``fit``: objective and optimiser."""
        is_free = self.learns or self.squashed or not self.taps
        return {"objective": Objective(), "optimiser": ADAM if is_free else FROZEN["conv1"]}


def by_hand(model: LeNet, taps: int = 1, slope: float = 20.0, threshold: float = 0.5, dark: int = 0) -> LeNet:
    """The network, whose first convolution is now that of ``made_kernel``, with this threshold.

    The last ``dark`` filters have their signs turned.
    """
    kernel = made_kernel(model.conv1.kernel.shape, taps, slope)
    signs = np.where(np.arange(kernel.shape[-1]) < kernel.shape[-1] - dark, 1, -1).astype(np.float32)
    model.conv1.kernel[...] = jnp.asarray(kernel * signs)
    model.conv1.bias[...] = jnp.asarray(-slope * threshold * signs, jnp.float32)  # type: ignore[index]
    return model


def made_kernel(shape: Sequence[int], taps: int, slope: float) -> Float[np.ndarray, "kh kw cin cout"]:
    """A kernel whose filters have ``taps`` equal weights that add up to ``slope``, around their own centres.

    Raises ValueError for more taps than a filter has weights.
    """
    height, width, channels, filters = shape
    if not 1 <= taps <= height * width or channels != 1:
        raise ValueError(f"taps must be in [1, {height * width}] for one input channel, got {taps}")
    kernel = np.zeros((height, width, channels, filters), np.float32)
    rows, columns = np.mgrid[:height, :width]
    for number in range(filters):
        row, column = CENTRES[number % len(CENTRES)]
        nearest = np.argsort(((rows - row) ** 2 + (columns - column) ** 2).ravel(), kind="stable")[:taps]
        kernel.reshape(-1, filters)[nearest, number] = slope / taps
    return kernel


Kind = Literal["none", "units", "l1 - l2", "l1", "l2", "fuzziness"]


@dataclass(frozen=True)
class Found(Treatment):
    """A network trained from random weights with a term of the loss, without attacks or filters made by hand.

    ``term`` "units" is the fuzziness of the first convolution's units, less that of their mean, with the
    other fields as ``UnitFuzziness`` has them, and ``taps`` the strength of ``EffectiveTaps`` there; the
    first convolution learns at ``rate``, all else at 1e-3. "l1 - l2" is the term of the paper's group, on
    ``layers``; "l1" and "l2" are penalties on both convolutions, and "fuzziness" is signed, in the layer's
    interval.
    """

    prefix: ClassVar[str | None] = "found_"

    term: Kind = "none"
    strength: float = 0.0
    tau: float = 0.1
    start: float = 0.5
    anneal: float = 0.8
    temperature: float = 0.3
    taps: float = 0.1
    rate: float = FAST
    layers: str = "conv1"
    variant: Variant = "classic"
    dataset: str = "mnist"

    @property
    def name(self) -> str:
        """In words: the variant, the term with its strength, and what differs from the usual but the data."""
        words = [self.variant, self.term + (f" {self.strength:g}" if self.strength else "")]
        usual = replace(Found(), variant=self.variant, term=self.term, strength=self.strength)
        for name, value in self.facts.items():
            if name != "dataset" and value != usual.facts[name]:
                words.append(value if isinstance(value, str) else f"{name} {value:g}")
        return ", ".join(words)

    def model(self, seed: int, small: bool = False) -> LeNet:
        """The network before training."""
        return Condition(self.dataset, self.variant).model(seed, small)

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms of the loss."""
        layers = self.layers.split(" and ")
        if self.term == "units":
            units = UnitFuzziness(self.strength, layers, self.tau, self.start, self.anneal, self.temperature)
            return (units, EffectiveTaps(self.taps, layers)) if self.taps else (units,)
        kinds: dict[str, Any] = {"l1 - l2": L1MinusL2, "l1": L1, "l2": L2, "fuzziness": Fuzziness}
        return (kinds[self.term](self.strength, layers),) if self.term in kinds else ()

    def training(self, steps: int = 0) -> dict[str, Any]:
        """Arguments of ``fit``: objective and optimiser."""
        optimiser = by_layer(self.rate) if self.term == "units" else ADAM
        return {"objective": Objective(terms=self.terms), "optimiser": optimiser}


@once  # one object for equal rates, so that all seeds share a compilation
def by_layer(rate: float) -> optax.GradientTransformation:
    """Adam at ``rate`` for the first convolution, and at 1e-3 for the rest."""

    def names(params: Any) -> Any:
        chosen = are_inside(params, ["conv1"])
        return jax.tree.unflatten(jax.tree.structure(params), ["first" if one else "rest" for one in chosen])

    return optax.partition({"first": optax.adam(rate), "rest": ADAM}, names)


PLAIN: tuple[Variant, ...] = ("classic", "modern")
TAPS, SLOPES, THRESHOLDS = (1, 2, 5, 25), (2.0, 5.0, 20.0, 80.0), (0.1, 0.3, 0.7)
BY_HAND = (
    *(Made(0, variant=variant) for variant in PLAIN),
    *(Made(taps, slope) for taps in TAPS for slope in SLOPES),
    *(Made(1, 20.0, threshold) for threshold in THRESHOLDS),
    *(Made(taps, 20.0, variant="modern") for taps in (1, 25)),
    *(Made(1, 20.0, variant=variant, dark=3) for variant in PLAIN),
    Made(1, 20.0, learns=True),
    Made(1, 20.0, squashed=True),
)
UNITS = Found("units", 100.0)
BY_LOSS = (
    *(Found(variant=variant) for variant in PLAIN),
    UNITS,
    replace(UNITS, taps=0.0),
    replace(UNITS, start=0.1),
    replace(UNITS, temperature=0.0),
    replace(UNITS, tau=0.2),
    replace(UNITS, rate=1e-3),
    replace(UNITS, variant="modern"),
    *(Found("l1 - l2", 1.0, variant=variant) for variant in PLAIN),
    Found("l2", 1e-2, layers="conv1 and conv2"),
    Found("fuzziness", 1.0, layers="conv1 and conv2"),
)
# Where pixels are not nearly binary; what is chosen is what was best on MNIST, and a lower threshold.
HAND_LIMITS = tuple(
    replace(arm, dataset="fashion_mnist") for arm in (Made(0), *(Made(1, 20.0, at) for at in (0.25, 0.5)))
)
LOSS_LIMITS = tuple(replace(arm, dataset="fashion_mnist") for arm in (Found(), replace(UNITS, taps=0.0)))
