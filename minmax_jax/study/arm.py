"""The arms of the regularisation experiment: which objective a network is trained with."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import optax

from minmax_jax.defences import Adversarial
from minmax_jax.fuzziness import Measure
from minmax_jax.intervals import Membership, Reading
from minmax_jax.objective import Objective
from minmax_jax.projection import keep_in_interval
from minmax_jax.study.condition import STEPS, WARMUP
from minmax_jax.training import ADAM

Penalty = Literal["none", "fuzziness", "l1", "l2"]
PROJECTED = optax.chain(ADAM, keep_in_interval())
# The strength curve: four decades up, and the causal control downwards.
CURVE = (-100.0, -30.0, -10.0, -1.0, 0.1, 1.0, 10.0, 30.0, 100.0, 1000.0)
PAIR = (-30.0, 30.0)
ATTACKED = (-10.0, 10.0)
NORMS: Mapping[Literal["l1", "l2"], tuple[float, ...]] = {
    "l1": (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    "l2": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
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
            terms["defence"] = Adversarial(self.eps, steps=STEPS, warmup=WARMUP)
        return {
            "objective": Objective(**terms),
            "optimiser": PROJECTED if self.reading == "fixed" else ADAM,
        }


def full_arms() -> tuple[Arm, ...]:
    """The design: a curve of strengths by both memberships, and a pair of strengths in all other readings.

    The curve takes the interval of the layer and entropy. Filter and fixed intervals, and the quadratic
    measure, have one strength to each side. L1 and L2 have six strengths each, to be compared at equal clean
    accuracy. With adversarial training at eps 0.1 there is a pair by each membership.
    """
    signs: tuple[Membership, ...] = ("signed", "magnitude")
    readings: tuple[Reading, ...] = ("layer", "filter", "fixed")
    measures: tuple[Measure, ...] = ("entropy", "quadratic")
    arms = [Arm(), Arm(reading="fixed")]
    arms += [Arm("fuzziness", strength, "layer", sign) for sign in signs for strength in CURVE]
    arms += [
        Arm("fuzziness", strength, reading, sign, measure)
        for reading in readings
        for measure in measures
        for sign in signs
        for strength in PAIR
        if (reading, measure) != ("layer", "entropy")
    ]
    arms += [Arm(penalty, strength) for penalty, strengths in NORMS.items() for strength in strengths]
    arms += [Arm(eps=0.1)]
    arms += [Arm("fuzziness", s, "layer", sign, eps=0.1) for sign in signs for s in ATTACKED]
    return tuple(arms)


def coordinates(arms: Sequence[Arm]) -> dict[str, Any]:
    """Labels along an axis of arms: their names, and each of their fields (radius as ``trained_eps``)."""
    names = {name: "trained_eps" if name == "eps" else f"trained_{name}" for name in arms[0].facts}
    return {"arm": [one.name for one in arms]} | {
        label: ("arm", np.array([one.facts[name] for one in arms])) for name, label in names.items()
    }
