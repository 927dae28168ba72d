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

import operator
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from minmax_jax.checks import AnyArray, check_count, plain
from minmax_jax.tiles import Pairs, Tile, from_tiles, stack_shifts, to_tiles

INITIALISER = nnx.initializers.lecun_normal()

Padding = str | int | Sequence[tuple[int, int]]


def explicit_padding(padding: Padding, window: Tile) -> Pairs:
    """Padding as ((top, bottom), (left, right)) zeros, for stride 1.

    ``"VALID"`` adds none; ``"SAME"`` adds ``k - 1`` in total, the odd one at the end; an int adds that many
    on every side. Raises ValueError for anything else.
    """
    named = padding if isinstance(padding, str) else None  # comparing an array would give an array
    if named == "VALID":
        pairs = [(0, 0), (0, 0)]
    elif named == "SAME":
        pairs = [((k - 1) // 2, k // 2) for k in window]
    elif isinstance(padding := plain(padding), int):
        pairs = [(padding, padding)] * 2
    elif named is not None or np.shape(padding) != (2, 2):
        raise ValueError(
            f"padding must be 'SAME', 'VALID', an int, or ((top, bottom), (left, right)), got {padding!r}"
        )
    else:
        pairs = [(int(low), int(high)) for low, high in padding]
    if min(min(pair) for pair in pairs) < 0:
        raise ValueError(f"padding must be numbers >= 0, got {padding!r}")
    return pairs[0], pairs[1]


def is_native() -> bool:
    """Whether layers run as XLA's own convolution: on GPUs and TPUs, where it is fastest.

    On a CPU the matrix product is several times faster, as XLA runs a convolution inside a loop on one core.
    This is the only place where the choice is made.
    """
    return jax.default_backend() != "cpu"


def _as_ints(sides: Tile) -> Tile:
    return tuple(map(operator.index, sides))


def reach(window: Tile, tile: Tile) -> Tile:
    """Number of tiles, down and across, that hold the receptive field of a tile of outputs."""
    if len(tile) != 2 or min(tile) < 1:
        raise ValueError(f"tile must be (rows, columns), each >= 1, got {tile}")
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
    window, tile = _as_ints(window), _as_ints(tile)
    tiles, _ = _receptive(images, window, padding, tile)
    shifts = stack_shifts(tiles, reach(window, tile))
    return shifts.transpose(7, 5, 6, 0, 1, 2, 3, 4).reshape(shifts.shape[7], *shifts.shape[5:7], -1)


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
    return _matrix(kernel, _as_ints(tile)).T


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
    if jnp.ndim(kernel) != 4:
        raise ValueError(f"kernel must have shape (kh, kw, cin, cout), got {jnp.shape(kernel)}")
    if jnp.ndim(images) != 4:
        raise ValueError(f"images must have shape (n, h, w, cin), got {jnp.shape(images)}")
    cin = kernel.shape[2]
    if images.shape[-1] != cin:
        raise ValueError(
            f"images must have the {cin} channels of a kernel of shape {kernel.shape}, got {images.shape[-1]}"
        )
    images, kernel = jnp.asarray(images), jnp.asarray(kernel)
    tiles, (height, width) = _receptive(images, kernel.shape[:2], padding, _as_ints(tile))
    if is_native():
        pairs = explicit_padding(padding, kernel.shape[:2])
        dimensions = ("NHWC", "HWIO", "NHWC")
        outputs = lax.conv_general_dilated(images, kernel, (1, 1), pairs, dimension_numbers=dimensions)
    else:
        outputs = from_tiles(convolve_tiles(tiles, kernel), height, width)
    return outputs if bias is None else outputs + jnp.reshape(bias, (1, 1, 1, -1))


class Conv(nnx.Module):
    """A convolution layer of stride 1 in the simplified formulation; call it on images NHWC.

    Parameters and initialisers are those of ``nnx.Conv``, ``kernel`` of shape (kh, kw, in_features,
    out_features) and ``bias`` (out_features,), so that weights can be copied from one to the other.

    Args:
        in_features: channels of the images.
        out_features: channels of the outputs.
        kernel_size: (height, width) of the window, each >= 1.
        padding: as in ``convolve``.
        kernel_init: draws the kernel; by default Flax's ``lecun_normal``. The bias begins at zero.
        rngs: random keys; the kernel uses one of ``params``.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: tuple[int, int],
        *,
        padding: Padding = "SAME",
        kernel_init: nnx.Initializer = INITIALISER,
        rngs: nnx.Rngs,
    ):
        if np.ndim(kernel_size) != 1 or len(kernel_size) != 2 or min(kernel_size) < 1:
            raise ValueError(f"kernel_size must be (height, width), each >= 1, got {kernel_size}")
        height, width = (check_count("kernel_size", side) for side in kernel_size)
        in_features = check_count("in_features", in_features)
        out_features = check_count("out_features", out_features)
        explicit_padding(padding, (height, width))  # bad padding is an error here, not at the first call
        padding = plain(padding)
        self.padding: Padding = padding
        if not isinstance(padding, str | int):
            self.padding = tuple((int(low), int(high)) for low, high in padding)  # hashable: it is static
        shape = (height, width, in_features, out_features)
        self.kernel = nnx.Param(kernel_init(rngs.params(), shape, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(out_features, jnp.float32))

    def __call__(self, images: Float[AnyArray, "n h w cin"]) -> Float[Array, "n oh ow cout"]:
        """``convolve`` with the layer's kernel, bias and padding."""
        return convolve(images, self.kernel[...], self.bias[...], self.padding)
