"""Both sides compute the same: this is checked before anything is timed."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx
from torch.nn import functional

from minmax_jax.benchmark.jax_side import Plain
from minmax_jax.benchmark.rows import BATCH
from minmax_jax.benchmark.torch_models import in_torch_form, twin_of
from minmax_jax.benchmark.torch_step import FORMS, name_of, stepper, tensors
from minmax_jax.data import Dataset, Split, load
from minmax_jax.lenet import LeNet
from minmax_jax.objective import cross_entropy
from minmax_jax.train_step import epoch_order
from minmax_jax.training import fit

STEPS = 5

# What rounding of float32 can do, with room: another order of sums, and Adam's division by small numbers.
LIMITS = {"loss": 1e-5, "gradient": 1e-4, "gradient in the images": 1e-4, "losses of training": 2e-3}


def model_of(factor: int) -> nnx.Module:
    """``Plain``, or LeNet for a factor of 0."""
    return Plain(factor, rngs=nnx.Rngs(0)) if factor else LeNet(rngs=nnx.Rngs(0))


def difference(one: Any, other: Any) -> float:
    """Largest difference, as a share of the largest number."""
    one, other = np.asarray(one), np.asarray(other)
    return float(np.abs(one - other).max() / np.abs(one).max())


def differences(factor: int = 0) -> dict[str, dict[str, float]]:
    """How far PyTorch's loss, gradients and training differ from ours, by form of training.

    Training is ``mm.fit`` against PyTorch's loop on the same batches, step by step.
    """
    model, data = model_of(factor), load("mnist")
    small = Dataset("mnist", data.train[: STEPS * BATCH], data.test[:BATCH], data.class_names)
    batch = small.train[:BATCH]
    # Where neighbouring patches of a digit are equal, max-pool has ties, and rounding decides which of them
    # gets the gradient in the images. With noise there are no ties.
    noise = np.random.default_rng(0).random(batch.images.shape, np.float32)
    untied = Split(0.5 * (batch.images + noise), batch.labels)
    ours, ours_untied = (derivatives(model, one.images, one.labels) for one in (batch, untied))
    losses = fit(model, small, batch_size=BATCH, snapshots=2, progress=False).history.loss.values
    order = np.asarray(epoch_order(jax.random.key(0), 1, len(small.train), BATCH))
    found = {}
    for layout, fused in FORMS:
        images, labels = tensors(small.train, layout)
        theirs = twin_derivatives(twin_of(model), *tensors(batch, layout))
        one = {"loss": difference(ours["loss"], theirs["loss"])}
        theirs_untied = twin_derivatives(twin_of(model), *tensors(untied, layout))
        name = "gradient in the images"
        one[name] = difference(ours_untied[name], theirs_untied[name])
        pairs = zip(ours["gradient"].items(), theirs["gradient"].items(), strict=True)
        one["gradient"] = max(difference(a, b) for (_, a), (_, b) in pairs)
        losses_there = twin_losses(
            twin_of(model), images, labels, torch.from_numpy(order.astype(np.int64)), layout, fused
        )
        one["losses of training"] = difference(losses, losses_there)
        found[name_of(layout, fused)] = one
    return found


def derivatives(model: nnx.Module, images: Any, labels: Any) -> dict[str, Any]:
    """Our loss on a batch, its gradient in the weights, and in the images, in PyTorch's form."""
    definition, params = nnx.split(model)

    @jax.jit
    def both(params: Any, images: Any) -> Any:
        def loss(params: Any, images: Any) -> Any:
            return cross_entropy(nnx.merge(definition, params)(images), labels)

        return jax.value_and_grad(loss, (0, 1))(params, images)

    value, (gradient, inputs) = both(params, jnp.asarray(images))
    tree = dict(sorted(in_torch_form(nnx.to_pure_dict(gradient)).items()))
    return {"loss": value, "gradient": tree, "gradient in the images": inputs.transpose(0, 3, 1, 2)}


def twin_derivatives(net: Any, images: Any, labels: Any) -> dict[str, Any]:
    """PyTorch's loss on a batch, its gradient in the weights, and in the images."""
    images.requires_grad_(True)
    loss = functional.cross_entropy(net(images), labels)
    loss.backward()
    tree = {name: one.grad.numpy() for name, one in sorted(net.named_parameters())}
    return {"loss": loss.detach().numpy(), "gradient": tree, "gradient in the images": images.grad.numpy()}


def twin_losses(net: Any, images: Any, labels: Any, order: Any, layout: str, fused: bool) -> list[float]:
    """PyTorch's loss on each batch, before its training step."""
    step, losses = stepper(net, layout, fused), []
    for rows in order:
        with torch.no_grad():
            losses.append(float(functional.cross_entropy(net(images[rows]), labels[rows])))
        step(images[rows], labels[rows])
    return losses


def objections(found: dict[str, dict[str, float]]) -> list[str]:
    """What differs by too much, one line each; NaN does."""
    return [
        f"{form}: {name} differs by {value:.2g} of its size, and may differ by {LIMITS[name]:g}"
        for form, one in found.items()
        for name, value in one.items()
        if not value <= LIMITS[name]
    ]
