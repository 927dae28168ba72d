"""Bounds through a list of layers: forwards (intervals) and backwards (CROWN)."""

import math
from functools import reduce

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from minmax_jax.certify.bounds import Bounds, least
from minmax_jax.certify.linear import Linear
from minmax_jax.certify.network import Layers


def forward(layers: Layers, inputs: Bounds) -> list[Bounds]:
    """Bounds of the input of every layer, and of the output, by interval bound propagation.

    Each layer's outputs are bounded from its inputs' bounds alone. Source: Gowal et al. 2018.
    """
    return reduce(lambda known, layer: [*known, layer.forward(known[-1])], layers, [inputs])


def backward(
    layers: Layers, inputs: list[Bounds], coefficients: Float[Array, "..."], constant: Float[Array, "s m"]
) -> Float[Array, "s n"]:
    """A lower bound of ``<coefficients, layers(x)> + constant`` for all x in the first of the bounds.

    ``inputs`` are bounds of the input of every layer. Layer by layer, from the last to the first, the linear
    function is replaced by one of the layer's inputs that is nowhere above it; the least value of the last
    one in the box of images is known. Source: Zhang et al. 2018 (CROWN).
    Identity: exact where all layers are linear.
    """
    for layer, bounds in zip(reversed(layers), reversed(inputs), strict=True):
        coefficients, more = layer.backward(coefficients, bounds)
        constant = constant + more
    return least(coefficients, inputs[0]) + constant


def refined(layers: Layers, inputs: Bounds) -> list[Bounds]:
    """As ``forward``, with the input of every activation bounded by CROWN too: the tighter bound holds.

    The outputs of the first layer are left as they are: their intervals are exact.
    Source: Zhang et al. 2018 (CROWN).
    """
    known = [inputs]
    for number, (layer, following) in enumerate(zip(layers, (*layers[1:], None), strict=True)):
        outputs = layer.forward(known[-1])
        if number > 0 and isinstance(layer, Linear) and not isinstance(following, Linear):
            low, high = _both_ends(layers[: number + 1], known, outputs.low.shape)
            outputs = Bounds(jnp.maximum(low, outputs.low), jnp.minimum(high, outputs.high))
        known.append(outputs)
    return known


def _both_ends(layers: Layers, inputs: list[Bounds], shape: tuple[int, ...]) -> Bounds:
    """Bounds of all outputs of the last layer, each by its own backward pass."""
    if len(shape) == 2:
        ends = _ends(layers, inputs, shape[:-1])
        return Bounds(*(end.reshape(shape) for end in ends))
    tr, ts, channels, rows, columns, images = shape
    places = jnp.stack(jnp.meshgrid(jnp.arange(rows), jnp.arange(columns), indexing="ij"), -1).reshape(-1, 2)

    def at(place: Array) -> Bounds:
        """Bounds of one tile of outputs, from the inputs in its receptive field: others only add work."""
        seen = [_seen(bounds, place, (rows, columns)) for bounds in inputs]
        return _ends(layers, seen, (tr, ts, channels, 1, 1))

    def laid(end: Array) -> Array:  # (rows * columns, tile, images) to tiles
        split = end.reshape(rows, columns, tr, ts, channels, images)
        return split.transpose(2, 3, 4, 0, 1, 5)

    return Bounds(*map(laid, lax.map(at, places)))


def _seen(bounds: Bounds, place: Array, outputs: tuple[int, int]) -> Bounds:
    """The tiles of a layer's input that the tile of outputs at a place depends on."""
    rows, columns = (size - out + 1 for size, out in zip(bounds.low.shape[3:5], outputs, strict=True))

    def part(end: Array) -> Array:
        down = lax.dynamic_slice_in_dim(end, place[0], rows, 3)
        return lax.dynamic_slice_in_dim(down, place[1], columns, 4)

    return Bounds(*map(part, bounds))


def _ends(layers: Layers, inputs: list[Bounds], shape: tuple[int, ...]) -> Bounds:
    """Least and greatest value of each of the outputs, which have a ``shape`` for one image."""
    count = math.prod(shape)
    one = jnp.eye(count, dtype=jnp.float32).reshape(
        *shape, count, 1
    )  # one for all images, until bounds make them differ

    def lowest(sign: Array) -> Array:
        return backward(layers, inputs, sign * one, jnp.zeros((count, 1), jnp.float32))

    low, negative = lax.map(lowest, jnp.array([1.0, -1.0], jnp.float32))
    return Bounds(low, -negative)
