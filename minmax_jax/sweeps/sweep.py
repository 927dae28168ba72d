"""Sweeps: a grid of objectives and seeds trained at once, on all devices, kept on disk as it grows."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

from minmax_jax.checks import check_count
from minmax_jax.data import Dataset
from minmax_jax.objective import Objective, without_addresses
from minmax_jax.storage.digests import digest
from minmax_jax.storage.resume import Shelf
from minmax_jax.sweeps.grid import Grid, make_grid
from minmax_jax.sweeps.results import Sweep, assemble, name_weights
from minmax_jax.sweeps.vmapped import Arrays, Pictures, Recipe, train_group
from minmax_jax.sweeps.workers import Crew, SweepProgress, gather, workers
from minmax_jax.train_step import State, initial_state
from minmax_jax.training.fingerprint import fingerprint
from minmax_jax.training.fit import describe
from minmax_jax.training.optimisers import ADAM
from minmax_jax.training.validation import check_arguments, check_objective

ACCELERATOR_LANES = 256  # models of one group on a GPU or TPU, at most


def sweep(
    model: Callable[..., nnx.Module],
    data: Dataset,
    objectives: Iterable[Objective | float | np.number],
    seeds: Iterable[int | np.integer],
    *,
    epochs: int = 1,
    batch_size: int = 128,
    optimiser: optax.GradientTransformation = ADAM,
    folder: str | Path | None = None,
    group: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    progress: bool | Callable[[SweepProgress], Any] = True,
) -> Sweep:
    """Train a model for every pair of an objective and a seed; each as ``fit`` would, many at a time.

    ``model`` makes a model from random numbers, as ``mm.LeNet`` or any function of ``rngs``: every seed
    has its own initial weights, ``model(rngs=nnx.Rngs(seed))``, and its own order of batches, both the same
    for all objectives, so that differences between objectives can be paired by seed. A number among the
    ``objectives`` is the strength of an ``Objective``. Objectives whose defences differ in traced numbers
    only, such as eps, train as lanes of one program.

    The models train in groups of up to ``group`` as lanes of one program (None: 1 on a CPU, where lanes
    gain nothing, up to 256 on GPUs and TPUs), one group at a time on each of the ``devices`` (None: all of
    this process), and one on each core of a CPU. With ``jax.distributed`` the groups are divided among the
    processes, and every process gets all results. Memory does not grow with the number of epochs.

    With a ``folder`` every finished group is written there, wholly or not at all; the same sweep started
    again reads it and trains only what is missing, to the same results. ``progress``: True draws a bar with
    the time left, False none; a function is called with a ``SweepProgress`` after each epoch of a group, and
    stops the sweep by returning a true value. Ctrl-C stops it too; finished groups are returned.

    ``results`` holds, along (strength, seed, epoch) with epoch 0 before training: ``loss``,
    ``cross_entropy``, ``train_accuracy`` (means over the epoch's batches, each before its update; NaN at 0),
    ``test_accuracy`` and ``fuzziness`` (also along layer, reading, membership, measure); and ``outcome``
    along (strength, seed): "finished", "diverged" (the model of the last good epoch is kept, NaN measured
    after it) or "missing".
    The axis is ``objective`` instead of ``strength`` if objectives differ in more; coordinates along it tell
    their fields, ``objective_defence`` and ``objective_defence_eps`` among them.

    Raises ValueError or TypeError for unfit arguments, a folder of another sweep among them.
    Identity: on a CPU, in groups of 1, every model has the weights that ``fit`` gives it.
    """
    if not callable(model) or isinstance(model, nnx.Module):
        raise TypeError(f"model is a {type(model).__name__}; it takes a function of rngs, such as mm.LeNet")
    grid = make_grid(objectives, seeds)
    counts = {"epochs": epochs, "batch_size": batch_size}
    chosen = list(jax.local_devices() if devices is None else devices)
    if not chosen or any(device.process_index != jax.process_index() for device in chosen):
        raise ValueError(f"devices must be one or more of this process, jax.local_devices(), got {chosen}")
    size = _lanes(len(grid.objectives) * len(grid.seeds), chosen) if group is None else group
    check_count("group", size)
    starts: list[State] = []
    for number in grid.seeds:
        fresh = model(rngs=nnx.Rngs(number))
        check_arguments(fresh, data, optimiser, counts | {"seed": number})
        for objective in grid.objectives:
            objective.check(fresh)
        definition, state = initial_state(fresh, optimiser, 0)
        starts.append(state)
    for objective in {jax.tree.structure(one): one for one in grid.objectives}.values():
        check_objective(fresh, data, objective)
    recipe = Recipe(definition, optimiser, epochs, batch_size, data.classes)
    groups = grid.groups(size)
    width = max(len(cells) for cells in groups)
    asked = {} if folder is None else _asked(grid, recipe, starts, data, size)  # takes half a second
    shelf = Shelf(None if folder is None else Path(folder), asked)

    def train(index: int, pictures: Pictures, tick: Callable[[], bool]) -> Arrays | None:
        cells = groups[index]
        lanes = [*cells, *[cells[-1]] * (width - len(cells))]  # one shape for all groups: one compilation
        done = train_group(
            recipe,
            pictures,
            [grid.objectives[cell.objective] for cell in lanes],
            [starts[cell.seed] for cell in lanes],
            [grid.seeds[cell.seed] for cell in lanes],
            tick,
        )
        if done is None:
            return None
        state, arrays = done
        arrays |= name_weights((state.params, state.rest))
        kept = {name: array[: len(cells)] for name, array in arrays.items()}
        shelf.write(index, kept)
        return kept

    crew = Crew(workers(chosen), data, train)
    found = {index: arrays for index in range(len(groups)) if (arrays := shelf.read(index)) is not None}
    done = crew.work(len(groups), found, epochs, progress)
    done = gather(done, len(groups))
    template = (definition, (starts[0].params, starts[0].rest))
    return assemble(grid, groups, done, epochs, template, _labels(data, model, recipe, grid))


def _lanes(models: int, devices: Sequence[jax.Device]) -> int:
    if devices[0].platform == "cpu":
        return 1
    share = -(-models // (len(devices) * jax.process_count()))
    return min(share, ACCELERATOR_LANES)


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


def _labels(data: Dataset, model: Any, recipe: Recipe, grid: Grid) -> dict[str, Any]:
    """Attributes of the results."""
    fields = {"dataset": data.name, "model": getattr(model, "__name__", type(model).__name__)}
    fixed = describe(grid.objectives[0])
    if grid.dimension == "strength":
        fixed.pop("objective_strength")
    else:
        fixed = {name: value for name, value in fixed.items() if not name.startswith("objective_")}
    return fields | {"epochs": recipe.epochs, "batch_size": recipe.batch_size} | fixed
