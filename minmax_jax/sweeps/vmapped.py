"""Several models trained side by side by one jitted program: the functional core of ``sweep``."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from minmax_jax.cpu.network import simplify
from minmax_jax.data import Dataset
from minmax_jax.evaluation import map_batches, share
from minmax_jax.fuzziness import fuzziness_table
from minmax_jax.jobs.engine import Arrays, Tell
from minmax_jax.kernels import kernels
from minmax_jax.models.logits import logits_of
from minmax_jax.objective import TRAINABLE_READINGS, Measured, Objective
from minmax_jax.storage.trees import is_key, storable
from minmax_jax.train_step import Course, State, epoch_order, train_steps
from minmax_jax.training.trainer import first_bad


class Recipe(NamedTuple):
    """What all models have in common."""

    definition: nnx.GraphDef
    optimiser: optax.GradientTransformation
    epochs: int
    batch_size: int
    classes: int


class DeviceData(NamedTuple):
    """Training and test images with their labels, on the device that trains."""

    images: Float[Array, "n h w c"]
    labels: Int[Array, " n"]
    test_images: Float[Array, "m h w c"]
    test_labels: Int[Array, " m"]


def on_devices(data: Dataset, devices: Sequence[jax.Device]) -> dict[jax.Device, DeviceData]:
    """A copy of the data on each device."""
    arrays = data.train.images, data.train.labels, data.test.images, data.test.labels
    on_host = [jnp.asarray(array) for array in arrays]
    return {device: DeviceData(*jax.device_put(on_host, device)) for device in devices}


def vmap(function: Callable[..., Any], *stacked: Any) -> Any:
    """``jax.vmap(function)(*stacked)``; a single model runs without the extra axis, as it would alone."""
    if len(jax.tree.leaves(stacked)[0]) > 1:
        return jax.vmap(function)(*stacked)
    alone = function(*jax.tree.map(lambda leaf: leaf[0], stacked))
    return jax.tree.map(lambda leaf: leaf[None], alone)


@partial(jax.jit, static_argnames=("definition", "optimiser"))
def train_models(
    definition: nnx.GraphDef,
    optimiser: optax.GradientTransformation,
    objectives: Objective,
    states: State,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    orders: Int[Array, "models steps batch"],
    courses: Course | None = None,
) -> tuple[State, Measured, Measured]:
    """``train_steps`` for every model: all but the images and labels have models on their first axis."""
    slots = jnp.zeros(orders.shape[1], int)

    def run(objective: Objective, state: State, order: Array, course: Course | None) -> Any:
        return train_steps(definition, optimiser, objective, state, images, labels, order, slots, course)

    return vmap(run, objectives, states, orders, courses)


@partial(jax.jit, static_argnames=("definition",))
def measure_models(
    definition: nnx.GraphDef, states: State, images: Float[Array, "m h w c"], labels: Int[Array, " m"]
) -> tuple[Int[Array, " models"], Float[Array, "models layer reading membership measure"]]:
    """How many test images every model classifies as labelled, and its fuzziness."""

    def measure(state: State) -> tuple[Array, Array]:
        def right(x: Array, y: Array) -> Array:
            model = simplify(nnx.merge(definition, state.params, state.rest, copy=True))
            model.eval()
            return logits_of(model, x).argmax(-1) == y

        hits = map_batches(right, 250, images, labels)
        found = kernels(nnx.merge(definition, state.params, state.rest)).values()
        return hits.sum(), jnp.stack([fuzziness_table(kernel, TRAINABLE_READINGS) for kernel in found])

    return vmap(measure, states)


def stack(trees: Sequence[Any]) -> Any:
    """Pytrees of equal structure as one, stacked on a new first axis of every leaf, in the host's memory."""

    def one(*leaves: Any) -> Any:
        if is_key(leaves[0]):
            return jnp.stack(leaves)
        kind = np.float32 if isinstance(leaves[0], float) else jnp.result_type(leaves[0])
        return np.stack([np.asarray(leaf, kind) for leaf in leaves])

    return jax.tree.map(one, *trees)


def train_group(
    recipe: Recipe,
    data: DeviceData,
    objectives: Sequence[Objective],
    states: Sequence[State],
    seeds: Sequence[int],
    tell: Tell,
) -> tuple[State, Arrays] | None:
    """Train one model for each objective, state and seed, all as one program.

    Models with the same seed see the same batches. A model that diverges keeps the state of its last good
    epoch, and NaN for what comes after; ``good_epochs`` counts the epochs before. Memory does not grow with
    the number of epochs.

    Args:
        recipe: what the models have in common.
        data: the images and labels, on the device that trains.
        objectives: what each model minimises; all of one structure.
        states: where each model starts.
        seeds: what the order of each model's batches is drawn from.
        tell: is called with the number of epochs done; a true answer before the last one stops the group.

    Returns:
        The final states and what was measured, models first; None if the group was stopped.
    """
    # On the device from the start, as the states after each epoch are: one compilation serves all epochs.
    objective, state = jax.device_put((stack(objectives), stack(states)), data.images.device)
    keys = jax.vmap(jax.random.key)(jnp.array(seeds))
    count = len(data.images)
    good = np.full(len(seeds), recipe.epochs)
    rows: list[Arrays] = [{}]
    rows[0]["test_accuracy"], rows[0]["fuzziness"] = _measured(recipe, state, data)
    for epoch in range(1, recipe.epochs + 1):
        order = jax.vmap(lambda key: epoch_order(key, epoch, count, recipe.batch_size))(keys)  # noqa: B023
        course = _course(keys, epoch, order.shape[1], recipe.epochs) if objective.is_timed else None
        new, *results = train_models(
            recipe.definition,
            recipe.optimiser,
            objective,
            state,
            data.images,
            data.labels,
            order,
            course,
        )
        measured, after = jax.device_get(results)
        for model in range(len(seeds)):
            steps, last = jax.tree.map(lambda leaf: leaf[model], (measured, after))  # noqa: B023
            if good[model] >= epoch and first_bad(steps, last, recipe.classes) is not None:
                good[model] = epoch - 1
        alive = good >= epoch
        state = new if alive.all() else _choose(jnp.asarray(alive), new, state)
        row = {name: getattr(measured, name).mean(1) for name in Measured._fields}
        row["train_accuracy"] = row.pop("accuracy")
        row["test_accuracy"], row["fuzziness"] = _measured(recipe, state, data)
        rows.append({name: _nan_unless(alive, values) for name, values in row.items()})
        if tell(epoch) and epoch < recipe.epochs:
            return None
    rows[0] = {name: rows[0].get(name, np.full_like(rows[1][name], np.nan)) for name in rows[1]}
    table = {name: storable(np.stack([row[name] for row in rows], axis=1)) for name in rows[1]}
    return state, table | {"good_epochs": good}


def _course(keys: Array, epoch: int, steps: int, epochs: int) -> Course:
    """Where the steps of an epoch lie, for every model."""
    return Course(keys, jnp.full(len(keys), (epoch - 1) * steps), jnp.full(len(keys), epochs * steps))


def _measured(recipe: Recipe, state: State, data: DeviceData) -> tuple[np.ndarray, np.ndarray]:
    """Test accuracy and fuzziness of every model."""
    results = measure_models(recipe.definition, state, data.test_images, data.test_labels)
    right, fuzzy = jax.device_get(results)
    return share(right, len(data.test_labels)), fuzzy


def _choose(alive: Array, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda a, b: jax.vmap(jnp.where)(alive, a, b), new, old)


def _nan_unless(alive: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(alive.reshape(-1, *[1] * (values.ndim - 1)), values, np.nan).astype(values.dtype)
