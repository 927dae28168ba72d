"""Max-pooling of windows that do not overlap on a CPU, with a gradient that takes as long as the values."""

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from minmax_jax.cpu.convolution import Pair, is_native


def reduce_window_max(
    images: Array,
    *,
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Any,
    base_dilation: Sequence[int],
    window_dilation: Sequence[int],
) -> Array:
    """The maximum of each window, as JAX's primitive of this name, on CPUs with a fast derivative.

    Fast are windows of rows and columns that lie side by side, without padding, in float32 and NHWC: the
    usual ``nnx.max_pool``. Any other runs as it does in JAX, as do all on GPUs and TPUs.
    Identity: equal to ``jax.lax.reduce_window`` with ``jax.lax.max``, also in its gradient, which goes to the
    first maximum of a window.

    Args:
        images: (n, h, w, c).
        window_dimensions: of the window, along each axis.
        window_strides: its steps.
        padding: (low, high) for each axis.
        base_dilation: spacing of the pixels.
        window_dilation: spacing of the window's pixels.
    """
    window = tuple(window_dimensions)
    is_covered = (
        not is_native()
        and images.ndim == 4
        and images.dtype == jnp.float32
        and window[0] == window[3] == 1
        and tuple(window_strides) == window
        and not any(map(any, padding))
        and {*base_dilation, *window_dilation} == {1}
        and all(0 < k <= size for k, size in zip(window, images.shape, strict=True))
    )
    if is_covered:
        return _max_pool(images, window[1:3])
    return lax.reduce_window(
        images,
        -jnp.inf if jnp.issubdtype(images.dtype, jnp.inexact) else jnp.iinfo(images.dtype).min,
        lax.max,
        window_dimensions,
        window_strides,
        padding,
        base_dilation,
        window_dilation,
    )


def _windows(images: Array, window: Pair) -> Float[Array, "n i kh j kw c"]:
    """The images cut into windows, without the rows and columns that are left over."""
    (n, height, width, c), (kh, kw) = images.shape, window
    i, j = height // kh, width // kw
    return images[:, : i * kh, : j * kw].reshape(n, i, kh, j, kw, c)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _max_pool(images: Array, window: Pair) -> Array:
    windows = _windows(images, window)
    members = [windows[:, :, row, :, column] for row in range(window[0]) for column in range(window[1])]
    return reduce(jnp.maximum, members)


def _forward(images: Array, window: Pair) -> tuple[Array, tuple[Array, Array]]:
    largest = _max_pool(images, window)
    return largest, (images, largest)


def _backward(window: Pair, saved: tuple[Array, Array], gradient: Array) -> tuple[Any]:
    images, largest = saved
    number = jnp.arange(window[0] * window[1]).reshape(1, 1, window[0], 1, window[1], 1)  # in its window
    is_largest = _windows(images, window) == largest[:, :, None, :, None]
    first = jnp.where(is_largest, number, window[0] * window[1]).min((2, 4), keepdims=True)
    parts = jnp.where(number == first, gradient[:, :, None, :, None], 0)
    n, height, width, c = images.shape
    i, j = largest.shape[1:3]
    rest = [(0, 0), (0, height - i * window[0]), (0, width - j * window[1]), (0, 0)]
    return (jnp.pad(parts.reshape(n, i * window[0], j * window[1], c), rest),)


_max_pool.defvjp(_forward, _backward)
