"""Measurements: how long a call takes, and what several measurements say together."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple


class Result(NamedTuple):
    """One measurement: seconds for one unit of work, and what the first call took on top of a later one.

    ``choice`` says which of several ways of doing the work was the fastest.
    """

    seconds: float
    first: float = 0.0
    choice: str = ""


class Spread(NamedTuple):
    """A middle value, and the smallest and largest one."""

    middle: float
    low: float
    high: float


def clock(call: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    start = perf_counter()
    call()
    return perf_counter() - start


def repeated(call: Callable[[], Any], repeats: int) -> Result:
    """Median of repeated calls after a first one."""
    first = clock(call)
    later = median(clock(call) for _ in range(repeats))
    return Result(later, first - later)


def per_step(run: Callable[[int], Any], epochs: int, steps: int) -> Result:
    """One step of ``run(epochs)``, which takes ``steps`` in an epoch, without what a run costs once.

    That is the difference between a run of some epochs and a run of one, after a first run of one.
    """
    first, short, long = (clock(partial(run, number)) for number in (1, 1, epochs))
    return Result((long - short) / ((epochs - 1) * steps), first - short)


def best(results: Iterable[Result]) -> Result:
    """The fastest of several ways of doing the same work."""
    return min(results, key=lambda result: result.seconds)


def spread(values: Sequence[float]) -> Spread:
    """Median and range of one side's measurements."""
    return Spread(median(values), min(values), max(values))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """How many times as fast ours is: ratio of the medians, and range of the ratios of each pair.

    The runs of a pair follow each other, so what slows the machine down for both leaves their ratio alone.
    Identity: of equal measurements it is 1, and with the sides exchanged its middle is the reciprocal.
    """
    pairs = [other / one for one, other in zip(ours, theirs, strict=True)]
    return Spread(median(theirs) / median(ours), min(pairs), max(pairs))
