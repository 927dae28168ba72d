"""Transplants of convolutions from a donor, and what is done to them to find what their effect hangs on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from minmax_jax.lenet import LeNet

Kernel = Float[Array, "kh kw cin cout"]
Bias = Float[Array, " cout"]
Ablation = Literal[
    "none", "largest tap", "no bias", "other kernels", "permuted", "permuted in filters", "snapped"
]
WEIGHTS = (0, 1, 2)  # axes of a kernel along which a filter's weights lie


def largest_tap(kernel: Kernel, bias: Bias, key: Array) -> tuple[Kernel, Bias]:
    """Each filter with its largest weight by magnitude alone, of equals the first: one effective tap."""
    columns = kernel.reshape(-1, kernel.shape[-1])
    kept = jax.nn.one_hot(jnp.abs(columns).argmax(0), len(columns), dtype=kernel.dtype, axis=0)
    return (columns * kept).reshape(kernel.shape), bias


def no_bias(kernel: Kernel, bias: Bias, key: Array) -> tuple[Kernel, Bias]:
    """Biases of 0: every threshold lies at 0."""
    return kernel, jnp.zeros_like(bias)


def other_kernels(kernel: Kernel, bias: Bias, key: Array) -> tuple[Kernel, Bias]:
    """Weights drawn anew from the initialiser, scaled to each filter's own ``||w||_1``.

    Biases stay, and so do the thresholds ``-b / ||w||_1``, and each filter's worst case.
    """
    drawn = nnx.initializers.lecun_normal()(key, kernel.shape, kernel.dtype)
    norms = (jnp.abs(one).sum(WEIGHTS, keepdims=True) for one in (kernel, drawn))
    return drawn * jnp.divide(*norms), bias


def permuted(kernel: Kernel, bias: Bias, key: Array) -> tuple[Kernel, Bias]:
    """The layer's weights in random order: where they are goes, and what values there are stays.

    ``||w||_1`` of a filter changes, and with it the threshold that its bias makes.
    Identity: every fuzziness in the interval of the layer, every norm and every moment of the layer's weights
    stays as it is.
    """
    return jax.random.permutation(key, kernel.ravel()).reshape(kernel.shape), bias


def permuted_in_filters(kernel: Kernel, bias: Bias, key: Array) -> tuple[Kernel, Bias]:
    """Each filter's weights in a random order of its own: thresholds ``-b / ||w||_1`` stay too.

    Identity: what ``permuted`` keeps, and the same of every filter.
    """
    columns = kernel.reshape(-1, kernel.shape[-1])
    return jax.random.permutation(key, columns, independent=True).reshape(kernel.shape), bias


def snapped(kernel: Kernel, bias: Bias, key: Array) -> tuple[Kernel, Bias]:
    """Each weight at the nearest of 0 and +-m, m = max abs(w) of the layer: fuzziness 0 by magnitude."""
    largest = jnp.abs(kernel).max()
    return jnp.where(jnp.abs(kernel) > largest / 2, jnp.sign(kernel) * largest, 0), bias


ABLATIONS: Mapping[Ablation, Callable[[Kernel, Bias, Array], tuple[Kernel, Bias]]] = {
    "none": lambda kernel, bias, key: (kernel, bias),
    "largest tap": largest_tap,
    "no bias": no_bias,
    "other kernels": other_kernels,
    "permuted": permuted,
    "permuted in filters": permuted_in_filters,
    "snapped": snapped,
}


def transplanted(
    donor: LeNet, recipient: LeNet, layers: Sequence[str], ablation: Ablation = "none", seed: int = 0
) -> LeNet:
    """A copy of the recipient with the donor's ``layers``, ablated by random numbers of ``seed``.

    Identity: with no ablation, their kernels and biases are the donor's, bit for bit, and all else is the
    recipient's.
    """
    found = nnx.clone(recipient)
    for number, name in enumerate(layers):
        source, target = getattr(donor, name), getattr(found, name)
        key = jax.random.fold_in(jax.random.key(seed), number)
        kernel, bias = ABLATIONS[ablation](source.kernel[...], source.bias[...], key)
        target.kernel[...], target.bias[...] = kernel, bias
    return found
