"""A robust model to attack: the same weights for both sides, trained in under a minute or two."""

from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax
from jaxtyping import Array

from minmax_jax.attacks.pgd import pgd
from minmax_jax.benchmark.rows import ATTACKED, BATCH, EPS
from minmax_jax.data import Split, load
from minmax_jax.evaluation import accuracy
from minmax_jax.lenet import LeNet
from minmax_jax.objective import cross_entropy
from minmax_jax.train_step import epoch_order
from minmax_jax.training import saved

EPOCHS, WARM = 4, 3  # the radius grows to EPS over the first three: at once, LeNet would learn nothing
STEPS = 5
LIMIT = 1e-4  # of the largest logit: what another order of sums can do


def trained(images: Any, labels: Any, epochs: int = EPOCHS) -> LeNet:
    """Adversarial training (Madry et al. 2018): each batch is replaced by the end of PGD on it.

    PGD takes 5 steps from a random start, in a radius that grows evenly to ``EPS``; Adam's rate of 2e-3 falls
    to zero by a cosine.
    """
    pixels, numbers = jnp.asarray(images), jnp.asarray(labels)
    definition, params = nnx.split(LeNet(rngs=nnx.Rngs(0)))
    each = len(pixels) // BATCH
    optimiser = optax.adam(optax.cosine_decay_schedule(2e-3, epochs * each))

    def step(state: tuple[Any, Any], work: tuple[Array, Array, Array]) -> tuple[tuple[Any, Any], None]:
        (params, memory), (rows, eps, key) = state, work
        x, y = pixels[rows], numbers[rows]
        attacked = pgd(nnx.merge(definition, params), x, y, eps, steps=STEPS, key=key)
        gradient = jax.grad(lambda p: cross_entropy(nnx.merge(definition, p)(attacked), y))(params)
        updates, memory = optimiser.update(gradient, memory, params)
        return (optax.apply_updates(params, updates), memory), None

    @jax.jit
    def run(params: Any, work: tuple[Array, Array, Array]) -> Any:
        (params, _), _ = lax.scan(step, (params, optimiser.init(params)), work)
        return params

    orders = [epoch_order(jax.random.key(0), epoch, len(pixels), BATCH) for epoch in range(1, epochs + 1)]
    rows = jnp.concatenate([jnp.asarray(order) for order in orders])
    radii = EPS * jnp.minimum(1, jnp.arange(len(rows)) / (len(rows) * WARM / EPOCHS))
    return nnx.merge(definition, run(params, (rows, radii, jax.random.split(jax.random.key(1), len(rows)))))


def difference(model: LeNet, images: Any) -> float:
    """How far PyTorch's logits are from ours, as a share of the largest."""
    import torch

    from minmax_jax.benchmark.torch_models import twin_of

    with torch.inference_mode():
        theirs = twin_of(model)(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    ours = np.asarray(model(jnp.asarray(images)))
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())


def prepare(file: str, train: int | None = None) -> dict[str, Any]:
    """Train a model on the first ``train`` images (None: all), write it, and say how good it is.

    "objections" are what keeps it from being attacked by both sides, one line each.
    """
    data = load("mnist")
    part = data.train[:train] if train else data.train
    model = trained(part.images, part.labels)
    saved.save(model, file)
    test = data.test[:ATTACKED]
    definition, weights = nnx.split(model)
    attack = jax.jit(lambda w, x, y: pgd(nnx.merge(definition, w), x, y, EPS))
    attacked = attack(weights, jnp.asarray(test.images), jnp.asarray(test.labels))
    robust = accuracy(model, Split(np.asarray(attacked), test.labels))
    found = difference(model, test.images) if find_spec("torch") else 0.0
    wrong = f"logits differ by {found:.2g} of their size, and may by {LIMIT:g}"
    objections = [] if found <= LIMIT else [wrong]
    return {"clean": accuracy(model, test), "robust": robust, "difference": found, "objections": objections}
