"""Networks whose first step is a function of each pixel: attacks and radii are of the pixels before."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from minmax_jax.checks import AnyArray
from minmax_jax.lenet import LeNet


@dataclass(frozen=True)
class Standardised:
    """``(x - mean) / deviation``, by default those of MNIST."""

    mean: float = 0.1307
    deviation: float = 0.3081

    def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """The images, standardised."""
        return (images - self.mean) / self.deviation


@dataclass(frozen=True)
class Squashed:
    """``sigmoid(slope (x - threshold))``, of which binarised images are the limit."""

    slope: float
    threshold: float

    def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """The images, squashed."""
        return jax.nn.sigmoid(self.slope * (images - self.threshold))


class OnPixels(nnx.Module):
    """A network on images whose every pixel x is ``mapped(x)``; the function has to be hashable."""

    runs_as_written = LeNet.runs_as_written

    def __init__(self, network: LeNet, mapped: Callable[[Array], Array]):
        self.network, self.mapped = network, mapped

    def __call__(self, images: Float[AnyArray, "n h w c"]) -> Float[Array, "n classes"]:
        """Logits of images in [0, 1]."""
        return self.network(self.mapped(jnp.asarray(images)))
