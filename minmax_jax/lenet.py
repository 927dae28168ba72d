"""LeNet-5, the network that the paper trains, with simplified convolutions: modern, and as in 1998."""

import math
from typing import Literal, get_args

import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from minmax_jax.checks import AnyArray, check_count, items, one_of
from minmax_jax.convolution import Conv, convolve_tiles
from minmax_jax.cpu.convolution import is_native
from minmax_jax.models.initialisers import lecun_normal, torch_uniform
from minmax_jax.models.recording import is_recording
from minmax_jax.tiles import max_pool, mean_pool, to_tiles

Variant = Literal["modern", "classic"]
Initialiser = Literal["lecun", "torch"]

# Outputs of conv1 computed together; pooling leaves (2, 2) for conv2 and (1, 1) after it. Of the sizes tried,
# this one gives equal pixels equal outputs to the last bit, wherever in the tile they are, so that max-pool
# meets the ties of the native form: for a matrix of fewer rows, XLA adds some products in another order.
TILE = (4, 4)


def scaled_tanh(x: Array) -> Array:
    """``1.7159 tanh(2 x / 3)``, which maps 1 to 1 and -1 to -1. Source: LeCun et al. 1998, appendix A."""
    return 1.7159 * jnp.tanh(2 / 3 * x)


def average_pool(x: Array, window: tuple[int, int], strides: tuple[int, int]) -> Array:
    """Mean of each window; as ``nnx.avg_pool``, which JAX's strict dtype promotion refuses."""
    return nnx.pool(x, 0.0, lax.add, window, strides, "VALID") / math.prod(window)


class LeNet(nnx.Module):
    """LeNet-5: two convolutions with pooling, three dense layers; call it on images, get logits.

    ``conv1`` 5x5, 6 channels, "SAME"; pool 2x2; ``conv2`` 5x5, 16 channels, "VALID"; pool 2x2; dense 120,
    84, ``classes``. Variant ``"modern"``: ReLU and max-pool. Variant ``"classic"``: scaled tanh and average
    pool as in 1998 (LeCun et al., "Gradient-based learning applied to document recognition"), without
    that paper's trainable pooling coefficients, sparse C3 connections and RBF output.

    On MNIST's (28, 28, 1) with 10 classes there are 61,706 parameters.

    Initialiser ``"lecun"``: Flax's default, kernels by ``lecun_normal`` and biases 0. ``"torch"``: PyTorch's
    default, kernels and biases uniform in +-1 / sqrt(fan_in), as in public code of the paper's first author.
    The interval "fixed" is by default the support of "lecun"; with "torch" give ``bound=fan_in**-0.5``, layer
    by layer: 0.2 for ``conv1`` of one channel, 150**-0.5 for ``conv2``.

    Args:
        image_shape: (height, width, channels); height and width at least 12.
        classes: number of logits, at least 2.
        variant: "modern" or "classic".
        initialiser: "lecun" or "torch".
        rngs: random keys for the initial weights, such as ``nnx.Rngs(0)``.

    Raises:
        ValueError: for an unknown variant or initialiser, or images or classes out of range.
    """

    runs_as_written = True  # its convolutions and pools have the fast form already
    initialiser: Initialiser = (
        "lecun"  # of the class, so that models from before there was a choice are equal
    )

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        classes: int = 10,
        variant: Variant = "modern",
        *,
        initialiser: Initialiser = "lecun",
        rngs: nnx.Rngs,
    ):
        one_of("variant", variant, get_args(Variant))
        one_of("initialiser", initialiser, get_args(Initialiser))
        shape = tuple(check_count("image_shape", size, least=0) for size in items(image_shape))
        if len(shape) != 3 or min(shape[:2]) < 12 or shape[2] < 1:
            is_turned = len(shape) == 3 and shape[0] <= 4 and min(shape[1:]) >= 12
            cure = "; give images.transpose(0, 2, 3, 1), as their channels come first" if is_turned else ""
            raise ValueError(
                f"image_shape must be (height, width, channels) of at least (12, 12, 1), got {shape}{cure}"
            )
        classes = check_count("classes", classes, least=2)
        self.variant = variant
        self.image_shape = shape
        height, width, channels = shape
        flat = ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2) * 16
        if initialiser != self.initialiser:
            self.initialiser = initialiser
        most = max(150 * channels, 2400, flat * 120, 120 * 84, 84 * classes)
        drawn = torch_uniform if initialiser == "torch" else lecun_normal(most)
        self.conv1 = Conv(channels, 6, (5, 5), padding="SAME", **drawn(25 * channels), rngs=rngs)
        self.conv2 = Conv(6, 16, (5, 5), padding="VALID", **drawn(25 * 6), rngs=rngs)
        self.dense1 = nnx.Linear(flat, 120, **drawn(flat), rngs=rngs)
        self.dense2 = nnx.Linear(120, 84, **drawn(120), rngs=rngs)
        self.dense3 = nnx.Linear(84, classes, **drawn(84), rngs=rngs)

    def __call__(self, images: Float[AnyArray, "n h w c"]) -> Float[Array, "n classes"]:
        """Logits of images in [0, 1]. Raises ValueError if the images are not (n, *image_shape)."""
        if images.shape[1:] != self.image_shape:
            shape = ", ".join(map(str, self.image_shape))
            raise ValueError(f"images must have shape (n, {shape}), got {images.shape}")
        layer_by_layer = is_native() or is_recording()
        hidden = self._activate(self._native(images) if layer_by_layer else self._tiled(images))
        return self.dense3(self._activate(self.dense2(hidden)))

    def _activate(self, x: Array) -> Array:
        return nnx.relu(x) if self.variant == "modern" else scaled_tanh(x)

    def _native(self, images: AnyArray) -> Float[Array, "n 120"]:
        pool = nnx.max_pool if self.variant == "modern" else average_pool
        hidden = jnp.asarray(images)
        for conv in (self.conv1, self.conv2):
            hidden = pool(self._activate(conv(hidden)), (2, 2), strides=(2, 2))
        return self.dense1(hidden.reshape(len(hidden), -1))

    def _tiled(self, images: AnyArray) -> Float[Array, "n 120"]:
        """The same in tiles from end to end: made once, padded for ``conv1``, and read by ``dense1``."""
        hidden = to_tiles(images, TILE, ((2, 2), (2, 2)))
        for conv in (self.conv1, self.conv2):
            outputs = convolve_tiles(hidden, conv.kernel[...])
            bias = conv.bias[...].reshape(1, 1, -1, 1, 1, 1)  # type: ignore[index]
            if self.variant == "modern":
                # Bias and ReLU keep order, so they come after the maximum, at a quarter of the cost.
                hidden = self._activate(max_pool(outputs) + bias)
            else:
                hidden = mean_pool(self._activate(outputs + bias))
        height, width = ((size // 2 - 4) // 2 for size in self.image_shape[:2])
        pixels = hidden[0, 0, :, :height, :width]
        kernel = self.dense1.kernel[...].reshape(height, width, 16, -1)
        return jnp.einsum("chwn,hwcf->nf", pixels, kernel) + self.dense1.bias[...].reshape(1, -1)  # type: ignore[index]
