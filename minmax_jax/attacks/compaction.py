"""Compaction: work on some images only, in arrays of fixed shapes, at a cost that falls with their number."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool

from minmax_jax.attacks.selection import choose

CHUNK = 64  # images worked on together; a chunk without an active image costs nothing


def on_active(
    function: Callable[..., Any], active: Bool[Array, " n"], otherwise: Any, *arrays: Any, chunk: int = CHUNK
) -> Any:
    """``function(active, *arrays)`` where ``active``, else ``otherwise``: pytrees with the images first.

    The active images are moved to the front and worked on in chunks; ``lax.cond`` skips chunks without one at
    run time. Identity: ``where(active, function(active, *arrays), otherwise)``.

    Args:
        function: takes a chunk's active mask and arrays, and returns a pytree like ``otherwise``; it must
            treat each image alike, whatever stands beside it.
        active: (n,), the images to work on.
        otherwise: the result for all others.
        *arrays: pytrees for ``function``, or None.
        chunk: images worked on together.
    """
    n = len(active)
    if n == 0:
        return otherwise
    width = min(chunk, n)
    order = jnp.argsort(~active, stable=True)
    padding = -n % width
    # The last row is repeated to fill the last chunk; the results of the repeats are dropped.
    rows = jnp.concatenate([order, jnp.broadcast_to(order[-1:], (padding,))]).reshape(-1, width)

    def work(chunk_rows: Array) -> Any:
        mask, old, inputs = jax.tree.map(lambda leaf: leaf[chunk_rows], (active, otherwise, arrays))

        def run() -> Any:
            return choose(mask, function(mask, *inputs), old)

        return lax.cond(mask.any(), run, lambda: old)

    done = lax.map(work, rows)
    back = jnp.argsort(order)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:n][back], done)
