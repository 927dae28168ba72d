"""LeNet as a list of layers that bounds pass through, forwards and backwards."""

from typing import Any, Literal, Protocol, TypeAlias, get_args, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float

from minmax_jax.certify.activations import Relu, Tanh
from minmax_jax.certify.bounds import Bounds
from minmax_jax.certify.linear import Convolution, Dense, Flatten, MeanPool
from minmax_jax.certify.pools import MaxPool, RectifiedMaxPool
from minmax_jax.checks import AnyArray, check_type, one_of
from minmax_jax.checks.padding import explicit_padding
from minmax_jax.lenet import TILE, LeNet
from minmax_jax.models.pixels import OnPixels, Squashed
from minmax_jax.tiles import to_tiles

Certifiable: TypeAlias = LeNet | OnPixels
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


def lenet_of(model: Any) -> LeNet:
    """The LeNet that bounds pass through: the model, or what follows its squashed pixels.

    Raises TypeError for another model, such as one of a class derived from LeNet with a call of its own.
    """
    inner: Any = (
        model.network if isinstance(model, OnPixels) and isinstance(model.mapped, Squashed) else model
    )
    check_type("model", inner, LeNet)
    if type(inner).__call__ is not LeNet.__call__:
        raise TypeError(
            "model must be a minmax_jax.lenet.LeNet with the call of that class, whose layers the bounds "
            f"follow; {type(inner).__name__} has a call of its own"
        )
    lenet: LeNet = inner
    return lenet


def layers_of(model: Certifiable, relaxation: Relaxation = "joint") -> Layers:
    """The layers of a LeNet, of either variant; the last is its last dense layer.

    ``relaxation`` says how ReLU and max-pool are enclosed: as one function ("joint", the tighter), or one
    after the other as in auto_LiRPA ("separate"). Raises TypeError for another model.
    """
    model = lenet_of(model)
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


def box(model: Certifiable, low: Float[AnyArray, "n h w c"], high: Float[AnyArray, "n h w c"]) -> Bounds:
    """Bounds of the images, clipped to [0, 1], as the first layer expects them: in tiles, and padded.

    Squashing keeps the order of pixels, so that it maps the ends of their intervals to the ends.
    """
    lenet = lenet_of(model)
    padding = explicit_padding("SAME", lenet.conv1.kernel[...].shape[:2])
    ends = (jnp.clip(end, 0, 1) for end in (low, high))
    if isinstance(model, OnPixels):
        ends = (model.mapped(end) for end in ends)
    return Bounds(*(to_tiles(end, TILE, padding) for end in ends))
