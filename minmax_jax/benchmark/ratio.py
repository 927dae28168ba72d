"""What several alternating measurements say: medians, ranges and ratios."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Spread(NamedTuple):
    """A middle value, and the smallest and largest one."""

    middle: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median and range of one side's measurements."""
    return Spread(median(values), min(values), max(values))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """How many times as fast ours is: ratio of the medians, and range of the ratios of each pair.

    A pair ran one after the other, so what slowed the machine down for both leaves its ratio alone.
    Identity: of equal measurements it is 1, and with the sides exchanged its middle is the reciprocal.
    """
    pairs = [other / one for one, other in zip(ours, theirs, strict=True)]
    return Spread(median(theirs) / median(ours), min(pairs), max(pairs))
