"""What an experiment compares: named ways to train a network, and their labels along an axis."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np


@dataclass(frozen=True)
class Treatment(ABC):
    """A way to train a network, told by its fields; results are labelled by its ``name``.

    A field of a subclass labels results as ``prefix`` and its own name; where ``prefix`` is None, names alone
    are labels.
    """

    prefix: ClassVar[str | None] = None

    @property
    @abstractmethod
    def name(self) -> str:
        """The fields in words, unlike the name of any treatment with other fields."""

    @property
    def facts(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)

    @abstractmethod
    def training(self, steps: int) -> dict[str, Any]:
        """Arguments of ``fit`` for a run of so many steps: objective and optimiser."""


def coordinates(axis: str, treatments: Sequence[Treatment]) -> dict[str, Any]:
    """Labels along an axis of treatments of one kind: their names, and their fields."""
    labels: dict[str, Any] = {axis: [one.name for one in treatments]}
    prefix = treatments[0].prefix
    if prefix is not None:
        facts = [one.facts for one in treatments]
        labels |= {prefix + name: (axis, np.array([one[name] for one in facts])) for name in facts[0]}
    return labels
