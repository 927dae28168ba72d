"""The weights that the paper is about: the convolution kernels of a model, found by their rank."""

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

    A layer is named by its path joined with ".", less a final "kernel".
    Identity: ``kernels(kernels(model)) == kernels(model)``.

    Args:
        weights: a Flax model (of which ``nnx.Param`` counts), an ``nnx.State``, or any pytree (Linen's
            ``params``).
        layers: names of the layers to return, in this order; None returns all.
        rank: of the kernels. A 2-D convolution's (kh, kw, cin, cout) has 4; 3 finds 1-D convolutions, 5
            finds 3-D ones, 2 dense layers; a sequence such as ``RANKS`` finds several.

    Raises:
        ValueError: for a model without such kernels, two layers of one name, or an unknown layer.
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
                raise ValueError(f"weights must have layers of different names, got two named {name!r}")
            found[name] = jnp.asarray(leaf)
    if not found:
        shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(weights)]
        raise ValueError(
            f"weights must hold a convolution kernel, a floating-point array of rank "
            f"{' or '.join(map(str, ranks))}, got shapes {shapes}"
        )
    if layers is None:
        return found
    if isinstance(layers, str) or not layers or set(layers) - set(found):
        raise ValueError(f"layers must be a sequence of names out of {list(found)}, got {layers!r}")
    return {name: found[name] for name in layers}


def named_kernels(weights: Any, layers: Sequence[str] | None = None) -> dict[str, Float[Array, "..."]]:
    """As ``kernels``, but one array of any rank counts as a kernel named "kernel".

    Raises ValueError where ``layers`` are given for a single kernel.
    """
    if not is_array(weights):
        return kernels(weights, layers)
    if layers is not None:
        raise ValueError(f"layers must be None for a single kernel, got {layers!r}")
    return {"kernel": jnp.asarray(weights)}
