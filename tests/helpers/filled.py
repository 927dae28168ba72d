"""Models with random weights, made without compiling their initialisers."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


def fill(shapes, seed=0):
    """Random arrays of the given shapes, of a scale that keeps activations near one."""
    rng = np.random.default_rng(seed)

    def draw(leaf):
        fan_in = int(np.prod(leaf.shape[:-1]))
        return jnp.asarray(rng.normal(size=leaf.shape) / fan_in**0.5, leaf.dtype)

    return jax.tree.map(draw, shapes)


def filled(build, seed=0):
    """The model that ``build(rngs=...)`` makes, its parameters (biases too) drawn from ``seed``."""
    model = nnx.eval_shape(lambda: build(rngs=nnx.Rngs(0)))
    definition, shapes, rest = nnx.split(model, nnx.Param, ...)
    return nnx.merge(definition, fill(shapes, seed), rest)
