"""Accuracy of a model over all images, in batches: of any callable from images to logits."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.checks import check_count, check_type
from minmax_jax.cpu.network import simplify
from minmax_jax.data import Split
from minmax_jax.jobs.parallel import side_by_side
from minmax_jax.models.functions import function_of
from minmax_jax.models.logits import Model as Model
from minmax_jax.models.logits import logits_of

BATCHES = 10  # of images handed over to a core at once


def split_model(model: Any) -> tuple[Any, Any]:
    """A model as (definition, weights): the definition is hashable, the weights are a pytree.

    For a Flax NNX module these are its graph definition in evaluation mode and its state; any other
    callable is its own definition, with no weights. Identity: ``merge_model(*split_model(m))(x) == m(x)``.
    Raises TypeError for anything else: a class, a module of Flax Linen or of PyTorch among them.
    """
    if isinstance(model, nnx.Module):
        quiet = nnx.clone(model)  # the caller's module keeps its own mode
        quiet.eval()
        return nnx.split(quiet)
    return function_of(model), ()


def merge_model(definition: Any, weights: Any) -> Model:
    """The model that ``split_model`` took apart, with variables of its own, which a call may change.

    On CPUs, the convolutions of a module are those of ``cpu``.
    """
    if isinstance(definition, nnx.GraphDef):
        return simplify(nnx.merge(definition, weights, copy=True))
    return definition


def map_batches(function: Callable[..., Any], batch_size: int, *arrays: Array) -> Any:
    """``function(*arrays)`` computed in batches along the first axis, every row counted once.

    ``function`` returns arrays with the rows on the first axis. Identity: equal to one call on all rows,
    for any function that treats each row by itself.
    """
    batch_size = check_count("batch_size", batch_size)
    rows = len(arrays[0])
    full = rows // batch_size * batch_size
    parts = []
    if full:
        batches = [a[:full].reshape(-1, batch_size, *a.shape[1:]) for a in arrays]
        mapped = lax.map(lambda batch: function(*batch), tuple(batches))
        parts.append(jax.tree.map(lambda a: a.reshape(full, *a.shape[2:]), mapped))
    if full < rows:
        parts.append(function(*(a[full:] for a in arrays)))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


@partial(jax.jit, static_argnames=("definition", "batch_size"))
def correct(
    definition: Any,
    weights: Any,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    batch_size: int = 250,
) -> Bool[Array, " n"]:
    """Whether each image is classified as its label, by the largest logit.

    Args:
        definition: of ``split_model``; static.
        weights: of ``split_model``.
        images: in [0, 1].
        labels: class numbers.
        batch_size: images computed at a time.
    """

    def of_batch(x: Array, y: Array) -> Array:
        # Merged anew for every batch: what a call changes, such as the count of a random stream, stays here.
        return logits_of(merge_model(definition, weights), x).argmax(-1) == y

    return map_batches(of_batch, batch_size, images, labels)


def share(right: int | Int[np.ndarray, " models"], count: int) -> Any:
    """The share of ``count`` images that is right, for one model or many, in float32.

    Divided on the host, as devices differ in how they round a division.
    """
    return np.asarray(right, np.float32) / np.float32(count)


def accuracy(model: Model, data: Split, batch_size: int = 250) -> float:
    """Share of images classified correctly, in [0, 1], over all images of a split.

    ``model`` is any callable from images (n, h, w, c) to logits (n, classes); a Flax module is evaluated
    in evaluation mode (running statistics, no dropout). Any other callable is compiled at its first call, so
    weights changed in it later go unnoticed: it has to be a function of the images alone. A Flax module that
    draws random numbers all the same begins its streams anew with every batch. Raises the errors of
    ``split_model`` and ``logits_of``.
    """
    check_type("data", data, Split)
    size = check_count("batch_size", batch_size)
    definition, weights = split_model(model)

    def hits(part: Split) -> Array:
        return correct(definition, weights, jnp.asarray(part.images), jnp.asarray(part.labels), size)

    width = BATCHES * size
    parts = [data[start : start + width] for start in range(0, len(data), width)]
    right = sum(int(found.sum()) for found in side_by_side(hits, parts))
    return float(share(right, len(data)))
