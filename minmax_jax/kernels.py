"""Finding the convolution kernels of a model."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.tree_util import keystr, tree_flatten_with_path
from jaxtyping import Array, Float

RANKS = (2, 3, 4, 5)  # of kernels: dense layers, and convolutions of one to three dimensions


def is_array(weights: Any) -> bool:
    """True for one kernel, false for a model or a pytree of kernels."""
    return isinstance(weights, nnx.Variable) or hasattr(weights, "__array__")


def kernels(
    weights: Any, layers: Sequence[str] | None = None, rank: int | Sequence[int] = 4
) -> dict[str, Float[Array, "..."]]:
    """Convolution kernels by layer name, found by their rank, in the order of the pytree.

    ``weights`` is a Flax model (its ``nnx.Param``), an ``nnx.State``, or any pytree (Linen's ``params``).
    A 2-D convolution's kernel (kh, kw, cin, cout) has rank 4; ``rank=3`` finds those of 1-D, 5 of 3-D
    convolutions, 2 the dense layers, ``RANKS`` all of these. A layer is named by its path joined with ".",
    less a final "kernel". ``layers`` selects some of them by name. Raises ValueError for a model without
    such kernels, or an unknown layer. Identity: ``kernels(kernels(model)) == kernels(model)``.
    """
    ranks = (rank,) if isinstance(rank, int) else tuple(rank)
    if isinstance(weights, nnx.Module):
        weights = nnx.state(weights, nnx.Param)
    if isinstance(weights, nnx.State):
        weights = nnx.to_pure_dict(weights)
    found: dict[str, Array] = {}
    for path, leaf in tree_flatten_with_path(weights)[0]:
        if jnp.ndim(leaf) in ranks and jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
            name = keystr(path, simple=True, separator=".").removesuffix(".kernel") or "kernel"
            if name in found:
                raise ValueError(f"weights have two layers named {name!r}; it takes names that differ")
            found[name] = jnp.asarray(leaf)
    if not found:
        shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(weights)]
        raise ValueError(
            f"weights hold no convolution kernel; it takes a model or pytree with floating-point arrays "
            f"of rank {' or '.join(map(str, ranks))}, got shapes {shapes}"
        )
    if layers is None:
        return found
    if isinstance(layers, str) or not layers or set(layers) - set(found):
        raise ValueError(f"layers must be a sequence of names out of {list(found)}, got {layers!r}")
    return {name: found[name] for name in layers}
