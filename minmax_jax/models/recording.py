"""What layers of a model give, besides what the model gives: their outputs, before the activation."""

from collections.abc import Sequence
from contextvars import ContextVar
from functools import cache
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from minmax_jax.checks import AnyArray

Outputs = dict[int, list[Array]]  # of each layer, by its id, at every call
_recorded: ContextVar[Outputs | None] = ContextVar("recorded", default=None)


def is_recording() -> bool:
    """Whether outputs of layers are asked for: a model that computes a layer otherwise has to call it."""
    return _recorded.get() is not None


def layer_outputs(
    model: nnx.Module, images: Float[AnyArray, "n ..."], layers: Sequence[str]
) -> dict[str, Float[Array, "m cout"]]:
    """The outputs of convolutions and dense layers, by name, where the model is called on images.

    A row for each image and place, and each call of the layer. The model is changed as by any call: give a
    copy of one that counts or draws. Under jit, what the outputs do not depend on is not computed.
    Raises ValueError for a name that is no layer with a kernel, and for one that is not called.
    """
    known = {
        ".".join(map(str, path)): node
        for path, node in nnx.iter_graph(model)
        if isinstance(node, nnx.Module) and hasattr(node, "kernel") and callable(node)
    }
    if missing := set(layers) - set(known):
        raise ValueError(f"layers must be names out of {list(known)}, got {sorted(missing)}")
    chosen = {name: known[name] for name in layers}
    kinds = {name: type(layer) for name, layer in chosen.items()}
    found: Outputs = {id(layer): [] for layer in chosen.values()}
    token = _recorded.set(found)
    try:
        for layer in chosen.values():
            object.__setattr__(layer, "__class__", _recording(type(layer)))
        model(images)
    finally:
        _recorded.reset(token)
        for name, layer in chosen.items():
            object.__setattr__(layer, "__class__", kinds[name])
    if unused := [name for name, layer in chosen.items() if not found[id(layer)]]:
        raise ValueError(f"layers must be called by the model, got {unused}, which are not")
    outputs = {name: found[id(layer)] for name, layer in chosen.items()}
    return {name: jnp.concatenate([y.reshape(-1, y.shape[-1]) for y in ys]) for name, ys in outputs.items()}


@cache
def _recording(kind: Any) -> type[nnx.Module]:
    """A class of layers that keep what they give."""

    def call(self: nnx.Module, *args: Any, **options: Any) -> Any:
        outputs = kind.__call__(self, *args, **options)
        recorded = _recorded.get()
        if recorded is not None and id(self) in recorded:
            recorded[id(self)].append(outputs)
        return outputs

    return type(kind.__name__, (kind,), {"__call__": call, "__module__": kind.__module__})
