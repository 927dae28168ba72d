"""The weights that the paper is about: the convolution kernels of a model, found by their name and rank."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from minmax_jax.checks import as_array, as_names, is_linen, kind
from minmax_jax.models.parameters import as_ranks, find_kernels

RANKS = (2, 3, 4, 5)  # of kernels: dense layers, and convolutions of one to three dimensions


def is_array(weights: Any) -> bool:
    """True for one kernel, false for a model or a pytree of kernels."""
    return isinstance(weights, nnx.Variable) or hasattr(weights, "__array__")


def kernels(
    weights: Any, layers: Sequence[str] | None = None, rank: int | Sequence[int] = 4
) -> dict[str, Float[Array, "..."]]:
    """Convolution kernels by layer name, in the order of the pytree.

    A kernel is a parameter named ``kernel``, of ``nnx.Conv`` or any other layer, with the rank of a
    convolution's. Other parameters of that rank, such as embeddings of positions, are none. In a model,
    neither are those of ``nnx.LinearGeneral``, ``nnx.Einsum`` and what is made of them (attention): these are
    dense layers, which count where 2 is among the ranks. An ``nnx.State`` or another pytree does not tell
    them apart. A pytree without a ``kernel`` inside, such as a list of arrays, holds kernels alone.

    The output channels are the last axis: a kernel of ``nnx.ConvTranspose(..., transpose_kernel=True)``,
    where they come before the inputs, is turned, if a model is given.

    A layer is named by its path joined with ".", less a final "kernel".
    Identity: ``kernels(kernels(model)) == kernels(model)``.

    Args:
        weights: a Flax model (of which ``nnx.Param`` counts), an ``nnx.State``, or any pytree (Linen's
            ``params``).
        layers: names of the layers to return, in this order; None returns all.
        rank: of the kernels. A 2-D convolution's (kh, kw, cin, cout) has 4; 3 finds 1-D convolutions, 5
            finds 3-D ones, 2 dense layers; a sequence such as ``RANKS`` finds several. Layers that
            ``nnx.vmap`` has stacked are one kernel, whose rank is one higher.

    Raises:
        TypeError: for a class, or a module of Flax Linen, which holds no weights.
        ValueError: for a model without such kernels, two layers of one name, or an unknown layer.
    """
    if isinstance(weights, type) or is_linen(weights):
        cure = 'give its variables["params"]' if is_linen(weights) else "make a model of it"
        raise TypeError(f"weights must be a model, a state or a pytree, got {kind(weights)}; {cure}")
    ranks = as_ranks(rank)
    found: dict[str, Array] = {}
    for path, leaf in find_kernels(weights, ranks):
        name = path.removesuffix(".kernel") or "kernel"
        if name in found:
            raise ValueError(f"weights must have layers of different names, got two named {name!r}")
        found[name] = jnp.asarray(leaf)
    if not found:
        held = nnx.state(weights, nnx.Param) if isinstance(weights, nnx.Module) else weights
        shapes = [np.shape(leaf) for leaf in jax.tree.leaves(held)]
        raise ValueError(
            f"weights must hold a convolution kernel, a floating-point array of rank "
            f"{' or '.join(map(str, ranks))}, got shapes {shapes}; "
            "in a network it is a parameter named kernel"
        )
    if layers is None:
        return found
    names = as_names(layers)
    if not names or set(names) - set(found):
        raise ValueError(f"layers must be a sequence of names out of {list(found)}, got {layers!r}")
    return {name: found[name] for name in names}


def named_kernels(weights: Any, layers: Sequence[str] | None = None) -> dict[str, Float[Array, "..."]]:
    """As ``kernels``, but one array of any rank counts as a kernel named "kernel".

    Raises ValueError where ``layers`` are given for a single kernel.
    """
    if not is_array(weights):
        return kernels(weights, layers)
    if layers is not None:
        raise ValueError(f"layers must be None for a single kernel, got {layers!r}")
    return {"kernel": jnp.asarray(as_array("weights", weights))}
