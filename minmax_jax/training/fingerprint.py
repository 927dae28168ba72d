"""What makes a training run the one it is: all that its bits depend on, by name."""

import json
from functools import partial
from importlib.metadata import version
from inspect import Parameter, signature
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.tree_util import tree_leaves
from jaxtyping import Array, Float

from minmax_jax.checks import plain
from minmax_jax.convolution import Conv
from minmax_jax.data import Dataset
from minmax_jax.objective import Objective, without_addresses
from minmax_jax.storage.digests import digest
from minmax_jax.storage.trees import is_key, named_leaves, to_array
from minmax_jax.train_step import State, updated

PACKAGES = ("minmax_jax", "jax", "flax", "optax")


def fingerprint(
    definition: nnx.GraphDef,
    start: State,
    data: Dataset,
    objective: Objective,
    optimiser: optax.GradientTransformation,
    counts: dict[str, Any],
) -> dict[str, Any]:
    """All that the bits of a run depend on, as names and plain values (as JSON has them).

    Two runs with equal fingerprints give the same bits on the same machine, as far as can be told: functions
    count by their names, and an optimiser by its state and by its first two updates, for which the weights
    themselves serve as gradients. So a different learning rate is noticed, a schedule that differs later on
    is not.

    Args:
        definition: the model's structure.
        start: weights and the optimiser's state before the first step.
        data: images and labels; they count by their checksums.
        objective: what is minimised.
        optimiser: the optimiser itself.
        counts: further numbers of the run, such as its epochs and seed, by name.
    """
    named = dict(counts)
    named |= {f"objective.{name}": value for name, value in objective.facts().items()}
    named |= {"data.name": data.name, "data.classes": data.classes}
    for part in ("train", "test"):
        split = getattr(data, part)
        named |= {f"data.{part}.images": digest(split.images), f"data.{part}.labels": digest(split.labels)}
    named |= _structure(nnx.merge(definition, start.params, start.rest))
    for state in (start.params, start.rest):
        named |= {f"model at the start.{name}": value for name, value in _digests(state).items()}
    named |= {f"optimiser.{name}": value for name, value in _digests(start.optimiser).items()}
    sizes = jax.device_get(first_updates(optimiser, start.optimiser, start.params))
    named["size of the optimiser's first updates"] = [f"{size:.5g}" for size in sizes]
    named |= {f"version of {name}": version(name) for name in PACKAGES}
    return {name: _plain(value) for name, value in named.items()}


def _digests(tree: Any) -> dict[str, str]:
    """The digest of each leaf by its name; random keys with their kind."""
    return {
        name: (f"{leaf.dtype}, " if is_key(leaf) else "") + digest(to_array(leaf))
        for name, leaf in named_leaves(tree).items()
    }


def _structure(model: nnx.Module) -> dict[str, Any]:
    """The kind of each module and its attributes that hold no arrays: strides, padding, activation."""
    found: dict[str, Any] = {}
    for path, node in nnx.iter_graph(model):
        if not isinstance(node, nnx.Module):
            continue
        where = ".".join(map(str, ("model", *path)))
        found[where] = type(node).__qualname__
        for name, value in vars(node).items():
            held = tree_leaves(value)
            if str(name).startswith("_") or any(isinstance(one, jax.Array | np.ndarray) for one in held):
                continue
            if not (isinstance(node, Conv) and _follows(name, value)):
                value = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
                if any(isinstance(one, np.generic) for one in held):  # np.int64(3) is written as 3
                    value = jax.tree.map(plain, value)
                is_plain = value is None or isinstance(value, str | int)
                found[f"{where}.{name}"] = value if is_plain else without_addresses(repr(value))
    return dict(sorted(found.items()))


def _follows(name: str, value: Any) -> bool:
    """Whether an attribute of our convolution says nothing: a default of nnx.Conv, or known by the kernel.

    Runs begun when the layer had neither strides nor groups can so be resumed.
    """
    known = signature(nnx.Conv).parameters.get(name)
    return name != "padding" and (
        known is None or known.default in (value, Parameter.empty) or name == "conv_general_dilated"
    )


@partial(jax.jit, static_argnames="optimiser")
def first_updates(
    optimiser: optax.GradientTransformation, memory: Any, params: nnx.State
) -> tuple[Float[Array, ""], ...]:
    """Sizes of the first two updates on the loss ``sum W^2 / 2``, whose gradient is the weights."""

    def half_squares(params: Any) -> Array:
        return sum(jnp.square(leaf).sum() for leaf in tree_leaves(params)) / 2  # type: ignore[return-value]

    sizes = []
    for _ in range(2):
        loss = {"value": half_squares(params), "grad": params, "value_fn": half_squares}
        updates, memory = updated(optimiser, params, memory, params, **loss)
        params = optax.apply_updates(params, updates)
        squares = [jnp.square(leaf.astype(jnp.float32)).sum() for leaf in tree_leaves(updates)]
        sizes.append(jnp.sqrt(sum(squares)))
    return tuple(sizes)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda one: np.asarray(one).tolist()))
