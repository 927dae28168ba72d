"""The arms of the regularisation experiments: which objective a network is trained with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import optax

from minmax_jax.fuzziness import Measure
from minmax_jax.intervals import MEMBERSHIPS, Membership, Reading
from minmax_jax.objective import Objective
from minmax_jax.study.design.condition import defence
from minmax_jax.study.design.treatment import Treatment
from minmax_jax.training import ADAM
from minmax_jax.training.optimisers import keep_in_interval

if TYPE_CHECKING:
    import xarray as xr

Penalty = Literal["none", "fuzziness", "l1", "l2"]
PROJECTED = optax.chain(ADAM, keep_in_interval())
# The strength curve: four decades up, and the causal control downwards.
CURVE = (-100.0, -30.0, -10.0, 0.1, 1.0, 10.0, 30.0, 100.0, 1000.0)
WEAK = (-3.0, -1.0, -0.3, -0.1)
PAIR = (-30.0, 30.0)
ATTACKED = (-10.0, 10.0)
NORMS: Mapping[Literal["l1", "l2"], tuple[float, ...]] = {
    "l1": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    "l2": (1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
}


@dataclass(frozen=True)
class Arm(Treatment):
    """A penalty and its strength, with or without adversarial training at radius ``eps``.

    Reading, membership and measure are those of the fuzziness. With the reading "fixed", weights are
    projected into the interval after each step, even where the strength is 0.
    """

    prefix: ClassVar[str | None] = "trained_"

    penalty: Penalty = "none"
    strength: float = 0.0
    reading: Reading = "layer"
    membership: Membership = "signed"
    measure: Measure = "entropy"
    eps: float = 0.0

    @property
    def name(self) -> str:
        """In words, such as "fuzziness 30 layer signed entropy"."""
        words = [self.penalty if self.penalty == "none" else f"{self.penalty} {self.strength:g}"]
        if self.penalty == "fuzziness":
            words += [self.reading, self.membership, self.measure]
        elif self.reading == "fixed":
            words += ["fixed"]
        return " ".join([*words, *([f"eps {self.eps:g}"] if self.eps else [])])

    @property
    def base(self) -> "Arm":
        """The arm to compare with: the same without a penalty."""
        return Arm(reading="fixed" if self.reading == "fixed" else "layer", eps=self.eps)

    @property
    def kind(self) -> "Arm":
        """The same at strength 0: arms of one kind differ in their strength alone."""
        return replace(self, strength=0.0)

    def training(self, steps: int = 0) -> dict[str, Any]:
        """Arguments of ``fit``: objective and optimiser, the same for any number of steps."""
        terms: dict[str, Any] = {}
        if self.penalty == "fuzziness":
            terms = {
                "strength": self.strength,
                "reading": self.reading,
                "membership": self.membership,
                "measure": self.measure,
            }
        elif self.penalty != "none":
            terms = {self.penalty: self.strength}
        if self.eps:
            terms["defence"] = defence(self.eps)
        return {
            "objective": Objective(**terms),
            "optimiser": PROJECTED if self.reading == "fixed" else ADAM,
        }


def curve(
    arms: Iterable[Arm], reading: Reading = "layer", measure: Measure = "entropy", eps: float = 0.0
) -> list[Arm]:
    """The arms that push fuzziness of this reading and measure, of any membership and strength."""
    asked = "fuzziness", reading, measure, eps
    return [one for one in arms if (one.penalty, one.reading, one.measure, one.eps) == asked]


# The design, one factor at a time; each part holds the arms that its arms are compared with.
PARTS: Mapping[str, tuple[Arm, ...]] = {
    # a curve of strengths for both memberships, in the layer's interval, by entropy
    "strengths": (Arm(), *(Arm("fuzziness", s, membership=m) for m in MEMBERSHIPS for s in CURVE)),
    # other intervals and another measure, at one strength of each sign
    "readings": (
        Arm(),
        Arm(reading="fixed"),
        *(Arm("fuzziness", s, "filter", m) for m in MEMBERSHIPS for s in PAIR),
        *(Arm("fuzziness", s, "fixed", m) for m in MEMBERSHIPS for s in PAIR),
        *(Arm("fuzziness", s, "layer", m, "quadratic") for m in MEMBERSHIPS for s in PAIR),
    ),
    # controls, to be compared at equal clean accuracy
    "norms": (Arm(), *(Arm(penalty, s) for penalty, strengths in NORMS.items() for s in strengths)),
    # Weak strengths towards the centre, added when the others were done: the curve leaves them out, and only
    # there could be a gain at no cost in clean accuracy, such as weak penalties on norms have.
    "weak": (
        Arm(),
        Arm(reading="fixed"),
        *(Arm("fuzziness", s) for s in WEAK),
        Arm("fuzziness", -1.0, membership="magnitude"),
        *(Arm("fuzziness", s, "fixed") for s in (-10.0, -3.0)),
    ),
    # on top of adversarial training
    "defended": (
        Arm(eps=0.1),
        *(Arm("fuzziness", s, membership=m, eps=0.1) for m in MEMBERSHIPS for s in ATTACKED),
    ),
}


def arms_of(table: "xr.Dataset") -> list[Arm]:
    """The arms along the axis of a table that has these labels."""
    columns = [table[f"{Arm.prefix}{field.name}"].values.tolist() for field in fields(Arm)]
    return [Arm(*row) for row in zip(*columns, strict=True)]
