"""What a sweep leaves: one labelled table, and the trained models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from flax import nnx

from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import MEMBERSHIPS
from minmax_jax.jobs.engine import Arrays
from minmax_jax.kernels import kernels
from minmax_jax.objective import TRAINABLE_READINGS
from minmax_jax.storage.trees import from_arrays, to_arrays
from minmax_jax.sweeps.grid import Cell, Grid

if TYPE_CHECKING:
    import xarray as xr

WEIGHT = "weight "  # begins the names of weights in a group's arrays
NOTES = {
    "loss": "mean objective on the epoch's batches",
    "cross_entropy": "mean cross-entropy on the epoch's batches",
    "train_accuracy": "accuracy on the epoch's batches, each before its update",
    "test_accuracy": "accuracy on all test images after the epoch",
    "fuzziness": "fuzziness F after the epoch",
}
DEFENDED = {
    "train_accuracy": "accuracy on the epoch's batches, each before its update, as the defence measures it"
}


@dataclass
class Sweep:
    """Trained models and what was measured in training them, see ``sweep``.

    ``results`` is a labelled Dataset; ``weights`` maps the name of each parameter and each other state of the
    model to all its values, with the grid's two axes first. NaN stands where nothing was trained.
    """

    results: "xr.Dataset"
    weights: dict[str, np.ndarray]
    template: tuple[nnx.GraphDef, Any]

    def model(self, seed: int, **objective: float) -> nnx.Module:
        """One trained model in evaluation mode, as ``sweep.model(strength=0.1, seed=3)``.

        The objective is named as in ``results``: by ``strength``, or by the position ``objective``.
        Raises ValueError for what the grid does not hold.
        """
        dimension = str(self.results.loss.dims[0])
        if list(objective) != [dimension]:
            raise ValueError(f"the model must be named by {dimension}= and seed=, got {[*objective, 'seed']}")
        where = []
        for name, value in {**objective, "seed": seed}.items():
            known = self.results[name].values
            found = np.flatnonzero(known == value)
            if not len(found):
                raise ValueError(f"{name} must be one of {known.tolist()}, got {value}")
            where.append(int(found[0]))
        if self.results.outcome.values[tuple(where)] == "missing":
            raise ValueError(
                f"the model of {objective | {'seed': seed}} was not trained: the sweep was stopped"
            )
        definition, state = self.template
        own = {name: np.asarray(array[tuple(where)]) for name, array in self.weights.items()}
        model = nnx.merge(definition, *(from_arrays(own, part) for part in state))
        model.eval()
        return model


def name_weights(parts: Sequence[Any]) -> dict[str, np.ndarray]:
    """Every leaf of the parameters and of the other state of models, by its path in the model."""
    return {WEIGHT + name: array for part in parts for name, array in to_arrays(part).items()}


def assemble(
    grid: Grid,
    groups: Sequence[Sequence[Cell]],
    done: dict[int, Arrays],
    epochs: int,
    template: tuple[nnx.GraphDef, Any],
    labels: dict[str, Any],
) -> Sweep:
    """The sweep made of what its groups gave.

    Args:
        grid: the objectives and seeds.
        groups: the cells of each group, in the order of its arrays.
        done: the arrays of each finished group, by its number.
        epochs: of training.
        template: the definition and the state of any of the models.
        labels: attributes of the results.
    """
    import xarray as xr  # heavy to import, so only where it is used

    shape = len(grid.objectives), len(grid.seeds)
    if not done:
        raise RuntimeError(
            "the sweep was stopped before its first group was finished: there is nothing to return"
        )
    table: Arrays = {}
    for name, sample in next(iter(done.values())).items():
        hole = np.nan if np.issubdtype(sample.dtype, np.floating) else 0
        table[name] = np.full((*shape, *sample.shape[1:]), hole, sample.dtype)
    outcome = np.full(shape, "missing", "<U8")
    for index, arrays in done.items():
        for row, cell in enumerate(groups[index]):
            for name, array in arrays.items():
                table[name][cell] = array[row]
            outcome[cell] = "finished" if arrays["good_epochs"][row] == epochs else "diverged"
    weights = {name.removeprefix(WEIGHT): table.pop(name) for name in list(table) if name.startswith(WEIGHT)}
    axes = (grid.dimension, "seed", "epoch")
    deep = (*axes, "layer", "reading", "membership", "measure")
    coordinates = grid.coordinates() | {
        "epoch": np.arange(epochs + 1),
        "layer": list(kernels(nnx.merge(template[0], *template[1]))),
        "reading": list(TRAINABLE_READINGS),
        "membership": list(MEMBERSHIPS),
        "measure": list(MEASURES),
    }
    notes = NOTES | (DEFENDED if any(one.defence is not None for one in grid.objectives) else {})
    variables: dict[str, Any] = {
        name: (deep if name == "fuzziness" else axes, table[name], {"long_name": note})
        for name, note in notes.items()
    }
    variables["outcome"] = (axes[:2], outcome)
    return Sweep(xr.Dataset(variables, coordinates, labels), weights, template)
