"""What the convolutions of a trained network have become: their weights, thresholds and units."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from minmax_jax.fuzziness import MEASURES, fuzziness_table
from minmax_jax.intervals import MEMBERSHIPS
from minmax_jax.kernels import kernels
from minmax_jax.lenet import LeNet
from minmax_jax.minmax import effective_taps, kurtosis, near_zero
from minmax_jax.objective import TRAINABLE_READINGS
from minmax_jax.study.design.condition import CONVOLUTIONS
from minmax_jax.study.engine.experiment import Arrays
from minmax_jax.study.experiments.factorial import Variable
from minmax_jax.units import margins, unit_bounds, unstable_share

BATCH = 250  # images at a time
BY_UNIT = ("filter", "eps")
WEIGHTS = {
    "near_zero": Variable(("convolution",), "share of weights within a tenth of the largest"),
    "effective_taps": Variable(("convolution",), "mean over filters of ||w||_1 / max |w|"),
    "kurtosis": Variable(("convolution",), "excess kurtosis of a kernel's weights"),
    "fuzziness": Variable(
        ("convolution", "reading", "membership", "measure"), "fuzziness F of a convolution's kernel"
    ),
}
VARIABLES = {
    **WEIGHTS,
    "taps": Variable(
        ("filter",), "effective taps ||w||_1 / max |w| of each filter of conv1; NaN without weights"
    ),
    "threshold": Variable(("filter",), "threshold -b / ||w||_1 of a filter of conv1; NaN without weights"),
    "live": Variable(("filter",), "whether any unit of a filter of conv1 has an output above 0"),
    "unstable": Variable(
        BY_UNIT, "share of a filter's units in conv1, over images and places, with |y| <= eps ||w||_1"
    ),
    "unstable_boxed": Variable(
        BY_UNIT, "the same of units that a perturbation of radius eps in the box [0, 1] can bring across 0"
    ),
}
KEPT = {
    "kernel_conv1": Variable(("row", "column", "channel", "filter"), "weights of conv1"),
    "bias_conv1": Variable(("filter",), "biases of conv1"),
    "kernel_conv2": Variable(("row", "column", "filter", "filter_conv2"), "weights of conv2"),
    "bias_conv2": Variable(("filter_conv2",), "biases of conv2"),
}


def measure(model: LeNet, images: Float[np.ndarray, "n h w c"], eps: tuple[float, ...]) -> Arrays:
    """The arrays of ``VARIABLES`` for one network; units are those of its first convolution on ``images``."""
    return weights(model) | thresholds(model) | units(model, images, eps)


def weights(model: LeNet) -> Arrays:
    """The arrays of ``WEIGHTS``: what can be said of each kernel's weights."""
    convolutions = kernels(model, CONVOLUTIONS).values()
    statistics = {"near_zero": near_zero, "effective_taps": effective_taps, "kurtosis": kurtosis}
    found: Arrays = {
        name: np.array([of(np.asarray(one)[None])[0] for one in convolutions], np.float32)
        for name, of in statistics.items()
    }
    tables = [fuzziness_table(one, TRAINABLE_READINGS) for one in convolutions]
    found["fuzziness"] = np.stack([np.asarray(one, np.float32) for one in tables])
    return found


def thresholds(model: LeNet) -> Arrays:
    """``theta = -b / ||w||_1`` of each filter of conv1: y > 0 where ``<w, x> / ||w||_1`` exceeds theta.

    For one tap w > 0 that is where the pixel exceeds theta. A filter whose theta is beyond [-1, 1] is a
    constant, on or off for all images. Beside it, the filter's effective taps.
    """
    sizes = np.abs(np.asarray(model.conv1.kernel[...]))
    norm, largest = sizes.sum((0, 1, 2)), sizes.max((0, 1, 2))
    bias = np.asarray(model.conv1.bias[...])  # type: ignore[index]
    return {
        "threshold": -bias / np.where(norm > 0, norm, np.nan),
        "taps": norm / np.where(largest > 0, largest, np.nan),
    }


def units(model: LeNet, images: Float[np.ndarray, "n h w c"], eps: tuple[float, ...]) -> Arrays:
    """Which filters of conv1 are live on the images, and the shares of their units that are unstable."""
    kernel, bias = model.conv1.kernel[...], model.conv1.bias[...]  # type: ignore[index]
    parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    found = [_units(kernel, bias, jnp.asarray(part), eps) for part in parts]
    highest, free, boxed = (np.stack([np.asarray(one) for one in of]) for of in zip(*found, strict=True))
    sizes = np.array([len(part) for part in parts])
    return {
        "live": highest.max(0) > 0,
        "unstable": np.average(free, 0, sizes).astype(np.float32),
        "unstable_boxed": np.average(boxed, 0, sizes).astype(np.float32),
    }


def kept(model: LeNet, layers: tuple[str, ...] = CONVOLUTIONS) -> Arrays:
    """The arrays of ``KEPT``, of some layers: kernels and biases, to draw and to take up again."""
    return {
        f"{part}_{layer}": np.asarray(getattr(getattr(model, layer), part)[...], np.float32)
        for layer in layers
        for part in ("kernel", "bias")
    }


def labels(eps: tuple[float, ...]) -> dict[str, Any]:
    """Labels of the axes of ``VARIABLES``."""
    return {
        "convolution": list(CONVOLUTIONS),
        "reading": list(TRAINABLE_READINGS),
        "membership": list(MEMBERSHIPS),
        "measure": list(MEASURES),
        "eps": ("eps", np.array(eps), {"long_name": "radius, L-inf", "units": "pixel range"}),
    }


@partial(jax.jit, static_argnames="eps")
def _units(
    kernel: Float[Array, "kh kw cin cout"],
    bias: Float[Array, " cout"],
    images: Float[Array, "n h w cin"],
    eps: tuple[float, ...],
) -> tuple[Float[Array, " cout"], Float[Array, "cout eps"], Float[Array, "cout eps"]]:
    """Of each filter the largest output, and the shares of unstable units, free and in the box."""
    outputs, _ = unit_bounds(kernel, bias, images, 0.0)
    margin = margins(outputs, kernel)
    free = [(margin <= radius).mean((0, 1, 2)) for radius in eps]
    boxed = [unstable_share(*unit_bounds(kernel, bias, images, radius)) for radius in eps]
    return outputs.max((0, 1, 2)), jnp.stack(free, -1), jnp.stack(boxed, -1)
