"""Projection: an optimiser's last link, which keeps convolution weights inside their interval."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import optax
from jax.tree_util import tree_map
from jaxtyping import Array

from minmax_jax.intervals import initial_bound


def keep_in_interval(
    bound: float | None = None, rank: int | Sequence[int] = 4
) -> optax.GradientTransformation:
    """Clips every convolution weight to [-c, c] after each step: ``W <- clip(W + update, -c, c)``.

    It goes last: ``optax.chain(optax.adam(1e-3), mm.keep_in_interval())`` trains by projected steps, and so
    makes the interval of the reading "fixed" one that weights cannot leave. c is ``bound``, by default the
    support of Flax's initialiser for the kernel's shape (``initial_bound``), and the same as the objective's
    ``bound`` if that is given. ``rank`` is that of the kernels, as in ``mm.kernels``.
    Raises ValueError for a bound <= 0 or infinite, and where the optimiser is called without parameters.
    Source: this study. Identity: ``optax.projections.projection_box`` of the new weights, up to rounding.
    """
    if bound is not None and not 0 < bound < float("inf"):
        raise ValueError(f"bound must be a finite number > 0, got {bound}")
    ranks = (rank,) if isinstance(rank, int) else tuple(rank)

    def kept(update: Array, weights: Array) -> Array:
        if jnp.ndim(weights) not in ranks or not jnp.issubdtype(weights.dtype, jnp.floating):
            return update
        c = initial_bound(weights.shape) if bound is None else bound
        return jnp.clip(weights + update, -c, c) - weights

    def update(updates: Any, state: optax.EmptyState, params: Any = None) -> tuple[Any, optax.EmptyState]:
        if params is None:
            raise ValueError("params is None; keep_in_interval takes the weights, as optax's chain hands on")
        return tree_map(kept, updates, params), state

    return optax.GradientTransformation(lambda _: optax.EmptyState(), update)
