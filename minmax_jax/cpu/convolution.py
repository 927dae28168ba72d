"""Convolutions of any shape on a CPU, with gradients that take as long as the values.

On a CPU, XLA is fast at convolutions whose axes stand as in a forward pass, and up to a hundred times
slower at the transposed ones that JAX's derivative asks for. So the derivative is written here as forward
convolutions:

- of the images: the outputs' gradient, with the kernel turned around and its channels exchanged;
- of the kernel: the images, with channels as batch, and the outputs' gradient as the kernel.

Where a product or a sum does the same for less, it is taken: a 1x1 convolution is a matrix product over
channels, one whose outputs see few values a product over patches, a depthwise one a sum over the taps.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

AXES = ("NHWC", "HWIO", "NHWC")
FEW = 32  # values that an output sees, kh * kw * cin, up to which a product over patches is faster
GROUPS = 32  # of channels, at most, each of which is a convolution of its own

Pair = tuple[int, int]


def is_native() -> bool:
    """Whether layers run as XLA's own convolution, with JAX's own derivative: on GPUs and TPUs.

    This is the only place where the choice is made.
    """
    return jax.default_backend() != "cpu"


class Window(NamedTuple):
    """How a window moves over images: its steps, the zeros around an image, the spacing of its taps."""

    strides: Pair
    padding: tuple[Pair, Pair]
    dilation: Pair

    def spans(self, kernel: Array) -> list[int]:
        """Rows and columns from the window's first tap to its last."""
        return [(k - 1) * d for k, d in zip(kernel.shape[:2], self.dilation, strict=True)]

    def room(self, images: Array, kernel: Array) -> list[int]:
        """Rows and columns of the padded image by which the window can move from its first place."""
        return [
            n + low + high - span - 1
            for n, (low, high), span in zip(images.shape[1:3], self.padding, self.spans(kernel), strict=True)
        ]

    def outputs(self, images: Array, kernel: Array) -> list[int]:
        """Height and width of the outputs."""
        room = self.room(images, kernel)
        return [way // step + 1 for way, step in zip(room, self.strides, strict=True)]

    def unseen(self, images: Array, kernel: Array) -> list[int]:
        """Rows at the bottom and columns at the right of the padded image that no window reaches."""
        room = self.room(images, kernel)
        return [way % step for way, step in zip(room, self.strides, strict=True)]

    def turned(self, images: Array, kernel: Array) -> list[Pair]:
        """The padding of the outputs' gradient, with which a convolution gives that of the images."""
        return [
            (span - low, span - high + rest)
            for (low, high), span, rest in zip(
                self.padding, self.spans(kernel), self.unseen(images, kernel), strict=True
            )
        ]

    def taps(self, images: Float[Array, "n h w c"], kernel: Array) -> Iterator[Array]:
        """What each tap of the window sees in all its places, row by row: arrays (n, oh, ow, c)."""
        padded = lax.pad(
            images, jnp.zeros((), images.dtype), [(0, 0, 0), *((*p, 0) for p in self.padding), (0, 0, 0)]
        )
        ends = [
            (out - 1) * step + 1 for out, step in zip(self.outputs(images, kernel), self.strides, strict=True)
        ]
        for row in range(kernel.shape[0]):
            for column in range(kernel.shape[1]):
                top, left = row * self.dilation[0], column * self.dilation[1]
                yield padded[
                    :, top : top + ends[0] : self.strides[0], left : left + ends[1] : self.strides[1]
                ]


def conv_general_dilated(
    lhs: Array,
    rhs: Array,
    window_strides: Sequence[int],
    padding: Any,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    **options: Any,
) -> Array:
    """``jax.lax.conv_general_dilated``, on CPUs with a fast derivative.

    Fast are convolutions of two dimensions in float32, NHWC and HWIO: any strides, padding, dilation of the
    kernel, and groups. Any other runs as it does in JAX, as do all on GPUs and TPUs. Only derivatives in
    reverse (``jax.grad``, ``jax.vjp``) are defined for the fast ones.
    Identity: equal to ``jax.lax.conv_general_dilated`` in values and gradients, up to rounding. Source: this
    study.

    Args:
        lhs: images.
        rhs: kernel.
        window_strides: steps of the window.
        padding: "SAME", "VALID", or (low, high) for each axis.
        lhs_dilation: spacing of the images' pixels.
        rhs_dilation: spacing of the kernel's taps.
        dimension_numbers: the order of the axes, such as ``AXES``.
        feature_group_count: groups of channels that do not mix.
        options: any further argument of ``jax.lax.conv_general_dilated``.
    """
    groups = feature_group_count
    if not is_native() and _is_covered(lhs, rhs, lhs_dilation, dimension_numbers, groups, options):
        dilation: Any = tuple(rhs_dilation or (1, 1))
        if isinstance(padding, str):
            spans = [(k - 1) * d + 1 for k, d in zip(rhs.shape[:2], dilation, strict=True)]
            padding = lax.padtype_to_pads(lhs.shape[1:3], spans, window_strides, padding)
        pairs: Any = tuple((int(low), int(high)) for low, high in padding)
        strides: Any = tuple(window_strides)
        window = Window(strides, pairs, dilation)
        if min(*window.outputs(lhs, rhs), *lhs.shape, *rhs.shape) > 0:
            return _convolve(lhs, rhs, window, groups)
    return lax.conv_general_dilated(
        lhs,
        rhs,
        window_strides,
        padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=dimension_numbers,
        feature_group_count=feature_group_count,
        **options,
    )


def _is_covered(lhs: Any, rhs: Any, spacing: Any, axes: Any, groups: int, options: dict[str, Any]) -> bool:
    """Whether a convolution is one of the fast ones, by its arguments for JAX."""
    shapes = jnp.shape(lhs), jnp.shape(rhs)
    return (
        len(shapes[0]) == len(shapes[1]) == 4
        and lax.conv_dimension_numbers(*shapes, axes) == lax.conv_dimension_numbers(*shapes, AXES)
        and jnp.result_type(lhs) == jnp.result_type(rhs) == jnp.float32
        and shapes[0][3] == shapes[1][2] * groups  # else JAX says what is wrong
        and set(spacing or (1,)) == {1}
        and (groups <= GROUPS or groups == shapes[0][3])
        and options.get("batch_group_count", 1) == 1
        and options.get("preferred_element_type") in (None, jnp.float32)
        and not any(options.get(name) for name in ("precision", "out_sharding"))
    )


@partial(jax.jit, static_argnames=("window", "groups"))
def _convolve(images: Array, kernel: Array, window: Window, groups: int) -> Array:
    """The convolution in the form that suits its shape."""
    channels = images.shape[3]
    if groups == channels and channels > 1:
        repeated = jnp.repeat(images, kernel.shape[3] // groups, axis=3)
        return _depthwise(repeated, kernel, window)
    if groups > 1:
        pairs = zip(jnp.split(images, groups, 3), jnp.split(kernel, groups, 3), strict=True)
        return jnp.concatenate([_convolve(*pair, window, 1) for pair in pairs], 3)
    if kernel.shape[:2] == (1, 1) and not any(map(any, window.padding)):
        down, across = window.strides
        return images[:, ::down, ::across] @ kernel[0, 0]
    return (_by_patches if kernel[..., 0].size <= FEW else _dense)(images, kernel, window)


def _with_gradient(
    forward: Callable[..., Array], of_images: Callable[..., Array], of_kernel: Callable[..., Array]
) -> Callable[..., Array]:
    """``forward(images, kernel, window)`` with this derivative, of (images, kernel, gradient, window)."""
    convolution = jax.custom_vjp(forward, nondiff_argnums=(2,))

    def backward(window: Window, saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
        return of_images(*saved, gradient, window), of_kernel(*saved, gradient, window)

    convolution.defvjp(
        lambda images, kernel, window: (forward(images, kernel, window), (images, kernel)), backward
    )
    return convolution


def _turned(kernel: Array) -> Array:
    """The kernel turned around, its input and output channels exchanged."""
    return kernel[::-1, ::-1].transpose(0, 1, 3, 2)


def _xla(images: Array, kernel: Array, strides: Any, padding: Any, spacing: Any, dilation: Any) -> Array:
    return lax.conv_general_dilated(
        images, kernel, strides, padding, spacing, dilation, dimension_numbers=AXES
    )


def _dense_forward(images: Array, kernel: Array, window: Window) -> Array:
    return _xla(images, kernel, window.strides, window.padding, (1, 1), window.dilation)


def _dense_images(images: Array, kernel: Array, gradient: Array, window: Window) -> Array:
    padding = window.turned(images, kernel)
    return _xla(gradient, _turned(kernel), (1, 1), padding, window.strides, window.dilation)


def _dense_kernel(images: Array, kernel: Array, gradient: Array, window: Window) -> Array:
    ends = zip(window.padding, window.unseen(images, kernel), strict=True)
    padding = [(low, high - rest) for (low, high), rest in ends]
    channels, outputs = images.transpose(3, 1, 2, 0), gradient.transpose(1, 2, 0, 3)
    found = _xla(channels, outputs, window.dilation, padding, (1, 1), window.strides)
    return found.transpose(1, 2, 0, 3)


def _patches(images: Array, kernel: Array, window: Window) -> Float[Array, "k places"]:
    """What an output sees, in the order of ``kernel.reshape(-1, cout)``, for all outputs.

    With the channel first, copies run along whole rows of pixels.
    """
    taps = window.taps(images, kernel)
    return jnp.stack([tap.transpose(3, 0, 1, 2) for tap in taps]).reshape(kernel[..., 0].size, -1)


def _patches_forward(images: Array, kernel: Array, window: Window) -> Array:
    outputs = _patches(images, kernel, window).T @ kernel.reshape(-1, kernel.shape[3])
    return outputs.reshape(len(images), *window.outputs(images, kernel), kernel.shape[3])


def _patches_kernel(images: Array, kernel: Array, gradient: Array, window: Window) -> Array:
    found = _patches(images, kernel, window) @ gradient.reshape(-1, kernel.shape[3])
    return found.reshape(kernel.shape)


def _depthwise_forward(images: Array, kernel: Array, window: Window) -> Array:
    weights = kernel.reshape(-1, 1, 1, 1, kernel.shape[3])
    return sum(tap * weight for tap, weight in zip(window.taps(images, kernel), weights, strict=True))


def _depthwise_images(images: Array, kernel: Array, gradient: Array, window: Window) -> Array:
    ends = zip(window.turned(images, kernel), window.strides, strict=True)
    spread = [(0, 0, 0), *((low, high, step - 1) for (low, high), step in ends), (0, 0, 0)]
    spaced = lax.pad(gradient, jnp.zeros((), gradient.dtype), spread)
    still = Window((1, 1), ((0, 0), (0, 0)), window.dilation)
    return _depthwise_forward(spaced, kernel[::-1, ::-1], still)


def _depthwise_kernel(images: Array, kernel: Array, gradient: Array, window: Window) -> Array:
    found = [(tap * gradient).sum((0, 1, 2)) for tap in window.taps(images, kernel)]
    return jnp.stack(found).reshape(kernel.shape)


_dense = _with_gradient(_dense_forward, _dense_images, _dense_kernel)
_by_patches = _with_gradient(_patches_forward, _dense_images, _patches_kernel)
_depthwise = _with_gradient(_depthwise_forward, _depthwise_images, _depthwise_kernel)
