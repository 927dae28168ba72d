"""What ``fit`` tells of a run that is under way."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from minmax_jax.jobs.progress import Shown

if TYPE_CHECKING:
    import xarray as xr


class Progress(NamedTuple):
    """How far a run is: steps done and to do, epochs likewise, and the last measurements.

    ``history`` makes the history of the run so far, with the kernels as they are now; it takes as long as a
    few steps of training.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float
    test_accuracy: float | None  # of the last whole epoch, None before the first
    history: "Callable[[], xr.Dataset] | None" = None

    @property
    def words(self) -> str:
        """In words, such as "epoch 1 of 2, step 3 of 10, loss 0.500, test accuracy 90.00%"."""
        accuracy = "" if self.test_accuracy is None else f", test accuracy {self.test_accuracy:.2%}"
        place = f"epoch {self.epoch} of {self.epochs}, step {self.step} of {self.steps}"
        return f"{place}, loss {self.loss:.3f}{accuracy}"


def shown(now: Progress) -> Shown:
    """What a bar shows of it."""
    known = {} if now.test_accuracy is None else {"test": f"{now.test_accuracy:.2%}"}
    return Shown(now.step, f"epoch {now.epoch}/{now.epochs}", {"loss": f"{now.loss:.4f}", **known})
