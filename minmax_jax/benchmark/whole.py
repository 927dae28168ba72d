"""Our side of whole attacks: the call that a user makes, on many images."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from minmax_jax import saved
from minmax_jax.attacks.pgd import pgd
from minmax_jax.benchmark.ours import repeated
from minmax_jax.benchmark.row import EPS, PGD_STEPS, Result, Size
from minmax_jax.data import load
from minmax_jax.evaluation import map_batches
from minmax_jax.lenet import LeNet


def standing(
    attack: Callable[..., jax.Array], model: nnx.Module, images: int, batch: int
) -> Callable[[], jax.Array]:
    """A call that attacks the first test images, in batches, and counts those classified right after it."""
    data = load("mnist").test[:images]
    pixels, labels = jnp.asarray(data.images), jnp.asarray(data.labels)
    definition, weights = nnx.split(model)

    @jax.jit
    def attacked(weights: Any, pixels: jax.Array, labels: jax.Array) -> jax.Array:
        victim = nnx.merge(definition, weights)

        def right(x: jax.Array, y: jax.Array) -> jax.Array:
            return victim(attack(victim, x, y, EPS)).argmax(-1) == y

        return map_batches(right, batch, pixels, labels).sum()

    return lambda: attacked(weights, pixels, labels)


def timed(
    attack: Callable[..., jax.Array], model: nnx.Module, images: int, batches: Sequence[int], repeats: int
) -> Result:
    """A call on all images in the fastest of some batch sizes, and how many of them withstand it."""
    found = []
    for batch in batches:
        call = standing(attack, model, images, batch)
        left = 0

        def counted(call: Callable[[], jax.Array] = call) -> None:
            nonlocal left
            left = int(call())

        result = repeated(counted, repeats)
        found.append(result._replace(choice=f"batch {batch}; {left} withstand"))
    return min(found, key=lambda result: result.seconds)


def pgd40(images: int, size: Size) -> Result:
    """PGD on all images, its start and its end counted in; how fast it is does not depend on the weights."""
    return timed(
        partial(pgd, steps=PGD_STEPS), LeNet(rngs=nnx.Rngs(0)), images, (images // 4, images), size.repeats
    )


def autoattack(images: int, size: Size) -> Result:
    """AutoAttack, the standard one, on all images."""
    attack = import_module("minmax_jax.attacks").autoattack
    return timed(attack, saved.open(size.victim), images, (images,), size.repeats)


MEASURES: dict[str, Callable[[int, Size], Result]] = {"pgd40": pgd40, "autoattack": autoattack}
