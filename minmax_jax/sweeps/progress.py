"""What ``sweep`` tells of models in training."""

from typing import NamedTuple

from minmax_jax.jobs.engine import Status
from minmax_jax.jobs.progress import Shown


class SweepProgress(NamedTuple):
    """How far a sweep is: groups finished, epochs of groups done, and seconds taken and left by estimate.

    With several processes, each counts its own groups.
    """

    groups: int
    of_groups: int
    epochs: int
    of_epochs: int
    seconds: float
    seconds_left: float


def sweep_progress(now: Status) -> SweepProgress:
    """The progress of a sweep, whose jobs are groups and cost their epochs."""
    epochs, of_epochs = round(now.done), round(now.cost)
    left = now.seconds / max(epochs, 1) * (of_epochs - epochs)
    return SweepProgress(now.finished, now.jobs, epochs, of_epochs, now.seconds, left)


def shown(now: SweepProgress) -> Shown:
    """What a bar shows of it."""
    return Shown(now.epochs, values={"groups": f"{now.groups}/{now.of_groups}"})
