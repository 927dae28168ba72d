"""Affine layers: their bounds are exact, one layer at a time.

Values between layers have the images on their last axis, and convolutions are those of ``tiles.py``: the same
matrix products as in the network itself.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from minmax_jax.certify.bounds import Bounds, total
from minmax_jax.convolution import convolve_tiles
from minmax_jax.tiles import mean_pool


class Linear:
    """``x -> W x + b``, by ``weigh(x) = W x``, ``absolute(x) = |W| x`` and ``shift``, b shaped as W x."""

    shift: Float[Array, "..."]

    def weigh(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """``W x``."""
        raise NotImplementedError

    def absolute(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """``|W| x``."""
        raise NotImplementedError

    def forward(self, inputs: Bounds) -> Bounds:
        """``W c + b -+ |W| r`` for inputs in c -+ r: exact ends. Source: Gowal et al. 2018."""
        middle, spread = self.weigh(inputs.centre) + self.shift, self.absolute(inputs.radius)
        return Bounds(middle - spread, middle + spread)

    def backward(
        self, coefficients: Float[Array, "..."], inputs: Bounds
    ) -> tuple[Float[Array, "..."], Float[Array, "s n"]]:
        """``<a, W x + b> = <W.T a, x> + <a, b>``: the coefficients of x, and the constant."""
        *_, functions, images = coefficients.shape
        shape = inputs.low.shape[:-1]
        start = jnp.zeros((*shape, functions * images), coefficients.dtype)
        _, transpose = jax.vjp(self.weigh, start)
        (back,) = transpose(coefficients.reshape(*coefficients.shape[:-2], functions * images))
        return back.reshape(*shape, functions, images), total(coefficients * self.shift[..., None])


@dataclass(frozen=True)
class Convolution(Linear):
    """``convolve_tiles``: tiles (tr, ts, cin, i, j, n) to (tr, ts, cout, oi, oj, n)."""

    kernel: Float[Array, "kh kw cin cout"]
    bias: Float[Array, " cout"]

    @property
    def shift(self) -> Float[Array, "1 1 cout 1 1 1"]:  # type: ignore[override]
        """The bias, on the axis of channels."""
        return self.bias.reshape(1, 1, -1, 1, 1, 1)

    def weigh(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The convolution without its bias."""
        return convolve_tiles(x, self.kernel)

    def absolute(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The convolution with the absolute values of its kernel."""
        return convolve_tiles(x, jnp.abs(self.kernel))


@dataclass(frozen=True)
class MeanPool(Linear):
    """``mean_pool`` of tiles, whose weights are all positive."""

    @property
    def shift(self) -> Float[Array, "1 1 1 1 1 1"]:  # type: ignore[override]
        """Nothing is added."""
        return jnp.zeros((1, 1, 1, 1, 1, 1), jnp.float32)

    def weigh(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The mean of each window."""
        return mean_pool(x)

    def absolute(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The mean of each window."""
        return mean_pool(x)


@dataclass(frozen=True)
class Flatten(Linear):
    """Tiles of one pixel, (1, 1, c, i, j, n), to ``height`` x ``width`` x c values of each image, (k, n).

    The values run over (row, column, channel); pixels that only pad the tiles are left out.
    """

    height: int
    width: int

    @property
    def shift(self) -> Float[Array, "1 1"]:  # type: ignore[override]
        """Nothing is added."""
        return jnp.zeros((1, 1), jnp.float32)

    def weigh(self, x: Float[Array, "..."]) -> Float[Array, "k n"]:
        """The pixels of each image in a row."""
        return x[0, 0, :, : self.height, : self.width].transpose(1, 2, 0, 3).reshape(-1, x.shape[-1])

    def absolute(self, x: Float[Array, "..."]) -> Float[Array, "k n"]:
        """The pixels of each image in a row."""
        return self.weigh(x)


@dataclass(frozen=True)
class Dense(Linear):
    """``kernel.T x + bias`` of values (inputs, n)."""

    kernel: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]

    @property
    def shift(self) -> Float[Array, "outputs 1"]:  # type: ignore[override]
        """The bias of each output."""
        return self.bias[:, None]

    def weigh(self, x: Float[Array, "inputs n"]) -> Float[Array, "outputs n"]:
        """The product with the kernel."""
        return self.kernel.T @ x

    def absolute(self, x: Float[Array, "inputs n"]) -> Float[Array, "outputs n"]:
        """The product with the absolute values of the kernel."""
        return jnp.abs(self.kernel).T @ x
