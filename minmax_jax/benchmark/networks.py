"""Networks of ordinary Flax layers, as users write them, trained and attacked beside LeNet."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from minmax_jax.data import Dataset, Split

CLASSES = 10


class Small(nnx.Module):
    """Two convolutions of 3 x 3, 16 and 32 channels, with max-pooling."""

    shape = (28, 28, 1)

    def __init__(self, *, rngs: nnx.Rngs):
        self.conv1, self.conv2 = nnx.Conv(1, 16, (3, 3), rngs=rngs), nnx.Conv(16, 32, (3, 3), rngs=rngs)
        self.head = nnx.Linear(7 * 7 * 32, CLASSES, rngs=rngs)

    def __call__(self, images: Any) -> jax.Array:
        """Logits of images."""
        x = jnp.asarray(images)
        for conv in (self.conv1, self.conv2):
            x = nnx.max_pool(nnx.relu(conv(x)), (2, 2), strides=(2, 2))
        return self.head(x.reshape(len(x), -1))


class Normed(nnx.Module):
    """A convolution without a bias, then batch normalisation."""

    def __init__(
        self, inputs: int, outputs: int, side: int, stride: int = 1, groups: int = 1, *, rngs: nnx.Rngs
    ):
        options: Any = {"strides": stride, "feature_group_count": groups, "use_bias": False}
        self.conv = nnx.Conv(inputs, outputs, (side, side), **options, rngs=rngs)
        self.norm = nnx.BatchNorm(outputs, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """The normalised outputs."""
        return self.norm(self.conv(x))


class Block(nnx.Module):
    """A residual block of two convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, rngs: nnx.Rngs):
        self.first = Normed(inputs, outputs, 3, stride, rngs=rngs)
        self.second = Normed(outputs, outputs, 3, rngs=rngs)
        self.skip = Normed(inputs, outputs, 1, stride, rngs=rngs) if stride > 1 else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """The block's outputs."""
        skipped = x if self.skip is None else self.skip(x)
        return nnx.relu(skipped + self.second(nnx.relu(self.first(x))))


class ResNet8(nnx.Module):
    """Three residual blocks of 16, 32 and 64 channels."""

    shape = (32, 32, 3)

    def __init__(self, *, rngs: nnx.Rngs):
        self.stem = Normed(3, 16, 3, rngs=rngs)
        sizes = ((16, 16, 1), (16, 32, 2), (32, 64, 2))
        self.blocks = nnx.List([Block(*size, rngs=rngs) for size in sizes])
        self.head = nnx.Linear(64, CLASSES, rngs=rngs)

    def __call__(self, images: Any) -> jax.Array:
        """Logits of images."""
        x = nnx.relu(self.stem(jnp.asarray(images)))
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((1, 2)))


class Separable(nnx.Module):
    """Three depthwise-separable convolutions after an ordinary one."""

    shape = (32, 32, 3)

    def __init__(self, *, rngs: nnx.Rngs):
        self.stem = Normed(3, 32, 3, rngs=rngs)
        layers = []
        for inputs, outputs, stride in ((32, 64, 2), (64, 64, 1), (64, 128, 2)):
            layers += [
                Normed(inputs, inputs, 3, stride, inputs, rngs=rngs),
                Normed(inputs, outputs, 1, rngs=rngs),
            ]
        self.layers = nnx.List(layers)
        self.head = nnx.Linear(128, CLASSES, rngs=rngs)

    def __call__(self, images: Any) -> jax.Array:
        """Logits of images."""
        x = nnx.relu(self.stem(jnp.asarray(images)))
        for layer in self.layers:
            x = nnx.relu(layer(x))
        return self.head(x.mean((1, 2)))


NETWORKS: tuple[Any, ...] = (Small, ResNet8, Separable)


def noise(number: int, images: int) -> Dataset:
    """Images of chance for a network, as its speed does not depend on what they show."""
    rng = np.random.default_rng(0)
    pixels = rng.random((images, *NETWORKS[number].shape), np.float32)
    split = Split(pixels, rng.integers(0, CLASSES, images))
    return Dataset("noise", split, split[:CLASSES], tuple("0123456789"))
