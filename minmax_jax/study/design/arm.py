"""The arms of the regularisation experiments: which objective a network is trained with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import optax

from minmax_jax.fuzziness import Measure
from minmax_jax.intervals import Membership, Reading
from minmax_jax.objective import Objective
from minmax_jax.study.design.condition import defence
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
class Arm:
    """A penalty and its strength, with or without adversarial training at radius ``eps``.

    Reading, membership and measure are those of the fuzziness; by the reading "fixed" weights are projected
    into the interval after each step, also where the strength is 0.
    """

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
    def facts(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)

    @property
    def base(self) -> "Arm":
        """The arm to compare with: the same without a penalty."""
        return Arm(reading="fixed" if self.reading == "fixed" else "layer", eps=self.eps)

    @property
    def kind(self) -> "Arm":
        """The same at strength 0: arms of one kind differ in their strength alone."""
        return replace(self, strength=0.0)

    def training(self) -> dict[str, Any]:
        """Arguments of ``fit``: objective and optimiser."""
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
    """Those of the arms that push fuzziness by this reading and measure, by any membership and strength."""
    asked = "fuzziness", reading, measure, eps
    return [one for one in arms if (one.penalty, one.reading, one.measure, one.eps) == asked]


SIGNS: tuple[Membership, ...] = ("signed", "magnitude")
# The design, one factor at a time: parts with the arms that each compares with.
PARTS: Mapping[str, tuple[Arm, ...]] = {
    # a curve of strengths by both memberships, by the interval of the layer and entropy
    "strengths": (Arm(), *(Arm("fuzziness", s, membership=sign) for sign in SIGNS for s in CURVE)),
    # other intervals and another measure, one strength to each side
    "readings": (
        Arm(),
        Arm(reading="fixed"),
        *(Arm("fuzziness", s, "filter", sign) for sign in SIGNS for s in PAIR),
        *(Arm("fuzziness", s, "fixed", sign) for sign in SIGNS for s in PAIR),
        *(Arm("fuzziness", s, "layer", sign, "quadratic") for sign in SIGNS for s in PAIR),
    ),
    # controls, to be compared at equal clean accuracy
    "norms": (Arm(), *(Arm(penalty, s) for penalty, strengths in NORMS.items() for s in strengths)),
    # weak strengths towards the centre, added when the others were done: the curve leaves them out, and a
    # gain at no cost of clean accuracy, as weak penalties on norms have it, could be only there
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
        *(Arm("fuzziness", s, membership=sign, eps=0.1) for sign in SIGNS for s in ATTACKED),
    ),
    # what gained most for little without it, added last: the terms of "defended" are all strong
    "defended_weak": (
        Arm(eps=0.1),
        *(Arm("fuzziness", s, eps=0.1) for s in WEAK[:3]),
        Arm("l2", 3e-3, eps=0.1),
        Arm("l1", 1e-3, eps=0.1),
    ),
}


def coordinates(arms: Sequence[Arm]) -> dict[str, Any]:
    """Labels along an axis of arms: their names, and each of their fields (radius as ``trained_eps``)."""
    return {"arm": [one.name for one in arms]} | {
        f"trained_{name}": ("arm", np.array([one.facts[name] for one in arms])) for name in arms[0].facts
    }


def arms_of(table: "xr.Dataset") -> list[Arm]:
    """The arms along the axis of a table that has these labels."""
    columns = [table[f"trained_{field.name}"].values.tolist() for field in fields(Arm)]
    return [Arm(*row) for row in zip(*columns, strict=True)]
