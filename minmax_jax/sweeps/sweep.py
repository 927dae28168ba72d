"""Sweeps: a grid of objectives and seeds trained at once, on all devices, kept on disk as it grows."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

from minmax_jax.checks import check_count, is_linen, items
from minmax_jax.data import Dataset
from minmax_jax.jobs.engine import Arrays, Jobs, Tell, workers
from minmax_jax.jobs.interrupts import CtrlC
from minmax_jax.jobs.progress import check_progress, reporting
from minmax_jax.objective import Objective, without_addresses
from minmax_jax.storage.digests import digest
from minmax_jax.storage.names import as_path
from minmax_jax.storage.resume import Store
from minmax_jax.sweeps.grid import Grid, make_grid
from minmax_jax.sweeps.progress import SweepProgress, shown, sweep_progress
from minmax_jax.sweeps.results import Sweep, assemble, name_weights
from minmax_jax.sweeps.vmapped import Recipe, on_devices, train_group
from minmax_jax.train_step import State, initial_state
from minmax_jax.training.fingerprint import fingerprint
from minmax_jax.training.fit import describe
from minmax_jax.training.optimisers import ADAM
from minmax_jax.training.validation import check_arguments, check_objective, check_optimiser

LARGEST_GROUP = 256  # models, on a GPU or TPU
ANEW = "A sweep keeps no state of its optimisers, so it cannot be prolonged: name another folder"


def sweep(
    model: Callable[..., nnx.Module],
    data: Dataset,
    objectives: Iterable[Objective | float | np.number],
    seeds: Iterable[int | np.integer],
    *,
    epochs: int = 1,
    batch_size: int = 128,
    optimiser: optax.GradientTransformation = ADAM,
    folder: str | os.PathLike[str] | None = None,
    group: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    progress: bool | Callable[[SweepProgress], Any] = True,
) -> Sweep:
    """Train a model for every pair of an objective and a seed; each as ``fit`` would, many at a time.

    All objectives of a seed start from the same weights, ``model(rngs=nnx.Rngs(seed))``, and see the same
    batches, so that differences between objectives can be paired by seed. The models train in groups, one
    group at a time on each device, and on each core of a CPU. With ``jax.distributed`` the groups are
    divided among the processes, and every process gets all results. Memory does not grow with the number of
    epochs. Identity: on a CPU, in groups of 1, every model has the weights that ``fit`` gives it.

    Args:
        model: makes a model from random numbers, such as ``mm.LeNet`` or any function of ``rngs``.
        data: the data set; ``data.train`` is trained on, and ``data.test`` measured after each epoch.
        objectives: what to minimise; a number is the ``strength`` of an ``Objective``. No two may be equal.
        seeds: of the initial weights and the order of the batches, from 0; no two may be equal.
        epochs: passes over the training images.
        batch_size: images of one step, at most as many as there are to train on.
        optimiser: of all models; Adam at a rate of 0.001 by default.
        folder: where each finished group is written, wholly or not at all. The same call with the same
            folder trains what is missing, to the same results. None keeps nothing.
        group: models that one program trains side by side, at most. Objectives that differ only in numbers,
            such as ``strength`` or the eps of a defence, may share one. None: 1 on a CPU, where larger
            groups gain nothing; up to 256 on GPUs and TPUs.
        devices: of this process, to train on. None: all of them.
        progress: True draws a bar with the time left, False none. A function is called with a
            ``SweepProgress`` after each epoch of a group, and stops the sweep by returning a true value.

    Returns:
        A ``Sweep``. Its ``results`` hold, along (strength, seed, epoch) with epoch 0 before training,
        ``loss``, ``cross_entropy`` and ``train_accuracy`` (means over the epoch's batches, each before its
        update; NaN at 0), ``test_accuracy``, and ``fuzziness`` (also along layer, reading, membership and
        measure); and, along (strength, seed), ``outcome``: "finished", "diverged" (the model of the last
        good epoch is kept, and what was measured after it is NaN) or "missing". Where objectives differ in
        more than their strength, the axis is ``objective``, with their fields as coordinates along it
        (``objective_reading``, ``objective_defence_eps``). ``model(strength=0.1, seed=3)`` is one of the
        trained models. Ctrl-C stops a sweep as ``progress`` can: it returns the groups that are finished.

    Raises:
        ValueError, TypeError: for unfit arguments, a folder of another sweep among them.
        RuntimeError: if ``progress`` stops it before the first group is finished.
        KeyboardInterrupt: for Ctrl-C before the first group is finished, and after the last one; then the
            error's ``sweep`` is the sweep. A second Ctrl-C does not wait for the groups under way.
    """
    if not callable(model) or isinstance(model, nnx.Module) or is_linen(model):
        raise TypeError(f"model must be a function of rngs, such as mm.LeNet, got a {type(model).__name__}")
    check_progress(progress)
    grid = make_grid(objectives, seeds)
    counts = {"epochs": epochs, "batch_size": batch_size}
    chosen = jax.local_devices() if devices is None else list(items(devices))
    here = jax.local_devices()
    if not chosen or not all(isinstance(one, jax.Device) and one in here for one in chosen):
        raise ValueError(f"devices must be one or more of this process, jax.local_devices(), got {devices!r}")
    size = group_size(len(grid.objectives) * len(grid.seeds), chosen) if group is None else group
    size = check_count("group", size)
    starts: list[State] = []
    for number in grid.seeds:
        fresh = _made(model, number)
        counts = check_arguments(fresh, data, counts | {"seed": number})
        if not starts:  # networks of other seeds are alike
            check_optimiser(fresh, optimiser)
        for objective in grid.objectives:
            objective.check(fresh)
        definition, state = initial_state(fresh, optimiser, 0)
        starts.append(state)
    for objective in {jax.tree.structure(one): one for one in grid.objectives}.values():
        check_objective(fresh, data, objective)
    epochs, batch_size = counts["epochs"], counts["batch_size"]
    recipe = Recipe(definition, optimiser, epochs, batch_size, data.classes)
    groups = grid.groups(size)
    width = max(len(cells) for cells in groups)
    asked = {} if folder is None else _asked(grid, recipe, starts, data, size)  # takes half a second
    place = None if folder is None else as_path("folder", folder, "folder, or None").resolve()
    jobs = Jobs([epochs] * len(groups), Store(place, asked, advice={"epochs": ANEW}))
    copies = on_devices(data, chosen)

    def train(number: int, device: jax.Device, tell: Tell) -> Arrays | None:
        cells = groups[number]
        filled = [*cells, *[cells[-1]] * (width - len(cells))]  # one shape for all groups: one compilation
        done = train_group(
            recipe,
            copies[device],
            [grid.objectives[cell.objective] for cell in filled],
            [starts[cell.seed] for cell in filled],
            [grid.seeds[cell.seed] for cell in filled],
            tell,
        )
        if done is None:
            return None
        state, arrays = done
        arrays |= name_weights((state.params, state.rest))
        return {name: array[: len(cells)] for name, array in arrays.items()}

    template = (definition, (starts[0].params, starts[0].rest))
    labels = _labels(data, model, recipe, grid)
    with CtrlC() as ctrl_c:
        with reporting(progress, shown, jobs.left, unit="epoch") as report:
            done = jobs.run(train, workers(chosen), lambda now: report(sweep_progress(now)), ctrl_c.hold)
        if jobs.interrupted and not done:
            raise KeyboardInterrupt
        found = assemble(grid, groups, done, epochs, template, labels)
        ctrl_c.keep(sweep=found)
        if jobs.interrupted and len(done) == len(groups):  # too late to stop it: it stops the caller
            stop = KeyboardInterrupt()
            stop.sweep = found  # type: ignore[attr-defined]
            raise stop
    return found


def group_size(models: int, devices: Sequence[jax.Device]) -> int:
    """Models of one group, if the caller names no number: an equal share of them for each device."""
    if devices[0].platform == "cpu":
        return 1
    share = -(-models // (len(devices) * jax.process_count()))
    return min(share, LARGEST_GROUP)


def _asked(grid: Grid, recipe: Recipe, starts: Sequence[State], data: Dataset, size: int) -> dict[str, Any]:
    """What makes a sweep this sweep and no other."""
    counts = {
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "group": size,
        "seeds": list(grid.seeds),
    }
    first = fingerprint(recipe.definition, starts[0], data, grid.objectives[0], recipe.optimiser, counts)
    weights = [name_weights((start.params, start.rest)) for start in starts]
    return first | {
        "objectives": [without_addresses(repr(objective)) for objective in grid.objectives],
        "weights at the start": [[digest(array) for array in one.values()] for one in weights],
    }


def _made(model: Callable[..., nnx.Module], seed: int) -> nnx.Module:
    try:
        return model(rngs=nnx.Rngs(seed))
    except TypeError as error:
        raise TypeError(f"model must be a function of rngs, such as mm.LeNet; it raised {error}") from error


def _labels(data: Dataset, model: Any, recipe: Recipe, grid: Grid) -> dict[str, Any]:
    """Attributes of the results."""
    fields = {"dataset": data.name, "model": getattr(model, "__name__", type(model).__name__)}
    fixed = describe(grid.objectives[0])
    if grid.dimension == "strength":
        fixed.pop("objective_strength")
    else:
        fixed = {name: value for name, value in fixed.items() if not name.startswith("objective_")}
    return fields | {"epochs": recipe.epochs, "batch_size": recipe.batch_size} | fixed
