"""Our side: the work as a user of the package has it done."""

from collections.abc import Callable
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from minmax_jax.attacks.pgd import pgd as attack
from minmax_jax.benchmark.rows import BATCH, EPS, PGD_STEPS, RESTARTS, Result, Size
from minmax_jax.convolution import Conv
from minmax_jax.data import Dataset, Split, load
from minmax_jax.evaluation import accuracy
from minmax_jax.lenet import LeNet
from minmax_jax.objective import Objective
from minmax_jax.robustness import robustness as under_attack
from minmax_jax.training import fit


class Plain(nnx.Module):
    """Two convolutions with pooling and a dense layer, ``factor`` times as many channels as in LeNet."""

    def __init__(self, factor: int, *, rngs: nnx.Rngs):
        self.conv1 = Conv(1, 6 * factor, (5, 5), padding="SAME", rngs=rngs)
        self.conv2 = Conv(6 * factor, 16 * factor, (5, 5), padding="VALID", rngs=rngs)
        self.dense1 = nnx.Linear(25 * 16 * factor, 10, rngs=rngs)

    def __call__(self, images: Any) -> jax.Array:
        """Logits of images of 28 x 28 x 1."""
        hidden = jnp.asarray(images)
        for conv in (self.conv1, self.conv2):
            hidden = nnx.max_pool(nnx.relu(conv(hidden)), (2, 2), strides=(2, 2))
        return self.dense1(hidden.reshape(len(hidden), -1))


def digits(images: int) -> Dataset:
    """The first training images of MNIST, and so few test images that testing them takes no time."""
    data = load("mnist")
    return Dataset("mnist", data.train[:images], data.test[:BATCH], data.class_names)


def timed(call: Callable[[], Any]) -> float:
    """Seconds that a call takes, the arrays it returns computed."""
    start = perf_counter()
    jax.block_until_ready(call())
    return perf_counter() - start


def repeated(call: Callable[[], Any], repeats: int) -> Result:
    """Median of repeated calls after a first one."""
    first = timed(call)
    later = median(timed(call) for _ in range(repeats))
    return Result(later, first - later)


def per_step(run: Callable[[int], Any], epochs: int, steps: int) -> Result:
    """One step of ``run(epochs)``, which takes ``steps`` in an epoch, without what a run costs once.

    That is the difference between a run of some epochs and a run of one, after a first run of one.
    """

    def seconds(epochs: int) -> float:
        start = perf_counter()
        run(epochs)
        return perf_counter() - start

    first, short, long = seconds(1), seconds(1), seconds(epochs)
    return Result((long - short) / ((epochs - 1) * steps), first - short)


def fitted(model: nnx.Module, images: int, batch: int, epochs: int) -> Result:
    """One training step of ``mm.fit``."""
    data = digits(images)

    def run(epochs: int) -> Any:
        return fit(model, data, epochs=epochs, batch_size=batch, snapshots=2, progress=False)

    return per_step(run, epochs, images // batch)


def train(batch: int, size: Size) -> Result:
    """One training step of LeNet."""
    return fitted(LeNet(rngs=nnx.Rngs(0)), size.images, batch, size.epochs)


def channels(factor: int, size: Size) -> Result:
    """One training step of ``Plain``; fewer of them where each does more."""
    return fitted(Plain(factor, rngs=nnx.Rngs(0)), max(10 * BATCH, size.images // factor), BATCH, size.epochs)


def pgd(batch: int, size: Size) -> Result:
    """One step of PGD, its start and its end counted in."""
    data = load("mnist").test[:batch]
    images, labels = jnp.asarray(data.images), jnp.asarray(data.labels)
    definition, weights = nnx.split(LeNet(rngs=nnx.Rngs(0)))

    @jax.jit
    def attacked(weights: Any, images: jax.Array, labels: jax.Array) -> jax.Array:
        return attack(nnx.merge(definition, weights), images, labels, EPS, steps=PGD_STEPS)

    whole = repeated(lambda: attacked(weights, images, labels), size.repeats)
    return whole._replace(seconds=whole.seconds / PGD_STEPS)


def robustness(batch: int, size: Size) -> Result:
    """One step of the PGD that ``mm.robustness`` does by itself, all else that it does counted in.

    Labels are the model's own answers: images that are misclassified as they are would not be attacked.
    """
    batches = 5
    model, images = LeNet(rngs=nnx.Rngs(0)), load("mnist").test.images[: batches * batch]
    data = Split(images, model(images).argmax(1))

    def run() -> Any:
        return under_attack(model, data, [EPS], attacks=["pgd"], batch_size=batch, progress=False)

    whole = repeated(run, size.repeats)
    return whole._replace(seconds=whole.seconds / (batches * RESTARTS * PGD_STEPS))


def evaluation(images: int, size: Size) -> Result:
    """The accuracy on test images."""
    model, data = LeNet(rngs=nnx.Rngs(0)), load("mnist").test[:images]
    return repeated(lambda: accuracy(model, data), size.repeats)


def can_sweep() -> bool:
    """Whether this version of the package has ``mm.sweep``."""
    return callable(getattr(import_module("minmax_jax"), "sweep", None))


def grid(models: int) -> tuple[list[Objective], list[int]]:
    """About as many strengths as seeds, ``models`` in all (a power of two)."""
    strengths = 2 ** ((models.bit_length() - 1) // 2)
    objectives = [Objective(strength=float(one)) for one in np.linspace(-0.1, 0.1, strengths)]
    return objectives, list(range(models // strengths))


def sweep(models: int, size: Size) -> Result:
    """One training step of one model in ``mm.sweep``; fewer of them where more models take it."""
    images = max(10 * BATCH, min(size.images, 8 * size.images // models))
    data, (objectives, seeds) = digits(images), grid(models)

    def run(epochs: int) -> Any:
        many = import_module("minmax_jax").sweep
        return many(LeNet, data, objectives, seeds, epochs=epochs, batch_size=BATCH, progress=False)

    return per_step(run, size.epochs, models * (images // BATCH))


def device(models: int, size: Size) -> Result:
    """One training step of one model, alone or in a sweep."""
    return train(BATCH, size) if models == 1 else sweep(models, size)


MEASURES: dict[str, Callable[[int, Size], Result]] = {
    "train": train,
    "channels": channels,
    "pgd": pgd,
    "robustness": robustness,
    "evaluation": evaluation,
    "sweep": sweep,
    "device": device,
}
