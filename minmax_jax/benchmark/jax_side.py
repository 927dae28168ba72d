"""Our side: the work as a user of the package has it done."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from minmax_jax import attacks
from minmax_jax.benchmark.networks import NETWORKS, noise
from minmax_jax.benchmark.rows import BATCH, EPS, PGD_STEPS, RESTARTS, Size
from minmax_jax.benchmark.timing import Result, per_step, repeated
from minmax_jax.convolution import Conv
from minmax_jax.data import Dataset, Split, load
from minmax_jax.evaluation import accuracy
from minmax_jax.lenet import LeNet
from minmax_jax.objective import Objective
from minmax_jax.robustness import robustness as accuracy_under_attack
from minmax_jax.sweeps import sweep as train_many
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
    """The first training images of MNIST, with so few test images that testing takes no time."""
    data = load("mnist")
    return Dataset("mnist", data.train[:images], data.test[:BATCH], data.class_names)


def as_predicted(model: nnx.Module, images: int) -> Split:
    """The first test images, labelled as the model predicts.

    No image is misclassified before the attack, so all of them are attacked, on both sides.
    """
    pixels = load("mnist").test.images[:images]
    return Split(pixels, np.asarray(model(pixels).argmax(1)))


def fitted(model: nnx.Module, data: Dataset, batch: int, epochs: int) -> Result:
    """One training step of ``mm.fit``."""

    def run(epochs: int) -> Any:
        return fit(model, data, epochs=epochs, batch_size=batch, snapshots=2, progress=False)

    return per_step(run, epochs, len(data.train) // batch)


def train(batch: int, size: Size) -> Result:
    """One training step of LeNet."""
    return fitted(LeNet(rngs=nnx.Rngs(0)), digits(size.images), batch, size.epochs)


def channels(factor: int, size: Size) -> Result:
    """One training step of ``Plain``; fewer of them where each does more."""
    images = max(10 * BATCH, size.images // factor)
    return fitted(Plain(factor, rngs=nnx.Rngs(0)), digits(images), BATCH, size.epochs)


def own(number: int, size: Size) -> Result:
    """One training step of one of ``NETWORKS``."""
    data = noise(number, max(10 * BATCH, size.images // 8))
    return fitted(NETWORKS[number](rngs=nnx.Rngs(0)), data, BATCH, size.epochs)


def pgd(batch: int, size: Size) -> Result:
    """One step of PGD on LeNet, with its share of the attack's start and end."""
    return attacked_by_pgd(LeNet(rngs=nnx.Rngs(0)), load("mnist").test[:batch], size)


def own_pgd(number: int, size: Size) -> Result:
    """One step of PGD on one of ``NETWORKS``."""
    return attacked_by_pgd(NETWORKS[number](rngs=nnx.Rngs(0)), noise(number, BATCH).train, size)


def attacked_by_pgd(model: nnx.Module, data: Split, size: Size) -> Result:
    """One step of PGD, with its share of the attack's start and end."""
    images, labels = jnp.asarray(data.images), jnp.asarray(data.labels)
    definition, weights = nnx.split(model)

    @jax.jit
    def attacked(weights: Any, images: jax.Array, labels: jax.Array) -> jax.Array:
        return attacks.pgd(nnx.merge(definition, weights), images, labels, EPS, steps=PGD_STEPS)

    whole = repeated(lambda: attacked(weights, images, labels).block_until_ready(), size.repeats)
    return whole._replace(seconds=whole.seconds / PGD_STEPS)


def robustness(batch: int, size: Size) -> Result:
    """One step of the PGD in ``mm.robustness``, with its share of all else that the call does."""
    batches = 5
    model = LeNet(rngs=nnx.Rngs(0))
    data = as_predicted(model, batches * batch)

    def run() -> Any:
        return accuracy_under_attack(model, data, [EPS], attacks=["pgd"], batch_size=batch, progress=False)

    whole = repeated(run, size.repeats)
    return whole._replace(seconds=whole.seconds / (batches * RESTARTS * PGD_STEPS))


def evaluation(images: int, size: Size) -> Result:
    """The accuracy on test images."""
    model, data = LeNet(rngs=nnx.Rngs(0)), load("mnist").test[:images]
    return repeated(lambda: accuracy(model, data), size.repeats)


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
        return train_many(LeNet, data, objectives, seeds, epochs=epochs, batch_size=BATCH, progress=False)

    return per_step(run, size.epochs, models * (images // BATCH))


def device(models: int, size: Size) -> Result:
    """One training step of one model, alone or in a sweep."""
    return train(BATCH, size) if models == 1 else sweep(models, size)


MEASURES: dict[str, Callable[[int, Size], Result]] = {
    "train": train,
    "channels": channels,
    "own": own,
    "pgd": pgd,
    "own_pgd": own_pgd,
    "robustness": robustness,
    "evaluation": evaluation,
    "sweep": sweep,
    "device": device,
}
