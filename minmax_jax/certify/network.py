"""LeNet as a list of layers that bounds pass through, forwards and backwards."""

from typing import Literal, Protocol, get_args, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float

from minmax_jax.certify.activations import Relu, Tanh
from minmax_jax.certify.bounds import Bounds
from minmax_jax.certify.linear import Convolution, Dense, Flatten, MeanPool
from minmax_jax.certify.pools import MaxPool, RectifiedMaxPool
from minmax_jax.checks import AnyArray, check_type, one_of
from minmax_jax.checks.padding import explicit_padding
from minmax_jax.lenet import TILE, LeNet
from minmax_jax.tiles import to_tiles

Relaxation = Literal["joint", "separate"]


@runtime_checkable
class Layer(Protocol):
    """A layer that bounds pass through."""

    def forward(self, inputs: Bounds) -> Bounds:
        """Bounds of the outputs for all inputs between the bounds."""

    def backward(
        self, coefficients: Float[Array, "..."], inputs: Bounds
    ) -> tuple[Float[Array, "..."], Float[Array, "s n"]]:
        """Coefficients b and a constant c, ``<b, x> + c <= <a, layer(x)>`` for x between the bounds."""


Layers = tuple[Layer, ...]


def layers_of(model: LeNet, relaxation: Relaxation = "joint") -> Layers:
    """The layers of a LeNet, of either variant; the last is its last dense layer.

    ``relaxation`` says how ReLU and max-pool are enclosed: as one function ("joint", the tighter), or one
    after the other as in auto_LiRPA ("separate"). Raises TypeError for another model.
    """
    check_type("model", model, LeNet)
    one_of("relaxation", relaxation, get_args(Relaxation))
    bend: Layer = Relu() if model.variant == "modern" else Tanh()
    pooled: Layers = (bend, MaxPool() if model.variant == "modern" else MeanPool())
    if model.variant == "modern" and relaxation == "joint":
        pooled = (RectifiedMaxPool(),)
    height, width = ((size // 2 - 4) // 2 for size in model.image_shape[:2])
    conv1, conv2 = (
        Convolution(conv.kernel[...], conv.bias[...])  # type: ignore[index]
        for conv in (model.conv1, model.conv2)
    )
    dense1, dense2, dense3 = (
        Dense(dense.kernel[...], dense.bias[...])  # type: ignore[index]
        for dense in (model.dense1, model.dense2, model.dense3)
    )
    return (conv1, *pooled, conv2, *pooled, Flatten(height, width), dense1, bend, dense2, bend, dense3)


def box(model: LeNet, low: Float[AnyArray, "n h w c"], high: Float[AnyArray, "n h w c"]) -> Bounds:
    """Bounds of the images, clipped to [0, 1], as the first layer expects them: in tiles, and padded."""
    check_type("model", model, LeNet)
    padding = explicit_padding("SAME", model.conv1.kernel[...].shape[:2])
    ends = (to_tiles(jnp.clip(end, 0, 1), TILE, padding) for end in (low, high))
    return Bounds(*ends)
