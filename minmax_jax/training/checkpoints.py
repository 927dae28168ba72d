"""Checkpoints: the state of a run in a folder, so that an interrupted run can be resumed."""

import os
from typing import Any

import numpy as np

from minmax_jax.jobs.interrupts import uninterrupted
from minmax_jax.objective import Measured
from minmax_jax.storage.digests import difference
from minmax_jax.storage.names import as_path
from minmax_jax.storage.resume import Store
from minmax_jax.storage.trees import from_arrays, to_arrays
from minmax_jax.training.fingerprint import fingerprint
from minmax_jax.training.history import recording_steps
from minmax_jax.training.orbax_folder import holds_orbax, read_orbax
from minmax_jax.training.trainer import Trainer

KEPT = 2  # checkpoints: the newest, and the one before in case a disk damages that
TEST_ACCURACY, POINTS = "test_accuracy", "snapshot_steps"
ANEW = "Name another folder; to train on from the weights of this run, pass its model there"
SHORTER = f"A run can be prolonged, not shortened. {ANEW}"
DEFENDED = f"The schedule of a defence runs over all epochs, so their number cannot change. {ANEW}"


class Checkpoints:
    """The folder of a run; on creation, the trainer is set to the newest state that is there.

    On leaving it as a context manager, however the body ends, the state is saved. A damaged checkpoint is a
    warning, and the one before is taken. Of several processes that train together, all read and the first
    one writes. Without a folder nothing is kept.

    Args:
        folder: name of the folder, None for none.
        trainer: the run.
        counts: numbers that make the run what it is, by name.

    Raises:
        ValueError: for a folder of another run, or of something else; the error names the difference.
        TypeError: for what is no folder's name.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, trainer: Trainer, counts: dict[str, Any]):
        self.trainer, self.saved = trainer, 0
        if folder is None:
            self.store = Store(None, {})
            return
        path = as_path("checkpoint", folder, "folder, or None").resolve()
        run = fingerprint(
            trainer.definition, trainer.state, trainer.data, trainer.objective, trainer.optimiser, counts
        )
        earlier = holds_orbax(path)
        plain = not trainer.objective.is_timed
        self.store = Store(
            path,
            run,
            "run",
            "step",
            argument="checkpoint",
            newest=KEPT,
            adopt=earlier,
            grows="epochs" if plain else "",
            advice={"epochs": SHORTER if plain else DEFENDED},
        )
        self.counts = counts
        for number in reversed(self.store.numbers()):
            if (arrays := self.store.read(number)) is not None:
                self._resume(arrays)
                return
        if earlier:
            before, values = read_orbax(path)
            if differing := difference(before, run):
                raise ValueError(self.store.other_settings(*differing))
            names = [*to_arrays(trainer.state), *Measured._fields, TEST_ACCURACY]
            self._resume(dict(zip(names, values, strict=True)))

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self.save()

    def save(self) -> None:
        """Write the state, unless that is done; Ctrl-C is held off, and counts afterwards."""
        writes = self.store.folder is not None and self.trainer.placement.is_first
        if self.trainer.steps == self.saved or not writes:
            return
        with uninterrupted():
            measured = self.trainer.measured | {TEST_ACCURACY: np.array(self.trainer.test_accuracy)}
            measured[POINTS] = self.trainer.points
            self.store.write(self.trainer.steps, to_arrays(self.trainer.state) | measured)
            self.saved = self.trainer.steps

    def _resume(self, arrays: dict[str, np.ndarray]) -> None:
        """The inverse of what ``save`` does."""
        measured = {name: arrays[name] for name in Measured._fields}
        state = from_arrays(arrays, self.trainer.state)
        self.trainer.resume(state, measured, arrays[TEST_ACCURACY].tolist(), self._points(arrays))
        self.saved = self.trainer.steps

    def _points(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        """The steps that the snapshots of a checkpoint are of; earlier versions did not write them down."""
        if POINTS in arrays:
            return arrays[POINTS]
        epochs = self.store.before.get("epochs", self.counts["epochs"])
        steps = self.trainer.total // self.counts["epochs"] * epochs
        return recording_steps(steps, self.counts["snapshots"])
