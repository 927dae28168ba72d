"""The L-inf ball of an attack inside the box [0, 1], and the loss that an attack climbs."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from minmax_jax.arrays import AnyArray
from minmax_jax.checks import is_known
from minmax_jax.evaluation import Model, merge_model, split_model

Eps = float | Float[Array, ""]


def evaluated(model: Model) -> Model:
    """The model as it is evaluated: a Flax module in evaluation mode, any other callable as it is."""
    return merge_model(*split_model(model))


def losses(model: Model, images: Float[Array, "n h w c"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    """Cross-entropy of each image's label, in nats."""
    return optax.softmax_cross_entropy_with_integer_labels(model(images), labels)


def ascent(
    model: Model, images: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Float[Array, "n h w c"]:
    """Sign of the gradient of the cross-entropy in each pixel: the direction of steepest L-inf ascent.

    Where the gradient is not a number, 0: the attack stays in its ball, and is the weaker for it.
    """
    gradient = jax.grad(lambda x: losses(model, x, labels).sum())(images)
    return jnp.where(jnp.isnan(gradient), 0, jnp.sign(gradient))


def project(
    images: Float[Array, "n h w c"], centre: Float[Array, "n h w c"], eps: Eps
) -> Float[Array, "n h w c"]:
    """Nearest images in the L-inf ball of radius eps about ``centre`` and in [0, 1].

    Identity: ``project(project(x)) == project(x)``, and ``project(centre) == centre``.
    """
    return jnp.clip(jnp.clip(images, centre - eps, centre + eps), 0, 1)


def checked(
    images: Float[AnyArray, "..."], labels: Int[AnyArray, "..."], eps: Any
) -> tuple[Float[Array, "n h w c"], Int[Array, " n"]]:
    """Images and labels as jax arrays, fit for an attack of radius eps.

    Raises ValueError for images outside [0, 1], labels that do not match, or eps outside [0, 1]. Values are
    looked at only outside jit; shapes always.
    """
    if jnp.ndim(images) != 4 or jnp.shape(labels) != jnp.shape(images)[:1]:
        raise ValueError(
            f"images have shape {jnp.shape(images)} and labels {jnp.shape(labels)}; "
            "an attack takes (n, h, w, c) and (n,)"
        )
    kinds = jnp.result_type(images), jnp.result_type(labels)
    if not (jnp.issubdtype(kinds[0], jnp.floating) and jnp.issubdtype(kinds[1], jnp.integer)):
        raise TypeError(f"images are {kinds[0]} and labels {kinds[1]}; an attack takes floats and integers")
    if jnp.ndim(eps) != 0 or (is_known(eps) and not 0 <= float(eps) <= 1):
        raise ValueError(f"eps is {eps}; it takes one radius in [0, 1], in pixel units of [0, 1]")
    inside = ((images >= 0) & (images <= 1)).all()
    if is_known(inside) and not bool(inside):
        raise ValueError("images hold values outside [0, 1] or NaN; it takes images in [0, 1]")
    return jnp.asarray(images), jnp.asarray(labels)
