"""Our side of whole attacks: the call that a user makes, on many images."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from flax import nnx

from minmax_jax.attacks.pgd import pgd
from minmax_jax.benchmark.jax_side import repeated
from minmax_jax.benchmark.rows import EPS, PGD_STEPS, Result, Size
from minmax_jax.data import Split, load
from minmax_jax.lenet import LeNet
from minmax_jax.robustness import robustness
from minmax_jax.training import saved


def answered(model: nnx.Module, images: int) -> Split:
    """The first test images, labelled as the model answers: so all of them are attacked, on both sides."""
    pixels = load("mnist").test.images[:images]
    return Split(pixels, np.asarray(model(pixels).argmax(1)))


def standing(attack: Callable[..., Any], model: nnx.Module, data: Split, batch: int) -> int:
    """How many images are classified as labelled after an attack, by ``mm.robustness``."""
    report = robustness(model, data, [EPS], attacks={"it": attack}, batch_size=batch, progress=False)
    return int(report.withstood.sel(attack="it").sum())


def timed(
    attack: Callable[..., Any], model: nnx.Module, data: Split, batches: Sequence[int], repeats: int
) -> Result:
    """A call on all images in the fastest of some batch sizes, and how many of them withstand it."""
    found = []
    for batch in batches:
        left = 0

        def counted(batch: int = batch) -> None:
            nonlocal left
            left = standing(attack, model, data, batch)

        result = repeated(counted, repeats)
        found.append(result._replace(choice=f"batch {batch}; {left} withstand"))
    return min(found, key=lambda result: result.seconds)


def pgd40(images: int, size: Size) -> Result:
    """PGD on all images, its start and its end counted in; how fast it is does not depend on the weights."""
    model = LeNet(rngs=nnx.Rngs(0))
    widths = (images // 4, images // 2)
    return timed(partial(pgd, steps=PGD_STEPS), model, answered(model, images), widths, size.repeats)


def autoattack(images: int, size: Size) -> Result:
    """AutoAttack, the standard one, on all images."""
    attack = import_module("minmax_jax.attacks").autoattack
    data = load("mnist").test[:images]
    return timed(attack, saved.open(size.victim), data, (images // 4,), size.repeats)


MEASURES: dict[str, Callable[[int, Size], Result]] = {"pgd40": pgd40, "autoattack": autoattack}
