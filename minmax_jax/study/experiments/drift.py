"""Drift: where the loss gradient points, how steady its sign is, and where the weights go."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from minmax_jax.data import Dataset
from minmax_jax.intervals import initial_bound
from minmax_jax.kernels import kernels
from minmax_jax.lenet import LeNet
from minmax_jax.objective import Objective, cross_entropy
from minmax_jax.study.design.condition import CONVOLUTIONS
from minmax_jax.study.engine.experiment import Arrays
from minmax_jax.train_step import epoch_order
from minmax_jax.training import ADAM
from minmax_jax.training.sharding import Placement
from minmax_jax.training.trainer import Trainer


def weight_drift(
    start: LeNet, data: Dataset, seed: int, *, epochs: int, looks: int, count: int
) -> tuple[LeNet, Arrays]:
    """Statement 3: does a weight go where the loss gradient points, if the gradient keeps its sign?

    Args:
        start: the network before training, which is as that of ``fit`` with its defaults.
        data: what it is trained on.
        seed: of the order of the batches.
        epochs: length of the training.
        looks: at how many steps, evenly over the run, the gradient is taken.
        count: the number of training images, the first ones, that the cross-entropy of each look is over.

    Returns:
        The trained network, and by weight of each convolution: ``sign_constancy``, abs(mean of the gradient's
        sign over the looks); ``direction``, minus the sign of the mean gradient; ``drift``,
        (w(end) - w(start)) / (b - a) in the fixed interval; ``start``, the membership there at the start.
    """
    steps = epochs * (len(data.train) // 128)
    trainer = Trainer(start, data, Objective(), ADAM, np.array([0, steps]), Placement(None), seed, steps)
    images, labels = (jnp.asarray(a[:count]) for a in (data.train.images, data.train.labels))
    key = jax.random.key(seed)
    orders = [np.asarray(epoch_order(key, epoch, len(data.train), 128)) for epoch in range(1, epochs + 1)]
    gradients = []
    for part in np.array_split(np.concatenate(orders), looks):
        gradients.append(loss_gradient(trainer.model(), images, labels))
        if not trainer.advance(part):
            raise RuntimeError(f"training of seed {seed} diverged")
    model = trainer.model()
    assert isinstance(model, LeNet)
    first, last = kernels(start), kernels(model)
    found: Arrays = {}
    for name in CONVOLUTIONS:
        slopes = np.stack([one[name].ravel() for one in gradients])
        width = 2 * initial_bound(first[name].shape)
        found |= {
            f"sign_constancy_{name}": np.abs(np.sign(slopes).mean(0)),
            f"direction_{name}": -np.sign(slopes.mean(0)),
            f"drift_{name}": np.asarray(last[name] - first[name]).ravel() / width,
            f"start_{name}": np.asarray(first[name]).ravel() / width + 0.5,
        }
    return model, found


def loss_gradient(
    model: nnx.Module, images: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> dict[str, np.ndarray]:
    """Gradient of the mean cross-entropy in the convolution kernels, by layer."""
    definition, *(params, rest) = nnx.split(model, nnx.Param, ...)
    found = _loss_gradient(definition, params, rest, images, labels)
    return {name: np.asarray(array) for name, array in kernels(found).items()}


@partial(jax.jit, static_argnames="definition")
def _loss_gradient(
    definition: Any, params: Any, rest: Any, images: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Any:
    def loss(params: Any) -> Array:
        model: Any = nnx.merge(definition, params, rest)
        return cross_entropy(model(images), labels)

    return jax.grad(loss)(params)
