"""Which parameters of a model, or leaves of a pytree, are kernels: by name, rank and layer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.tree_util import GetAttrKey, keystr, tree_leaves_with_path
from jaxtyping import Array

from minmax_jax.checks import check_count, items

DENSE = (nnx.LinearGeneral, nnx.Einsum)  # dense layers whose kernels may have the rank of a convolution's


def as_ranks(rank: int | Sequence[int]) -> tuple[int, ...]:
    """One rank or several as a tuple. Raises TypeError or ValueError unless they are positive ints."""
    return tuple(check_count("rank", one) for one in items(rank) or [rank])


def are_kernels(tree: Any, ranks: tuple[int, ...]) -> list[bool]:
    """For each leaf of a pytree, whether it is a kernel by its name and rank: see ``mm.kernels``."""
    leaves = _leaves(tree)
    by_name = isinstance(tree, nnx.State) or any(len(w) > 1 and w[-1] == "kernel" for w, _ in leaves)
    return [
        np.ndim(leaf) in ranks
        and jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        and (not by_name or words[-1:] == ["kernel"])
        for words, leaf in leaves
    ]


def are_inside(tree: Any, names: Sequence[str]) -> list[bool]:
    """For each leaf of a pytree, whether it is the parameter, or in the layer, of one of these names.

    Raises ValueError for a name that no leaf has.
    """
    paths = [words for words, _ in _leaves(tree)]
    known = {".".join(words[:end]) for words in paths for end in range(1, len(words) + 1)}
    if unknown := [name for name in names if name not in known]:
        layers = list(dict.fromkeys(".".join(words[:-1]) or words[-1] for words in paths))
        raise ValueError(
            f"layers must be names out of {layers}, or of parameters in them, got {unknown[0]!r}"
        )
    starts = [tuple(name.split(".")) for name in names]
    return [any(tuple(words[: len(start)]) == start for start in starts) for words in paths]


def _leaves(tree: Any) -> list[tuple[list[str], Any]]:
    """The leaves of a pytree with their paths, word by word, where an ``nnx.Variable`` adds none."""
    pure = nnx.to_pure_dict(tree) if isinstance(tree, nnx.State) else tree
    return [
        ([keystr((step,), simple=True) for step in path if step != GetAttrKey("value")], leaf)
        for path, leaf in tree_leaves_with_path(pure)
    ]


def find_kernels(weights: Any, ranks: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """The kernels by their paths."""
    model = weights if isinstance(weights, nnx.Module) else None
    tree = weights if model is None else nnx.state(model, nnx.Param)
    for is_kernel, (words, leaf) in zip(are_kernels(tree, ranks), _leaves(tree), strict=True):
        layer = None if model is None else _inside(model, words[:-1])
        if is_kernel and not (isinstance(layer, DENSE) and 2 not in ranks):
            is_turned = isinstance(layer, nnx.ConvTranspose) and layer.transpose_kernel
            yield ".".join(words), jnp.swapaxes(leaf, -1, -2) if is_turned else leaf


def _inside(model: nnx.Module, words: Sequence[str]) -> Any:
    """What lies at a path in a model; None where it cannot be followed, as into a pytree of one's own."""
    node: Any = model
    for word in words:
        try:
            if isinstance(node, Mapping):
                node = {str(key): value for key, value in node.items()}[word]
            else:
                node = node[int(word)] if word.isdecimal() else getattr(node, word)
        except (AttributeError, LookupError, TypeError):
            return None
    return node
