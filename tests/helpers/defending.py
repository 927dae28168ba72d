"""What tests of defences share: the loss of a batch and its gradient, and small models to defend."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import minmax_jax as mm
from helpers.filled import filled
from helpers.linear import SHAPE, Curved, batch

KEY = jax.random.key(5)


class Straight(nnx.Module):
    """One convolution as large as the image, for two classes: its logits are linear in the image."""

    def __init__(self, *, rngs):
        self.conv = mm.Conv(SHAPE[-1], 2, SHAPE[:2], padding="VALID", rngs=rngs)

    def __call__(self, images):
        return self.conv(images)[:, 0, 0, :]


def curved():
    """A small curved model, and images with labels, some of them wrong."""
    images, _ = batch(0, 1, n=8, shape=(5, 5, 1))
    return filled(Curved), images, jnp.arange(8) % 4


def straight():
    """A linear model, and images away from the box, with labels that are right for some."""
    images, labels = batch(0.3, 0.7)
    return filled(Straight), images, labels


def graded(objective, model, images, labels, progress=0.0, key=KEY):
    """What an objective measures of a batch, and the gradient of its loss in the parameters."""
    definition, params, rest = nnx.split(model, nnx.Param, ...)
    return _graded(objective, definition, params, rest, images, labels, progress, key)


@partial(jax.jit, static_argnames="definition")
def _graded(objective, definition, params, rest, images, labels, progress, key):
    def loss(params):
        measured = objective.measured(
            nnx.merge(definition, params, rest, copy=True), images, labels, (progress, key)
        )
        total = measured.loss + objective.penalty(params)
        return total, measured._replace(loss=total)

    gradient, measured = jax.grad(loss, has_aux=True)(params)
    return measured, nnx.to_pure_dict(gradient)


def assert_close(one, other, rtol=1e-5, atol=1e-6):
    """Two pytrees agree."""
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), one, other)
