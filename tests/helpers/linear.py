"""Models to attack: a linear one, of which every worst case is known, and a small curved one."""

import jax.numpy as jnp
import numpy as np
from flax import nnx

from minmax_jax import Conv, convolve

SHAPE = (3, 4, 2)


class Curved(nnx.Module):
    """A convolution, a bend and a read-out, for images of 5x5x1 and four classes."""

    def __init__(self, *, rngs):
        self.conv = Conv(1, 6, (3, 3), padding="VALID", rngs=rngs)
        self.dense = nnx.Linear(54, 4, rngs=rngs)

    def __call__(self, images):
        hidden = jnp.sin(4 * self.conv(images))
        return 3 * self.dense(hidden.reshape(-1, 54))


def linear_model(seed=0):
    """The model, one convolution as large as the image, and the difference w of its two kernels."""
    kernel = np.random.default_rng(seed).normal(size=(*SHAPE, 2)).astype(np.float32)

    def model(images):
        return convolve(images, jnp.asarray(kernel), jnp.array([0.3, -0.2]))[:, 0, 0, :]

    return model, kernel[..., 1] - kernel[..., 0]


def batch(low, high, n=6, seed=1, shape=SHAPE):
    """Images with pixels in [low, high], and labels of both classes."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(low, high, (n, *shape)).astype(np.float32)
    return jnp.asarray(images), jnp.arange(n) % 2


def margins(images, labels, w):
    """Logit of the label less that of the other class, in float64."""
    images = np.asarray(images, np.float64)
    sign = 2 * np.asarray(labels) - 1
    return sign * ((images * w).sum((1, 2, 3)) - 0.5)


def worst_in_box(images, labels, w, eps):
    """The worst images of the ball and of [0, 1]: each pixel goes against the label as far as it can."""
    images = np.asarray(images, np.float64)
    sign = (2 * np.asarray(labels) - 1)[:, None, None, None]
    low, high = np.maximum(images - eps, 0), np.minimum(images + eps, 1)
    return np.where(sign * w > 0, low, high)
