"""Units of a convolution: how far a perturbation of the image is from bringing one to its threshold.

A unit is one output ``sigma(<w, x> + b)`` of a layer, with its threshold at y = <w, x> + b = 0. While
``abs(y) > eps ||w||_1``, no perturbation of radius eps takes it to the other side. Crisp filters, of few
taps, can make crisp units, far from their thresholds. Source: design of this study, section 3, statement 6.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from minmax_jax.checks import AnyArray, as_array, check_flag, check_least, check_positive, is_known
from minmax_jax.checks.padding import Padding
from minmax_jax.convolution import KERNEL, convolve
from minmax_jax.fuzziness import degree
from minmax_jax.intervals import widened


def margins(
    outputs: Float[AnyArray, "*places cout"], kernel: Float[AnyArray, "... cout"]
) -> Float[Array, "*places cout"]:
    """Margin ``abs(y) / ||w||_1`` of each unit: how far every pixel must move to bring it to its threshold.

    In units of the pixels, whatever the scale of w. Without weights nothing moves a unit: its margin is
    infinite, or 0 where y = 0. Raises ValueError for outputs of other channels than the kernel's.
    Identity: for one tap w and the bias -theta w, ``abs(x - theta)``.
    """
    return jnp.abs(_in_pixels(outputs, kernel))


def _in_pixels(outputs: AnyArray, kernel: AnyArray, scale: Any = 1.0, added: Any = 0.0) -> Array:
    """y / (scale ||w||_1 + added), whose derivative is finite where there are no weights."""
    y, w = widened(as_array("outputs", outputs, "..., cout"), "outputs"), widened(kernel)
    if w.ndim == 0 or y.shape[-1] != w.shape[-1]:
        raise ValueError(f"outputs must have the channels of a kernel of shape {w.shape}, got {y.shape}")
    norm = jnp.broadcast_to(scale * jnp.abs(w).sum(tuple(range(w.ndim - 1))) + added, y.shape)
    # The derivative divides by the square of the norm, so that has to be a number too.
    live = norm >= jnp.finfo(norm.dtype).tiny ** 0.5
    unmoved = jnp.where(y > 0, jnp.inf, jnp.where(y < 0, -jnp.inf, lax.stop_gradient(y)))
    return jnp.where(live, y / jnp.where(live, norm, 1), unmoved)


def unit_bounds(
    kernel: Float[AnyArray, "kh kw cin cout"],
    bias: Float[AnyArray, " cout"] | None,
    images: Float[AnyArray, "n h w cin"],
    eps: float | Float[Array, ""],
    *,
    padding: Padding = "SAME",
    boxed: bool = True,
) -> tuple[Float[Array, "n oh ow cout"], Float[Array, "n oh ow cout"]]:
    """Lowest and highest y of each unit over all perturbations of radius eps of the images.

    With c and r the centre and half-width of each pixel's interval, ``<w, c> + b -+ <abs w, r>``. The zeros
    of the padding stay. Identity: attained by pixels at the ends of their intervals, by the signs of w; not
    boxed and without padding, ``y -+ eps ||w||_1``.

    Args:
        kernel: weights of the layer, of stride 1.
        bias: one number for each output channel, or None.
        images: what the layer sees, in [0, 1] if boxed.
        eps: radius in units of the pixels, >= 0.
        padding: as ``convolve`` takes it.
        boxed: whether perturbed pixels stay in [0, 1].

    Raises:
        ValueError: for eps below 0 or not finite, images outside [0, 1] if boxed, and as ``convolve`` does.
    """
    eps, boxed = check_least("eps", eps), check_flag("boxed", boxed)
    w, x = widened(as_array("kernel", kernel, KERNEL)), widened(images, "images")
    inside = jnp.all((x >= 0) & (x <= 1))
    if boxed and is_known(inside) and not bool(inside):
        cure = "divide bytes by 255, or give boxed=False"
        raise ValueError(f"images must be in [0, 1], got values outside or NaN; {cure}")
    low, high = x - eps, x + eps
    if boxed:
        low, high = jnp.clip(low, 0, 1), jnp.clip(high, 0, 1)
    centre = convolve((low + high) / 2, w, bias, padding)
    reach = convolve((high - low) / 2, jnp.abs(w), None, padding)
    return centre - reach, centre + reach


def stable(low: Float[AnyArray, "*places"], high: Float[AnyArray, "*places"]) -> Bool[Array, "*places"]:
    """Whether a unit keeps its side under every perturbation: its lowest y > 0, or its highest y < 0.

    The bounds are those of ``unit_bounds``, or any that are sound. Raises ValueError for two shapes.
    Identity: not boxed and without padding, ``margins(y, kernel) > eps``; where that holds, a unit is stable
    in the box too.
    """
    low, high = jnp.asarray(as_array("low", low)), jnp.asarray(as_array("high", high))
    if low.shape != high.shape:
        raise ValueError(f"high must have the shape of low, {low.shape}, got {high.shape}")
    return (low > 0) | (high < 0)


def unstable_share(
    low: Float[AnyArray, "*places cout"], high: Float[AnyArray, "*places cout"]
) -> Float[Array, " cout"]:
    """Share of each channel's units, over images and places, that are not ``stable``, in [0, 1]."""
    keeps = stable(as_array("low", low, "..., cout"), as_array("high", high, "..., cout"))
    return 1 - keeps.mean(tuple(range(keeps.ndim - 1)))


def unit_memberships(
    outputs: Float[AnyArray, "*places cout"],
    kernel: Float[AnyArray, "... cout"],
    tau: float | Float[Array, ""],
    temperature: float | Float[Array, ""] = 0.0,
) -> Float[Array, "*places cout"]:
    """Membership mu of each unit in its upper side: ``sigmoid(y / (tau ||w||_1 + temperature))``, in [0, 1].

    At temperature 0, the chance that y > 0 if its pixels all move by one draw of logistic noise of scale
    tau > 0, each to the side of its weight's sign; whatever the scale of w. A temperature > 0 is noise in y
    itself, beside which large weights count for more. Without weights and temperature mu is 0, 1/2 or 1, by
    the sign of y, with derivative 0. Raises ValueError for tau <= 0, a temperature below 0, and as
    ``margins`` does. Identity at temperature 0: ``mu = sigmoid(sign(y) margin / tau)``.
    """
    scales = check_positive("tau", tau), check_least("temperature", temperature)
    return jax.nn.sigmoid(_in_pixels(outputs, kernel, *scales))


def unit_information(mu: Float[AnyArray, "*places cout"]) -> Float[Array, " cout"]:
    """Bits that the side of a unit tells about image and place, ``H2(mean mu) - mean H2(mu)``, by channel.

    The mutual information of the two, with H2 the binary entropy and means over all axes but the last: 1
    where units are crisp and half of them up, 0 where all have one mu. Raises ValueError for mu
    outside [0, 1].
    """
    mu = widened(as_array("mu", mu, "..., cout"), "mu")
    axes = tuple(range(mu.ndim - 1))
    mean = jnp.minimum(mu.mean(axes), 1)  # which rounding could exceed
    return degree(mean) - degree(mu).mean(axes)
