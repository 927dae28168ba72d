"""Work on some images only, at a cost that falls with their number, in arrays of fixed shapes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool

CHUNK = 64  # images worked on together; a chunk without an active image costs nothing


def on_active(
    function: Callable[..., Any], active: Bool[Array, " n"], otherwise: Any, *arrays: Any, chunk: int = CHUNK
) -> Any:
    """``function(active, *arrays)`` where ``active``, else ``otherwise``: pytrees with the images first.

    The active images are moved to the front and worked on in chunks; chunks without one are left out, at run
    time, by ``lax.cond``. ``function`` gets a chunk's active mask and arrays, and gives a pytree like
    ``otherwise``; it has to treat images alike, whatever stands beside them.
    Identity: ``where(active, function(active, *arrays), otherwise)``.
    """
    n = len(active)
    if n == 0:
        return otherwise
    width = min(chunk, n)
    order = jnp.argsort(~active, stable=True)
    padding = -n % width
    # The last rows are repeated to fill the last chunk; what comes out of the repeats is dropped.
    rows = jnp.concatenate([order, jnp.broadcast_to(order[-1:], (padding,))]).reshape(-1, width)

    def work(chunk_rows: Array) -> Any:
        mask, old, inputs = jax.tree.map(lambda leaf: leaf[chunk_rows], (active, otherwise, arrays))

        def run() -> Any:
            new = function(mask, *inputs)
            return jax.tree.map(lambda a, b: _choose(mask, a, b), new, old)

        return lax.cond(mask.any(), run, lambda: old)

    done = lax.map(work, rows)
    back = jnp.argsort(order)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:n][back], done)


def _choose(mask: Array, new: Array, old: Array) -> Array:
    return jnp.where(mask.reshape(-1, *[1] * (new.ndim - 1)), new, old)
