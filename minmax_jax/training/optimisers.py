"""Optimisers: those of the study and of the playground, and projection as an optimiser's last link."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from minmax_jax.checks import check_positive
from minmax_jax.intervals import initial_bound
from minmax_jax.models.parameters import are_kernels, as_ranks

ADAM = optax.adam(1e-3)  # one object, so that all runs with the default share one compilation

Optimiser = Literal["adam", "sgd", "adamw"]
OPTIMISERS: Mapping[Optimiser, optax.GradientTransformation] = {
    "adam": ADAM,
    "sgd": optax.sgd(0.02, momentum=0.9),
    "adamw": optax.adamw(1e-3, weight_decay=0.1),
}


def keep_in_interval(
    bound: float | None = None, rank: int | Sequence[int] = 4
) -> optax.GradientTransformation:
    """Clips every convolution weight to [-c, c] after each step: ``W <- clip(W + update, -c, c)``.

    It goes last: ``optax.chain(optax.adam(1e-3), mm.keep_in_interval())`` trains by projected steps, so that
    weights cannot leave the interval of the reading "fixed". c is ``bound``, by default the support of Flax's
    initialiser for the kernel's shape (``initial_bound``); give the objective's ``bound`` if it has one.
    ``rank`` is that of the kernels, as in ``mm.kernels`` of an ``nnx.State``: found by the name ``kernel``.
    Raises ValueError for a bound <= 0 or infinite, and where the optimiser is called without parameters.
    Source: this study. Identity: ``optax.projections.projection_box`` of the new weights, up to rounding.
    """
    if bound is not None:
        bound = check_positive("bound", bound)
    ranks = as_ranks(rank)

    def kept(update: Array, weights: Array, is_kernel: bool) -> Array:
        if not is_kernel:
            return update
        c = initial_bound(weights.shape) if bound is None else bound
        return jnp.clip(weights + update, -c, c) - weights

    def update(updates: Any, state: optax.EmptyState, params: Any = None) -> tuple[Any, optax.EmptyState]:
        if params is None:
            raise ValueError("params must be the weights, as optax.chain passes them on, got None")
        chosen = jax.tree.unflatten(jax.tree.structure(params), are_kernels(params, ranks))
        return jax.tree.map(kept, updates, params, chosen), state

    return optax.GradientTransformation(lambda _: optax.EmptyState(), update)
