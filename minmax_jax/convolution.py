"""The simplified formulation of convolution: a layer is one matrix product over patches.

One output value is an inner product ``y = <w, x> + b`` of a kernel column ``w`` with the receptive-field
patch ``x``. All output values of a layer together are ``patches(x) @ W.reshape(-1, cout) + b``.
Everything the study says of one kernel column (its membership, its fuzziness, its worst-case amplification)
is therefore said of exactly the code that runs in the network.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from minmax_jax.arrays import AnyArray

INITIALISER = nnx.initializers.lecun_normal()

Padding = str | int | Sequence[tuple[int, int]]


def explicit_padding(padding: Padding, window: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Padding as ((top, bottom), (left, right)) zeros, for stride 1.

    ``"VALID"`` adds none; ``"SAME"`` adds ``k - 1`` in all, the odd one at the end; an int adds that many on
    every side. Raises ValueError for anything else.
    """
    if padding == "VALID":
        pairs = [(0, 0), (0, 0)]
    elif padding == "SAME":
        pairs = [((k - 1) // 2, k // 2) for k in window]
    elif isinstance(padding, int):
        pairs = [(padding, padding)] * 2
    elif isinstance(padding, str) or np.shape(padding) != (2, 2):
        raise ValueError(
            f"padding is {padding!r}; it takes 'SAME', 'VALID', an int, or ((top, bottom), (left, right))"
        )
    else:
        pairs = [(int(low), int(high)) for low, high in padding]
    if min(min(pair) for pair in pairs) < 0:
        raise ValueError(f"padding is {padding!r}; it takes numbers >= 0")
    return pairs[0], pairs[1]


def patches(
    images: Float[AnyArray, "n h w cin"], window: tuple[int, int], padding: Padding = "VALID"
) -> Float[Array, "n oh ow k"]:
    """Receptive-field patches: ``patches[n, i, j] = images[n, i:i+kh, j:j+kw].ravel()``, k = kh * kw * cin.

    The patch axis runs over (row, column, channel), as ``kernel.reshape(-1, cout)`` does.
    Raises ValueError if the window is empty or larger than the padded image.
    Identity: with a window of (1, 1) the patches are the images.
    """
    (top, bottom), (left, right) = explicit_padding(padding, window)
    height, width = images.shape[1] + top + bottom, images.shape[2] + left + right
    kh, kw = window
    if not (0 < kh <= height and 0 < kw <= width):
        raise ValueError(
            f"window is {kh}x{kw}; it takes at least 1x1 and at most the padded image, {height}x{width}"
        )
    padded = jnp.pad(images, ((0, 0), (top, bottom), (left, right), (0, 0)))
    oh, ow = height - kh + 1, width - kw + 1
    # Columns, then rows: kw + kh copies instead of kw * kh, and the same order (row, column, channel).
    strips = jnp.concatenate([padded[:, :, j : j + ow] for j in range(kw)], axis=-1)
    return jnp.concatenate([strips[:, i : i + oh] for i in range(kh)], axis=-1)


def convolve(
    images: Float[AnyArray, "n h w cin"],
    kernel: Float[AnyArray, "kh kw cin cout"],
    bias: Float[AnyArray, " cout"] | None = None,
    padding: Padding = "VALID",
) -> Float[Array, "n oh ow cout"]:
    """Convolution of stride 1 by the simplified formulation, ``patches(x) @ W.reshape(-1, cout) + b``.

    Raises ValueError if the channels of images and kernel differ or the kernel does not fit.
    Identity: equal to ``nnx.Conv`` with the same weights, in values and in gradients with respect to kernel
    and images. Source: design of this study, after the simplified formulation named by Shen et al. 2020.

    This is the one place where a faster form of the same product is to be chosen, by backend.
    """
    if jnp.ndim(kernel) != 4:
        raise ValueError(f"kernel has shape {kernel.shape}; it takes (kh, kw, cin, cout)")
    if jnp.ndim(images) != 4:
        raise ValueError(f"images have shape {images.shape}; it takes (n, h, w, cin)")
    kh, kw, cin, cout = kernel.shape
    if images.shape[-1] != cin:
        raise ValueError(
            f"images have {images.shape[-1]} channels; the kernel of shape {kernel.shape} takes {cin}"
        )
    outputs = patches(images, (kh, kw), padding) @ kernel.reshape(-1, cout)
    return outputs if bias is None else outputs + bias.reshape(1, 1, 1, cout)


class Conv(nnx.Module):
    """A convolution layer of stride 1 in the simplified formulation; call it on images NHWC.

    ``kernel`` has shape (kh, kw, in_features, out_features), ``bias`` (out_features,), the parameters and
    the initialisers of ``nnx.Conv``, so weights can be copied from one to the other.
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
        if len(kernel_size) != 2 or min(kernel_size) < 1:
            raise ValueError(f"kernel_size is {kernel_size}; it takes (height, width), each >= 1")
        explicit_padding(padding, kernel_size)  # bad padding is an error here, not at the first call
        self.padding: Padding = padding
        if not isinstance(padding, str | int):
            self.padding = tuple((int(low), int(high)) for low, high in padding)  # hashable: it is static
        shape = (*kernel_size, in_features, out_features)
        self.kernel = nnx.Param(kernel_init(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros(out_features))

    def __call__(self, images: Float[AnyArray, "n h w cin"]) -> Float[Array, "n oh ow cout"]:
        """``convolve`` with the layer's kernel, bias and padding."""
        return convolve(images, self.kernel[...], self.bias[...], self.padding)
