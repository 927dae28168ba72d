"""The training step: one pure, jitted scan over batches, the functional core of ``fit`` and ``sweep``.

Each step takes the gradient of the objective on a batch, lets the optimiser update the parameters, and
records how far each weight has gone. The rest of training (epochs, files, reports) is in ``training``.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.cpu.network import simplify
from minmax_jax.intervals import Interval
from minmax_jax.kernels import RANKS, kernels
from minmax_jax.objective import Measured, Objective

Kernels = dict[str, Float[Array, "..."]]


class State(NamedTuple):
    """All that training changes: a pytree of fixed structure and shapes."""

    params: nnx.State
    rest: nnx.State  # batch statistics, dropout's counters: what is neither parameter nor structure
    optimiser: optax.OptState
    extremes: dict[str, Interval]  # each recorded weight's own minimum and maximum so far
    snapshots: Kernels  # (points + 1, *kernel.shape); the last row takes the steps that are not recorded


class Course(NamedTuple):
    """Where some steps lie in a run, for defences that change during it or draw random numbers."""

    key: Array  # of the run's seed
    done: Int[Array, ""] | int  # steps before the first of these
    total: Int[Array, ""] | int  # steps of the whole run

    def moment(self, number: Int[Array, ""]) -> tuple[Float[Array, ""], Array]:
        """Share of the run that is done before the step of this number, counted from 0, and its random key.

        The key is ``fold_in(fold_in(key, 0), done + number)``: ``fold_in(key, epoch)`` orders the batches of
        epochs 1, 2, ... Identity: the same for the same step of a run, however the run is divided.
        """
        step = self.done + number
        progress = jnp.asarray(step, jnp.float32) / jnp.asarray(self.total, jnp.float32)
        return progress, jax.random.fold_in(jax.random.fold_in(self.key, 0), step)


def initial_state(
    model: nnx.Module,
    optimiser: optax.GradientTransformation,
    points: int,
    record: Sequence[str] | None = None,
) -> tuple[nnx.GraphDef, State]:
    """The model in training mode as a graph definition, and the state before the first step.

    ``points`` is the number of snapshots; ``record`` names the layers whose kernels are recorded, None all
    convolutions.
    """
    training = nnx.clone(model)  # the caller's module keeps its weights and its mode
    training.train()
    definition, *(params, rest) = nnx.split(training, nnx.Param, ...)
    found = kernels(training) if record is None else kernels(training, record, RANKS)
    rows = {name: jnp.asarray(np.broadcast_to(k, (points + 1, *k.shape))) for name, k in found.items()}
    extremes = {name: Interval(k, k) for name, k in found.items()}
    return definition, State(params, rest, optimiser.init(params), extremes, rows)


@partial(jax.jit, static_argnames=("images", "batch_size"))
def epoch_order(
    key: Array, epoch: Int[Array, ""] | int, images: int, batch_size: int
) -> Int[Array, "steps batch"]:
    """Rows of each batch of an epoch: a permutation of the images by ``fold_in(key, epoch)``.

    Only whole batches are used; the images left over differ from epoch to epoch.
    Identity: no row appears twice, and the order depends only on key, epoch and the two sizes.
    """
    steps = images // batch_size
    order = jax.random.permutation(jax.random.fold_in(key, epoch), images)
    return order[: steps * batch_size].reshape(steps, batch_size)


@partial(jax.jit, static_argnames=("definition", "optimiser"))
def train_steps(
    definition: nnx.GraphDef,
    optimiser: optax.GradientTransformation,
    objective: Objective,
    state: State,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    order: Int[Array, "steps batch"],
    slots: Int[Array, " steps"],
    course: Course | None = None,
) -> tuple[State, Measured, Measured]:
    """One ``lax.scan`` over batches: gradient of the objective, the optimiser's update, recording.

    Pure: the same arguments give the same bits on a CPU.

    Args:
        definition: the model's graph definition, of ``initial_state``; static, as is ``optimiser``.
        optimiser: whose memory ``state`` holds.
        objective: what each step lowers.
        state: before the first of these steps.
        images: all images, in [0, 1].
        labels: their class numbers.
        order: rows of the images in each batch, of ``epoch_order``.
        slots: for each step the row of ``state.snapshots`` that takes its kernels.
        course: where in the run the steps are; an objective with a defence or terms needs it.

    Returns:
        The state after the last step; what each step measured on its batch before its update; and the last
        batch measured again after its update (without the defence), which tells whether the state is usable.
    """
    if objective.is_timed and course is None:
        raise TypeError("course must be a Course for an objective with a defence or terms, got None")

    def loss(params: nnx.State, rest: nnx.State, rows: Array, number: Array | None) -> tuple[Array, Any]:
        # Merged as a copy: the model has variables of its own, which a call may change.
        model = simplify(nnx.merge(definition, params, rest, copy=True))
        moment = None if number is None or course is None else course.moment(number)
        measured = objective.measured(model, images[rows], labels[rows], moment)
        total = measured.loss + objective.penalty(nnx.merge(definition, params, rest))
        if objective.terms:
            own = nnx.merge(definition, params, rest, copy=True)  # to be called once more
            total += objective.added(own, images[rows], 1.0 if moment is None else moment[0])
        return total, (measured._replace(loss=total), nnx.state(model, nnx.Not(nnx.Param)))

    def step(state: State, batch: tuple[Array, Array, Array | None]) -> tuple[State, Measured]:
        rows, slot, number = batch
        grads, (measured, rest) = jax.grad(loss, has_aux=True)(state.params, state.rest, rows, number)

        def of(params: nnx.State) -> Array:
            return loss(params, state.rest, rows, number)[0]

        now = {"value": measured.loss, "grad": grads, "value_fn": of}
        updates, memory = updated(optimiser, grads, state.optimiser, state.params, **now)
        params = optax.apply_updates(state.params, updates)
        found = kernels(nnx.merge(definition, params, rest), rank=RANKS)
        return State(params, rest, memory, *_recorded(state, found, slot)), measured

    numbers = jnp.arange(len(order)) if objective.is_timed else None
    state, measured = lax.scan(step, state, (order, slots, numbers))
    _, (after, _) = loss(state.params, state.rest, order[-1], None)
    return state, measured, after


def updated(
    optimiser: optax.GradientTransformation, gradient: Any, memory: Any, params: Any, **loss: Any
) -> tuple[Any, Any]:
    """Updates and new memory; ``loss`` (value, grad, value_fn) is for optimisers like ``optax.lbfgs``."""
    try:
        return optax.with_extra_args_support(optimiser).update(gradient, memory, params, **loss)
    except TypeError:  # of one that takes none of these, such as optax.contrib.sam
        return optimiser.update(gradient, memory, params)


def _recorded(state: State, found: Kernels, slot: Array) -> tuple[dict[str, Interval], Kernels]:
    """The extremes and the snapshots of ``state`` with the kernels ``found`` after a step in them."""
    extremes = {
        name: Interval(jnp.minimum(span.low, found[name]), jnp.maximum(span.high, found[name]))
        for name, span in state.extremes.items()
    }
    return extremes, {name: rows.at[slot].set(found[name]) for name, rows in state.snapshots.items()}
