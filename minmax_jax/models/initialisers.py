"""Initialisers of a network's weights: Flax's default, compiled once for all layers, and PyTorch's."""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

TRUNCATED = 0.87962566103423978  # standard deviation of a normal number that is cut off at -2 and 2


def lecun_normal(most: int) -> Callable[[int], dict[str, Any]]:
    """Flax's default initialiser of kernels with at most so many weights, by fan_in.

    JAX compiles what draws numbers anew for each shape, five times for a LeNet. A number depends on the key
    and on its place alone, so that the first of many are those that are drawn by themselves.
    Identity: ``nnx.initializers.lecun_normal()``, bit for bit, by JAX's default generator.
    """

    def layer(fan_in: int) -> dict[str, Any]:
        scale = np.sqrt(np.float32(1 / fan_in)) / np.float32(TRUNCATED)

        def draw(key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
            numbers = jax.random.truncated_normal(key, -2, 2, (most,), dtype)
            return numbers[: math.prod(shape)].reshape(shape) * scale

        return {"kernel_init": draw}

    return layer


def torch_uniform(fan_in: int) -> dict[str, Any]:
    """Initialisers of a layer's kernel and bias as PyTorch has them: uniform in +-1 / sqrt(fan_in)."""
    bound = fan_in**-0.5

    def draw(key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return {"kernel_init": draw, "bias_init": draw}
