"""Bounds of logits, and of the margins between them, for all images in a ball."""

from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.inputs import checked
from minmax_jax.certify.bounds import Bounds, least
from minmax_jax.certify.linear import Dense
from minmax_jax.certify.network import Certifiable, Relaxation, box, layers_of, lenet_of
from minmax_jax.certify.passes import backward, forward, refined
from minmax_jax.checks import AnyArray, is_known, one_of, plain

Method = Literal["ibp", "crown-ibp", "crown", "combined"]
METHODS: tuple[Method, ...] = get_args(Method)
PRECISION = "highest"  # on a GPU the default is coarser than float32, and bounds have to hold


def interval_bounds(
    model: Certifiable, low: Float[AnyArray, "n h w c"], high: Float[AnyArray, "n h w c"]
) -> tuple[Float[Array, "n classes"], Float[Array, "n classes"]]:
    """Interval bounds of the logits of all images between ``low`` and ``high``, pixel by pixel: (low, high).

    Both are clipped to [0, 1], where images live. A linear layer maps inputs in c -+ r to
    ``W c + b -+ |W| r``; ReLU, tanh and pools are monotone, so they are applied to both ends. Differentiable
    in the weights and jittable. ``model`` is a LeNet of either variant, or one on squashed pixels.

    Bounds are computed in float32, and hold up to its rounding. Raises TypeError for another model,
    ValueError for images of another shape or a low end above its high end.
    Source: Gowal et al. 2018 (interval bound propagation). Identity: with low == high, the logits.
    """
    image_shape = lenet_of(model).image_shape
    for name, end in (("low", low), ("high", high)):
        if jnp.shape(end)[1:] != image_shape or jnp.shape(end) != jnp.shape(low):
            shape = ", ".join(map(str, image_shape))
            raise ValueError(f"low and high must have shape (n, {shape}), got {name} of {jnp.shape(end)}")
    ordered = jnp.all(low <= high)
    if is_known(ordered) and not bool(ordered):
        raise ValueError("low must be at most high in every pixel, got a low end above its high end, or NaN")
    return _interval_bounds(*nnx.split(model), *(jnp.asarray(end, jnp.float32) for end in (low, high)))


@partial(jax.jit, static_argnames="definition")
def _interval_bounds(definition: Any, weights: Any, low: Array, high: Array) -> tuple[Array, Array]:
    model = nnx.merge(definition, weights)
    with jax.default_matmul_precision(PRECISION):
        logits = forward(layers_of(model), box(model, low, high))[-1]
    return logits.low.T, logits.high.T


def margin_bounds(
    model: Certifiable,
    images: Float[AnyArray, "n h w c"],
    labels: Int[AnyArray, " n"],
    eps: float | Float[Array, ""],
    method: Method = "ibp",
    *,
    relaxation: Relaxation = "joint",
) -> Float[Array, "n classes"]:
    """Lower bounds of the margins ``z_y - z_j``, of the label's logit over each class j, in a ball by L-inf.

    They hold for all images in [0, 1] within ``eps`` of the given ones; at j = y they are 0. An image is
    certified if all others are positive. The differences are taken in the last layer's weights, before
    bounding. Linear layers and average pools are exact, ReLU has CROWN's chord above and adaptive slope
    below, and scaled tanh has tangents and chords.

    Args:
        model: a LeNet of either variant, or one on squashed pixels.
        images: centres of the balls, in [0, 1].
        labels: the class y of each image.
        eps: radius in [0, 1]; it may be traced.
        method: how the margins are bounded:

            - "ibp": intervals through all layers (Gowal et al. 2018); fast enough for training
            - "crown-ibp": a linear function of the image below each margin, found backwards from the margin;
              the bounds between layers that it needs are intervals (Zhang et al. 2020)
            - "crown": the same, with bounds between layers that are found backwards too, where those are
              tighter than intervals (Zhang et al. 2018); took ten times as long as "crown-ibp" on 40 digits
            - "combined": the largest of the three
        relaxation: "joint" encloses ReLU with max-pool as one function (see ``RectifiedMaxPool``);
            "separate" encloses one after the other as auto_LiRPA does, for comparison.

    Raises:
        TypeError: for another model than a LeNet.
        ValueError: for images outside [0, 1], labels that name no class, eps outside [0, 1], or an unknown
            method.

    Differentiable in the weights and jittable. A bound by "ibp" never grows with ``eps``; one by CROWN can, a
    little, where a slope is chosen anew. Bounds are computed in float32, and hold up to its rounding:
    ``verified`` decides what is certified.
    Identity: at eps = 0, ``z_y - z_j`` of the images.
    """
    lenet_of(model)
    one_of("method", method, METHODS)
    one_of("relaxation", relaxation, get_args(Relaxation))
    x, y, _ = checked(model, images, labels, eps)
    return _margin_bounds(*nnx.split(model), x, y, plain(eps), method, relaxation)


@partial(jax.jit, static_argnames=("definition", "method", "relaxation"))
def _margin_bounds(
    definition: Any,
    weights: Any,
    images: Array,
    labels: Array,
    eps: Array,
    method: Method,
    relaxation: Relaxation,
) -> Float[Array, "n classes"]:
    model = nnx.merge(definition, weights)
    with jax.default_matmul_precision(PRECISION):
        return margins(model, images, labels, eps, method, relaxation).T


def margins(
    model: Certifiable,
    images: Array,
    labels: Array,
    eps: Array,
    method: Method,
    relaxation: Relaxation = "joint",
) -> Float[Array, "classes n"]:
    """``margin_bounds`` without its checks, by class and image."""
    *most, last = layers_of(model, relaxation)
    assert isinstance(last, Dense)
    layers, ball = tuple(most), box(model, images - eps, images + eps)
    wanted = differences(last, labels)
    by_intervals = forward(layers, ball)
    if method == "ibp":
        return intervals_below(by_intervals[-1], wanted)
    if method == "crown-ibp":
        return backward(layers, by_intervals[:-1], *wanted)
    by_crown = backward(layers, refined(layers, ball)[:-1], *wanted)
    if method == "crown":
        return by_crown
    rest = intervals_below(by_intervals[-1], wanted), backward(layers, by_intervals[:-1], *wanted)
    return jnp.maximum(jnp.maximum(*rest), by_crown)


Differences = tuple[Float[Array, "inputs classes n"], Float[Array, "classes n"]]


def differences(last: Dense, labels: Int[Array, " n"]) -> Differences:
    """The margins as linear functions of the last layer's inputs: coefficients and constants."""
    coefficients = last.kernel[:, None, labels] - last.kernel[:, :, None]
    return coefficients, last.bias[None, labels] - last.bias[:, None]


def intervals_below(inputs: Bounds, wanted: Differences) -> Float[Array, "classes n"]:
    """Least values of linear functions between bounds of the last layer's inputs."""
    coefficients, constants = wanted
    return least(coefficients, inputs) + constants
