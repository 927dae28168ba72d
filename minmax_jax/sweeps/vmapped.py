"""Several models trained side by side as lanes of one jitted program: the functional core of ``sweep``."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from minmax_jax.evaluation import map_batches, share
from minmax_jax.fuzziness import fuzziness_table
from minmax_jax.kernels import kernels
from minmax_jax.objective import TRAINABLE_READINGS, Measured, Objective
from minmax_jax.storage.trees import is_key
from minmax_jax.train_step import Course, State, epoch_order, train_steps
from minmax_jax.training.trainer import first_bad

Arrays = dict[str, np.ndarray]


class Recipe(NamedTuple):
    """What all lanes have in common."""

    definition: nnx.GraphDef
    optimiser: optax.GradientTransformation
    epochs: int
    batch_size: int
    classes: int


class Pictures(NamedTuple):
    """Training and test images with their labels, on the device that trains."""

    images: Float[Array, "n h w c"]
    labels: Int[Array, " n"]
    test_images: Float[Array, "m h w c"]
    test_labels: Int[Array, " m"]


def over_lanes(function: Callable[..., Any], *stacked: Any) -> Any:
    """``jax.vmap(function)(*stacked)``; a single lane runs without the extra axis, as it would alone."""
    if len(jax.tree.leaves(stacked)[0]) > 1:
        return jax.vmap(function)(*stacked)
    alone = function(*jax.tree.map(lambda leaf: leaf[0], stacked))
    return jax.tree.map(lambda leaf: leaf[None], alone)


@partial(jax.jit, static_argnames=("definition", "optimiser"))
def train_lanes(
    definition: nnx.GraphDef,
    optimiser: optax.GradientTransformation,
    objectives: Objective,
    states: State,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    orders: Int[Array, "lanes steps batch"],
    courses: Course | None = None,
) -> tuple[State, Measured, Measured]:
    """``train_steps`` in every lane: all but the images and labels have lanes on their first axis."""
    slots = jnp.zeros(orders.shape[1], int)

    def run(objective: Objective, state: State, order: Array, course: Course | None) -> Any:
        return train_steps(definition, optimiser, objective, state, images, labels, order, slots, course)

    return over_lanes(run, objectives, states, orders, courses)


@partial(jax.jit, static_argnames=("definition",))
def measure_lanes(
    definition: nnx.GraphDef, states: State, images: Float[Array, "m h w c"], labels: Int[Array, " m"]
) -> tuple[Int[Array, " lanes"], Float[Array, "lanes layer reading membership measure"]]:
    """How many test images every lane gets right, and its fuzziness."""

    def measure(state: State) -> tuple[Array, Array]:
        model = nnx.merge(definition, state.params, state.rest, copy=True)
        model.eval()
        hits = map_batches(lambda x, y: model(x).argmax(-1) == y, 250, images, labels)
        found = kernels(state.params).values()
        return hits.sum(), jnp.stack([fuzziness_table(kernel, TRAINABLE_READINGS) for kernel in found])

    return over_lanes(measure, states)


def stack(trees: Sequence[Any]) -> Any:
    """Pytrees of equal structure as one, with lanes on the first axis of every leaf, in the host's memory."""

    def one(*leaves: Any) -> Any:
        if is_key(leaves[0]):
            return jnp.stack(leaves)
        return np.stack([np.asarray(leaf, jnp.result_type(leaf)) for leaf in leaves])

    return jax.tree.map(one, *trees)


def storable(array: np.ndarray) -> np.ndarray:
    """Numbers of kinds that files do not hold, such as bfloat16, as float32, which loses nothing."""
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def train_group(
    recipe: Recipe,
    pictures: Pictures,
    objectives: Sequence[Objective],
    states: Sequence[State],
    seeds: Sequence[int],
    tick: Callable[[], bool],
) -> tuple[State, Arrays] | None:
    """Train one lane for each objective, state and seed; final states and what was measured, lanes first.

    Lanes with the same seed see the same batches. A lane that diverges keeps the state of its last good
    epoch, and NaN for what comes after; ``good_epochs`` counts the epochs before. ``tick`` is called after
    each epoch; a true answer before the last stops the group, which then gives None. Memory does not grow
    with the number of epochs.
    """
    # On the device from the start, as the states after each epoch are: one compilation serves all epochs.
    objective, state = jax.device_put((stack(objectives), stack(states)), pictures.images.device)
    keys = jax.vmap(jax.random.key)(jnp.array(seeds))
    count = len(pictures.images)
    good = np.full(len(seeds), recipe.epochs)
    rows: list[Arrays] = [{}]
    rows[0]["test_accuracy"], rows[0]["fuzziness"] = _measured(recipe, state, pictures)
    for epoch in range(1, recipe.epochs + 1):
        order = jax.vmap(lambda key: epoch_order(key, epoch, count, recipe.batch_size))(keys)  # noqa: B023
        course = None if objective.defence is None else _course(keys, epoch, order.shape[1], recipe.epochs)
        new, *results = train_lanes(
            recipe.definition,
            recipe.optimiser,
            objective,
            state,
            pictures.images,
            pictures.labels,
            order,
            course,
        )
        measured, after = jax.device_get(results)
        for lane in range(len(seeds)):
            course, last = jax.tree.map(lambda leaf: leaf[lane], (measured, after))  # noqa: B023
            if good[lane] >= epoch and first_bad(course, last, recipe.classes) is not None:
                good[lane] = epoch - 1
        alive = good >= epoch
        state = new if alive.all() else _choose(jnp.asarray(alive), new, state)
        row = {name: getattr(measured, name).mean(1) for name in Measured._fields}
        row["train_accuracy"] = row.pop("accuracy")
        row["test_accuracy"], row["fuzziness"] = _measured(recipe, state, pictures)
        rows.append({name: _nan_unless(alive, values) for name, values in row.items()})
        if tick() and epoch < recipe.epochs:
            return None
    rows[0] = {name: rows[0].get(name, np.full_like(rows[1][name], np.nan)) for name in rows[1]}
    table = {name: storable(np.stack([row[name] for row in rows], axis=1)) for name in rows[1]}
    return state, table | {"good_epochs": good}


def _course(keys: Array, epoch: int, steps: int, epochs: int) -> Course:
    """Where the steps of an epoch lie, in every lane."""
    return Course(keys, jnp.full(len(keys), (epoch - 1) * steps), jnp.full(len(keys), epochs * steps))


def _measured(recipe: Recipe, state: State, pictures: Pictures) -> tuple[np.ndarray, np.ndarray]:
    """Test accuracy and fuzziness of every lane."""
    results = measure_lanes(recipe.definition, state, pictures.test_images, pictures.test_labels)
    right, fuzzy = jax.device_get(results)
    return share(right, len(pictures.test_labels)), fuzzy


def _choose(alive: Array, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda a, b: jax.vmap(jnp.where)(alive, a, b), new, old)


def _nan_unless(alive: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(alive.reshape(-1, *[1] * (values.ndim - 1)), values, np.nan).astype(values.dtype)
