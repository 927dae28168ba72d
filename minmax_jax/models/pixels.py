"""Networks whose first step is a function of each pixel: attacks and radii are of the pixels before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from minmax_jax.checks import AnyArray, check_positive


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
    """``sigmoid(slope (x - threshold))``, of which binarised images are the limit.

    It keeps the order of pixels, so bounds pass through it. Raises ValueError for a slope <= 0.
    """

    slope: float
    threshold: float

    def __post_init__(self) -> None:
        check_positive("slope", self.slope)

    def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """The images, squashed."""
        return jax.nn.sigmoid(self.slope * (images - self.threshold))


class OnPixels(nnx.Module):
    """A network on images whose every pixel x is ``mapped(x)``; the function has to be hashable."""

    def __init__(self, network: Any, mapped: Callable[[Array], Array]):
        self.network, self.mapped = network, mapped
        self.runs_as_written = bool(getattr(network, "runs_as_written", False))

    def __call__(self, images: Float[AnyArray, "n h w c"]) -> Float[Array, "n classes"]:
        """Logits of images in [0, 1]."""
        return self.network(self.mapped(jnp.asarray(images)))
