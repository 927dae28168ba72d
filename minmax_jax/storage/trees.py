"""From a pytree to named arrays and back: what files hold of weights, optimisers and random keys."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_leaves_with_path

from minmax_jax.checks import AnyArray


def is_key(leaf: Any) -> bool:
    """True for typed random keys, as dropout has them."""
    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def to_array(leaf: Any) -> np.ndarray:
    """A leaf as a NumPy array; random keys as the numbers they consist of."""
    return np.asarray(jax.random.key_data(leaf) if is_key(leaf) else leaf)


def to_leaf(array: AnyArray, like: Any) -> jax.Array:
    """An array as a leaf of the kind of ``like``. Identity: ``to_leaf(to_array(leaf), leaf) == leaf``."""
    if is_key(like):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(like))
    return jnp.asarray(array, getattr(like, "dtype", None))


def named_leaves(tree: Any) -> dict[str, Any]:
    """Every leaf of a pytree by its path, such as "conv1.kernel" in the state of an NNX module.

    Raises ValueError where two leaves have one name, as those of ``{"a.b": 1, "a": {"b": 2}}``.
    """
    leaves = tree_leaves_with_path(tree)
    # A variable of NNX is a node of its own, whose leaf is its value.
    names = [keystr(path, simple=True, separator=".").removesuffix(".value") for path, _ in leaves]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"names of leaves must differ, got {twice!r} twice")
    return dict(zip(names, (leaf for _, leaf in leaves), strict=True))


def to_arrays(tree: Any) -> dict[str, np.ndarray]:
    """Every leaf of a pytree by its path, as an array that any file holds.

    Narrow numbers, such as bfloat16, become float32, which loses nothing.
    Identity: ``from_arrays(to_arrays(tree), tree)`` equals ``tree``, bit for bit.
    """
    return {name: storable(to_array(leaf)) for name, leaf in named_leaves(tree).items()}


def from_arrays(arrays: Mapping[str, AnyArray], like: Any) -> Any:
    """The inverse of ``to_arrays``: a pytree built as ``like``.

    The leaves of ``like``, but for random keys, may be mere shapes. Other arrays are ignored; a leaf that is
    missing among them is a KeyError.
    """
    leaves = [to_leaf(arrays[name], leaf) for name, leaf in named_leaves(like).items()]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def storable(array: np.ndarray) -> np.ndarray:
    """Numbers that some files cannot hold (bfloat16, in netCDF float16) as float32, which loses nothing."""
    narrow = array.dtype.kind in "fV" and array.dtype.itemsize < 4
    return array.astype(np.float32) if narrow else array
