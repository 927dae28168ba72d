"""The simplified formulation of convolution: a layer is one matrix product over patches.

One output value is an inner product ``y = <w, x> + b`` of a kernel column ``w`` with the receptive-field
patch ``x``. All output values of a layer together are ``patches(x) @ W.reshape(-1, cout) + b``. For tiles of
t x t outputs it is ``patches_t(x) @ toeplitz_t(W) + b``: fewer, longer patches, and a matrix that holds the
kernel once for each output of a tile, shifted. With t = 1 it is the plain product; with one tile as large as
the output, it is the doubly block Toeplitz matrix of the whole layer.

The code computes the transpose, ``toeplitz_t(W).T @ patches_t(x).T``, in the layout of ``tiles.py``, where
the positions form the long axis. Everything the study says about a kernel column (its membership, its
fuzziness, its worst-case amplification) therefore applies to exactly the code that runs in the network.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from minmax_jax.checks import (
    AnyArray,
    as_array,
    as_pair,
    as_strides,
    check_count,
    check_flag,
    check_type,
    kind,
    plain,
)
from minmax_jax.checks.padding import Padding, explicit_padding
from minmax_jax.cpu.convolution import AXES, conv_general_dilated, is_native
from minmax_jax.tiles import Tile, from_tiles, stack_shifts, to_tiles

KERNEL = "kh, kw, cin, cout"  # axes


def reach(window: Tile, tile: Tile) -> Tile:
    """Number of tiles, down and across, that hold the receptive field of a tile of outputs."""
    return tuple(-(-(t + k - 1) // t) for k, t in zip(window, tile, strict=True))


def _receptive(
    images: Float[AnyArray, "n h w cin"], window: Tile, padding: Padding, tile: Tile
) -> tuple[Float[Array, "tr ts cin i j n"], Tile]:
    """Tiles that hold the receptive fields of all outputs, and the outputs' (height, width)."""
    pairs = explicit_padding(padding, window)
    padded = [size + low + high for size, (low, high) in zip(images.shape[1:3], pairs, strict=True)]
    if not all(0 < k <= size for k, size in zip(window, padded, strict=True)):
        raise ValueError(
            f"window must be at least 1x1 and at most the padded image, {padded[0]}x{padded[1]}, "
            f"got {window[0]}x{window[1]}"
        )
    height, width = (size - k + 1 for size, k in zip(padded, window, strict=True))
    # As many zeros behind the image as make whole tiles for all outputs and for what they see.
    ends = [
        (low, high + (-(-out // t) + steps - 1) * t - size)
        for (low, high), out, t, steps, size in zip(
            pairs, (height, width), tile, reach(window, tile), padded, strict=True
        )
    ]
    return to_tiles(images, tile, (ends[0], ends[1])), (height, width)


def patches(
    images: Float[AnyArray, "n h w cin"],
    window: Tile,
    padding: Padding = "VALID",
    tile: Tile = (1, 1),
) -> Float[Array, "n i j k"]:
    """Receptive-field patches: ``patches[n, i, j] = images[n, i:i+kh, j:j+kw].ravel()``, k = kh * kw * cin.

    The patch axis runs over (row, column, channel), as ``kernel.reshape(-1, cout)`` does. With a ``tile`` of
    (tr, ts) there is one patch for each tile of outputs: the rows and columns that its outputs see, in whole
    tiles, with zeros beyond the image. Raises ValueError if the window is empty or larger than the padded
    image.

    Identities: with a window of (1, 1) the patches are the images; ``patches(x, (kh, kw), padding, t) @
    toeplitz(W, t)`` holds all outputs of the convolution, tile by tile.
    """
    images = as_array("images", images, "n, h, w, cin")
    window, tile = as_pair("window", window, "height, width"), as_pair("tile", tile, "rows, columns")
    tiles, _ = _receptive(images, window, padding, tile)
    shifts = stack_shifts(tiles, reach(window, tile))
    rows, columns, n = shifts.shape[5:]
    return shifts.transpose(7, 5, 6, 0, 1, 2, 3, 4).reshape(n, rows, columns, math.prod(shifts.shape[:5]))


def _shifted(taps: Array, rows: int, length: int) -> Array:
    """``out[d, u] = taps[u - d]`` along the first axis, and 0 outside: a row for each output of a tile."""
    rest = taps.shape[1:]
    row = jnp.concatenate([taps, jnp.zeros((length + 1 - len(taps), *rest), taps.dtype)])
    # Rows one too long, laid end to end and cut at the wanted length, each begin one further to the right.
    laid = jnp.broadcast_to(row, (rows, length + 1, *rest)).reshape(-1, *rest)
    return laid[: rows * length].reshape(rows, length, *rest)


def _matrix(kernel: Float[AnyArray, "kh kw cin cout"], tile: Tile) -> Float[Array, "outputs k"]:
    down, across = reach(kernel.shape[:2], tile)
    rows = _shifted(jnp.asarray(kernel), tile[0], down * tile[0])  # (d, u, kw, cin, cout)
    both = _shifted(jnp.moveaxis(rows, 2, 0), tile[1], across * tile[1])  # (e, v, d, u, cin, cout)
    return both.transpose(2, 0, 5, 3, 1, 4).reshape(tile[0] * tile[1] * kernel.shape[3], -1)


def toeplitz(kernel: Float[AnyArray, "kh kw cin cout"], tile: Tile = (1, 1)) -> Float[Array, "k outputs"]:
    """The kernel as a matrix for a tile of outputs: ``T[(u, v, c), (d, e, o)] = W[u - d, v - e, c, o]``.

    One row for each value that the tile sees (row u, column v, channel c, in whole tiles), one column for
    each of its outputs (row d, column e, channel o); 0 where an output does not see a value.
    Source: design of this study, "toeplitz_t(W)". Identity: for a tile of (1, 1), ``W.reshape(-1, cout)``.
    """
    return _matrix(as_array("kernel", kernel, KERNEL), as_pair("tile", tile, "rows, columns")).T


def convolve_tiles(
    tiles: Float[Array, "tr ts cin i j n"], kernel: Float[AnyArray, "kh kw cin cout"]
) -> Float[Array, "tr ts cout oi oj n"]:
    """Convolution of stride 1 on tiles: ``toeplitz(W, t).T @ patches_t(x).T``, without padding and bias.

    Outputs that see beyond the last tile are left out. Identity: ``to_tiles`` of ``convolve``.
    """
    matrix = _matrix(kernel, tiles.shape[:2])
    shifts = stack_shifts(tiles, reach(kernel.shape[:2], tiles.shape[:2]))
    outputs = matrix @ shifts.reshape(matrix.shape[1], -1)
    return outputs.reshape(*tiles.shape[:2], kernel.shape[3], *shifts.shape[5:])


def convolve(
    images: Float[AnyArray, "n h w cin"],
    kernel: Float[AnyArray, "kh kw cin cout"],
    bias: Float[AnyArray, " cout"] | None = None,
    padding: Padding = "VALID",
    tile: Tile = (1, 1),
) -> Float[Array, "n oh ow cout"]:
    """Convolution of stride 1 by the simplified formulation, ``patches_t(x) @ toeplitz_t(W) + b``.

    On GPUs and TPUs, XLA's own convolution computes the same.
    Identity: equal to ``nnx.Conv`` with the same weights, in values and in gradients with respect to kernel
    and images. Source: design of this study, after the simplified formulation named by Shen et al. 2020.

    Args:
        images: a batch, channels last.
        kernel: weights W; its kh x kw window has to fit the padded images.
        bias: b, one number for each output channel; None adds none.
        padding: zeros around each image: "VALID" (none), "SAME" (outputs as large as the images), an int for
            every side, or ((top, bottom), (left, right)).
        tile: (rows, columns) of outputs computed together, t; any size, it changes only the speed.

    Raises:
        ValueError: if the channels of images and kernel differ, or the kernel does not fit.
    """
    kernel, images = as_array("kernel", kernel, KERNEL), as_array("images", images, "n, h, w, cin")
    *_, cin, cout = kernel.shape
    if bias is not None and as_array("bias", bias).shape != (cout,):
        raise ValueError(f"bias must have shape ({cout},), one for each output channel, got {np.shape(bias)}")
    if images.shape[-1] != cin:
        raise ValueError(
            f"images must have the {cin} channels of a kernel of shape {kernel.shape}, got {images.shape[-1]}"
        )
    tile, images, kernel = as_pair("tile", tile, "rows, columns"), jnp.asarray(images), jnp.asarray(kernel)
    tiles, (height, width) = _receptive(images, kernel.shape[:2], padding, tile)
    if is_native():
        pairs = explicit_padding(padding, kernel.shape[:2])
        outputs = lax.conv_general_dilated(images, kernel, (1, 1), pairs, dimension_numbers=AXES)
    else:
        outputs = from_tiles(convolve_tiles(tiles, kernel), height, width)
    return outputs if bias is None else outputs + jnp.reshape(bias, (1, 1, 1, -1))


class Conv(nnx.Conv):
    """``nnx.Conv`` of two dimensions, with its arguments and parameters, and a derivative fast on CPUs.

    Args:
        in_features: channels of the images.
        out_features: channels of the outputs.
        kernel_size: (height, width) of the window, each >= 1.
        strides: steps of the window, one number or (down, across).
        padding: as in ``nnx.Conv``, or ((top, bottom), (left, right)).
        use_bias: whether there is a bias.
        bias_init: draws the bias by a random key of its own; None begins at zero without one.
        rngs: random keys; the kernel uses one of ``params``.
        options: any other argument of ``nnx.Conv``, such as ``kernel_dilation`` or ``feature_group_count``.

    Raises ValueError for a window that has not two sides, each >= 1, or bad padding. Identity: with equal
    parameters, equal to ``nnx.Conv`` in values and gradients, up to rounding.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: Sequence[int],
        strides: int | Sequence[int] = 1,
        *,
        padding: Padding = "SAME",
        use_bias: bool = True,
        bias_init: nnx.Initializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        check_type("rngs", rngs, nnx.Rngs, "give nnx.Rngs(0)")
        use_bias = check_flag("use_bias", use_bias)
        window = as_pair("kernel_size", kernel_size, "height, width")
        channels = (check_count("in_features", in_features), check_count("out_features", out_features))
        padding = plain(padding)
        if not isinstance(padding, str) or padding not in ("CIRCULAR", "REFLECT"):
            pairs = explicit_padding(padding, window)  # bad padding is an error here, not at the first call
            padding = padding if isinstance(padding, str | int) else pairs  # hashable, as it is static
        options = {"conv_general_dilated": conv_general_dilated, "padding": padding, **options}
        # The bias is made here, as nnx.Conv draws a key for it even where it begins at zero.
        super().__init__(*channels, window, as_strides(strides), use_bias=False, rngs=rngs, **options)
        if use_bias:
            if not (bias_init is None or callable(bias_init)):
                raise TypeError(
                    f"bias_init must be an initialiser, such as nnx.initializers.zeros, got {kind(bias_init)}"
                )
            drawn: Any = bias_init and bias_init(rngs.params(), channels[1:], self.param_dtype)
            self.use_bias = True
            self.bias = nnx.Param(jnp.zeros(out_features, self.param_dtype) if drawn is None else drawn)

    def __call__(
        self, inputs: Float[AnyArray, "n h w cin"], *rest: Any, **options: Any
    ) -> Float[Array, "n oh ow cout"]:
        """The convolution of images with the layer's kernel and bias."""
        if inputs.shape[-1] != self.in_features:
            wanted = f"{self.in_features} channels of a kernel of shape {self.kernel.shape}"
            raise ValueError(f"images must have the {wanted}, got {inputs.shape[-1]}")
        return super().__call__(jnp.asarray(inputs), *rest, **options)
