"""Small LeNets to certify, balls about images, and samples from them."""

from functools import cache

import jax.numpy as jnp
import numpy as np
from flax import nnx

import minmax_jax as mm
from helpers.filled import filled

SHAPE = (14, 13, 2)  # odd and even, so that pools leave a column out and tiles are filled up
CLASSES = 4
VARIANTS = ("modern", "classic")
EPS = {"modern": 0.04, "classic": 0.004}  # beyond, intervals of tanh reach both its ends and tell nothing


@cache
def net(variant="modern", seed=0):
    """A LeNet of the smallest kind with random weights and biases."""
    return filled(lambda rngs: mm.LeNet(SHAPE, CLASSES, variant, rngs=rngs), seed)


def photos(n=3, seed=0):
    """Images, some of whose pixels are at the ends of [0, 1], and the classes that come round in turn."""
    images = np.random.default_rng(seed).uniform(-0.2, 1.2, (n, *SHAPE)).clip(0, 1)
    return jnp.asarray(images, jnp.float32), jnp.arange(n) % CLASSES


def around(images, eps, count, seed=0):
    """For each image, ``count`` of its ball in [0, 1]: half of them even draws, half of them corners."""
    rng = np.random.default_rng(seed)
    change = rng.uniform(-1, 1, (count, *images.shape))
    change[::2] = np.sign(change[::2])
    return np.clip(np.asarray(images)[None] + eps * change, 0, 1).astype(np.float32)


def margins_of(model, images, labels):
    """``z_y - z_j`` of images, in the same layout as bounds."""
    z = np.asarray(nnx.jit(lambda m, x: m(x))(model, jnp.asarray(images)))
    return np.take_along_axis(z, np.asarray(labels)[:, None], 1) - z
