"""Progress of a run: a bar in a terminal or notebook, or the caller's own function."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

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


@contextmanager
def reporting(
    progress: bool | Callable[[Progress], Any], steps: int, done: int = 0
) -> Iterator[Callable[[Progress], Any]]:
    """A function to call with each ``Progress``: draws a bar (True), nothing (False), or is the caller's.

    The bar ends at ``steps`` and starts at ``done``, the steps of an earlier call that is gone on with.
    """
    if callable(progress):
        yield progress
        return
    from tqdm.auto import tqdm  # picks the notebook's bar in a notebook

    with tqdm(total=steps, initial=done, unit="step", disable=not progress) as bar:

        def draw(now: Progress) -> None:
            bar.set_description(f"epoch {now.epoch}/{now.epochs}", refresh=False)
            known = {} if now.test_accuracy is None else {"test": f"{now.test_accuracy:.2%}"}
            bar.set_postfix(loss=f"{now.loss:.4f}", **known, refresh=False)
            bar.update(now.step - bar.n)

        yield draw
