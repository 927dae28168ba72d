"""Training: ``fit`` a model to data under an objective, and keep a labelled history of it."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import jax
import numpy as np
import optax
from flax import nnx
from jaxtyping import Int

from minmax_jax.data import Dataset
from minmax_jax.jobs.interrupts import CtrlC
from minmax_jax.jobs.progress import check_progress, reporting
from minmax_jax.objective import Objective
from minmax_jax.train_step import epoch_order
from minmax_jax.training.checkpoints import Checkpoints
from minmax_jax.training.history import recording_steps
from minmax_jax.training.optimisers import ADAM
from minmax_jax.training.progress import Progress, shown
from minmax_jax.training.sharding import Placement
from minmax_jax.training.trainer import Trainer
from minmax_jax.training.validation import check_arguments, check_layers, check_objective, check_optimiser

if TYPE_CHECKING:
    import xarray as xr

Outcome = Literal["finished", "stopped", "diverged"]


@dataclass
class Run:
    """A trained model, its history (see ``fit``), and how training ended.

    ``outcome``: "finished"; "stopped" by Ctrl-C or by the progress function; or "diverged".
    """

    model: nnx.Module
    history: "xr.Dataset"
    outcome: Outcome


class Diverged(RuntimeError):
    """The loss became NaN, infinite or far worse than guessing; ``run`` keeps the last good weights."""

    def __init__(self, message: str, run: Run):
        super().__init__(message)
        self.run = run

    def __reduce__(self) -> tuple[type, tuple[str, Run]]:
        return type(self), (str(self), self.run)  # else pickle would leave the run out, and fail


def even_split(steps: int, most: int = 12) -> int:
    """Largest number of equal pieces, up to ``most``, of an epoch: unequal ones would compile twice."""
    return max(pieces for pieces in range(1, most + 1) if steps % pieces == 0)


def segments_left(
    order: Int[np.ndarray, "steps batch"], pieces: int, done: int
) -> Iterator[Int[np.ndarray, "_ batch"]]:
    """The batches of an epoch in ``pieces``, without the first ``done`` batches."""
    for numbers in np.array_split(np.arange(len(order)), pieces):
        if done <= numbers[-1]:
            yield order[numbers[numbers >= done]]


def describe(objective: Objective) -> dict[str, Any]:
    """The objective and the versions used, as attributes that any file format takes."""
    fields = {f"objective_{name}": fact for name, fact in objective.facts().items() if fact is not None}
    if objective.layers is not None:
        fields["objective_layers"] = ", ".join(objective.layers)
    return fields | {name: version(name) for name in ("minmax_jax", "jax", "flax", "optax")}


def fit(
    model: nnx.Module,
    data: Dataset,
    objective: Objective = Objective(),  # noqa: B008  frozen, so it can be shared
    *,
    epochs: int = 1,
    batch_size: int = 128,
    optimiser: optax.GradientTransformation = ADAM,
    seed: int = 0,
    snapshots: int = 25,
    record: Sequence[str] | None = None,
    segments: int | None = None,
    progress: bool | Callable[[Progress], Any] = True,
    checkpoint: str | os.PathLike[str] | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> Run:
    """Train a copy of ``model`` on ``data.train`` to minimise ``objective``; the given model stays as it is.

    Each epoch is one jitted ``lax.scan`` over batches in an order drawn from ``fold_in(key(seed), epoch)``,
    with the data on the device. Ctrl-C stops training and returns what was learned so far; after the last
    step it stops the caller, see below. Identity: on a CPU, the same arguments give the same bits, for any
    number of segments.

    Args:
        model: any NNX module from images to logits with a convolution.
        data: images to train on, and those to test on after each epoch.
        objective: what is minimised, by default cross-entropy alone. The schedule of a defence runs over all
            steps of the run, and its random numbers come from ``key(seed)`` and the number of the step.
        epochs: number of passes over the training images.
        batch_size: images in a step, at most those of ``data.train``; images left over differ by epoch.
        optimiser: any of optax, also one that asks for the loss (``optax.lbfgs``); by default Adam with a
            learning rate of 0.001.
        seed: seed of the order of the batches and of the defence, in [0, 2**31).
        snapshots: number of steps, evenly from start to end, whose kernels are recorded.
        record: names of the layers whose kernels are recorded, dense layers too (``["conv1", "dense1"]``);
            None records all convolutions. It changes nothing in what is learned.
        segments: number of scans that an epoch is split into, for finer progress and stops; None takes one
            where nobody watches, else up to 12 of equal length.
        progress: True draws a bar, False none; a function is called with a ``Progress`` after each segment
            and stops training by returning a true value.
        checkpoint: name of a folder for the state of the run, saved after each epoch and when it ends early.
            The same call with the same folder resumes the run, or returns at once what is finished. One with
            more ``epochs`` prolongs it, but not with a defence, whose schedule is that of all epochs.
            Identity: on a CPU, a run that was stopped or killed and then resumed gives the same bits as one
            never disturbed; so does one that was prolonged, but for the steps of its snapshots. A
            scheduler's SIGTERM kills, unless the script makes it stop as Ctrl-C does:
            ``signal.signal(signal.SIGTERM, signal.default_int_handler)``.
        devices: devices among which every batch is divided, such as ``jax.devices()``, also those of several
            processes of ``jax.distributed``, all of which call ``fit`` alike; the results are those of one
            device, up to rounding. None trains on jax's default device.

    Returns:
        A ``Run``, whose ``history`` holds

        - ``loss``, ``cross_entropy`` by step (on the step's batch, before its update);
        - ``train_accuracy`` (over the epoch's batches) and ``test_accuracy`` (all test images) by epoch;
        - ``kernel_<layer>``: the kernels at the ``snapshots`` steps; and ``low_<layer>``, ``high_<layer>``:
          each weight's extremes over all steps;
        - ``fuzziness`` by snapshot, layer, reading, membership and measure.

        With a defence, ``cross_entropy`` and ``train_accuracy`` are what it gives: ``train_accuracy`` of
        those of ``mm.defences`` is under attack, ``test_accuracy`` never is.

    Raises:
        ValueError, TypeError: for unfit arguments, such as the folder of another run; the error names the
            difference.
        Diverged: if the loss is NaN, infinite or its cross-entropy over 50 times that of guessing; it keeps
            the last weights that gave a good loss.
        KeyboardInterrupt: for Ctrl-C after the last step, and for a second one; its ``run`` is the run, which
            ``checkpoint`` holds too.
        Exception: any other error, such as one of the progress function, propagates with what was learned
            as its ``run``.
    """
    asked = {"epochs": epochs, "batch_size": batch_size, "snapshots": snapshots, "seed": seed}
    if segments is not None:
        asked["segments"] = segments
    check_progress(progress)
    counts: dict[str, Any] = check_arguments(model, data, asked)
    check_optimiser(model, optimiser)
    segments = counts.pop("segments", None)
    epochs, batch_size, snapshots, seed = counts.values()
    check_objective(model, data, objective)
    if record is not None:
        counts["record"] = list(check_layers(model, record))
    placement = Placement(devices)
    placement.check(batch_size)
    per_epoch = len(data.train) // batch_size
    total = epochs * per_epoch
    pieces = min(segments or (even_split(per_epoch) if progress else 1), per_epoch)
    points = recording_steps(total, snapshots)
    trainer = Trainer(model, data, objective, optimiser, points, placement, seed, total, record)
    checkpoints = Checkpoints(checkpoint, trainer, counts)
    labels = {"dataset": data.name, "model": type(model).__name__, **counts, **describe(objective)}
    if record is not None:
        labels["record"] = ", ".join(record)

    def history(outcome: str) -> "xr.Dataset":
        return trainer.history(per_epoch, {**labels, "outcome": outcome})

    def end(outcome: Outcome) -> Run:
        run = Run(trainer.model(), history(outcome), outcome)
        ctrl_c.keep(run=run)
        return run

    def now(epoch: int) -> Progress:
        test = trainer.test_accuracy[-1] if trainer.test_accuracy else None
        so_far = partial(history, "running")
        return Progress(trainer.steps, total, epoch, epochs, trainer.loss, test, so_far)

    def evaluate() -> None:
        """Test after an epoch, unless that is done: an interrupt may have come in between."""
        if trainer.steps == (len(trainer.test_accuracy) + 1) * per_epoch:
            trainer.evaluate()

    def train(report: Callable[[Progress], Any]) -> Outcome:
        """All steps that are left."""
        evaluate()
        for epoch in range(trainer.steps // per_epoch + 1, epochs + 1):
            order = np.asarray(epoch_order(jax.random.key(seed), epoch, len(data.train), batch_size))
            for rows in segments_left(order, pieces, trainer.steps - (epoch - 1) * per_epoch):
                if not trainer.advance(rows):
                    return "diverged"
                if trainer.steps == epoch * per_epoch:
                    evaluate()
                    checkpoints.save()
                if report(now(epoch)):
                    return "stopped"
                ctrl_c.check()
        return "finished"

    with CtrlC() as ctrl_c:
        try:
            with checkpoints, reporting(progress, shown, total, done=trainer.steps, unit="step") as report:
                try:
                    outcome = train(report)
                    ctrl_c.hold()
                except KeyboardInterrupt:
                    ctrl_c.hold()
                    if trainer.steps == total:  # too late to stop this run: it stops the caller
                        evaluate()
                        raise
                    outcome = "stopped"
            run = end(outcome)
            if outcome == "diverged":
                raise Diverged(
                    f"training diverged after step {trainer.steps} of {total}: the loss became NaN, infinite "
                    "or far worse than guessing. Try a smaller learning rate or strength, or a longer "
                    "warm-up of a defence; this error's .run keeps the last good weights and their history.",
                    run,
                )
            return run
        except BaseException as error:
            ctrl_c.hold()
            if trainer.steps and not hasattr(error, "run"):
                whole = len(trainer.test_accuracy) == epochs
                error.run = end("finished" if whole else "stopped")  # type: ignore[attr-defined]
            raise
