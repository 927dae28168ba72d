"""The flow of fuzziness alone, and how much of the paths of trained weights it explains."""

from collections.abc import Sequence

import numpy as np
import optax
from jaxtyping import Float

from minmax_jax.data import Dataset
from minmax_jax.fuzziness import Measure
from minmax_jax.intervals import initial_bound, interval, memberships
from minmax_jax.kernels import kernels
from minmax_jax.lenet import LeNet
from minmax_jax.objective import Objective
from minmax_jax.study.design.condition import CONVOLUTIONS
from minmax_jax.study.engine.experiment import Arrays, network
from minmax_jax.theory import descend
from minmax_jax.training import Diverged, fit

FLOW: tuple[Measure, ...] = ("quadratic", "entropy")
RATE = 0.02  # of the gradient descent that is compared with the flow
SGD = optax.sgd(RATE)
BATCH = 128


def explained_by_flow(
    start: LeNet, data: Dataset, seed: int, strengths: Sequence[float], steps: int
) -> Arrays:
    """Statement 2: how far the weights' paths are those of fuzziness alone, by its strength.

    Plain gradient descent on cross-entropy plus ``strength`` F (fixed interval, signed).

    Args:
        start: the network that every training starts from.
        data: what it is trained on, in batches of 128.
        seed: of the order of the batches.
        strengths: factors of F, one training each and by each measure.
        steps: number of steps of the descent, and of the flow that it is compared with.

    Returns:
        ``explained``, by measure, strength and layer: R^2 of the trained memberships by the descent on F
        alone, 1 where the loss does not matter; NaN where training diverged. For the quadratic measure, whose
        flow has a closed form, by strength and layer: ``predicted`` = exp(8 r t), by which mu - 1/2 grows, r
        the rate and t the number of steps; ``growth``, the slope of trained on initial mu - 1/2 through the
        origin, over the weights that stay inside when they grow as predicted (NaN for none).
    """
    shape = len(strengths), len(CONVOLUTIONS)
    found = {name: np.full(shape, np.nan) for name in ("growth", "predicted")}
    found["explained"] = np.full((len(FLOW), *shape), np.nan)
    short = Dataset(data.name, data.train[: steps * BATCH], data.test[:250], data.class_names)
    count = sum(kernel.size for kernel in kernels(start).values())
    for j, strength in enumerate(strengths):
        for i, measure in enumerate(FLOW):
            trained = _trained(start, short, Objective(strength, "fixed", measure=measure), seed)
            for k, name in enumerate(CONVOLUTIONS):
                width = 2 * initial_bound(kernels(start)[name].shape)
                rate = RATE * strength / (count * width**2)
                if measure == "quadratic":
                    found["predicted"][j, k] = np.exp(8 * rate * steps)
                if trained is None:
                    continue
                before, after = (_memberships(model, name) for model in (start, trained))
                rest = after - descend(before, measure, rate, steps)
                found["explained"][i, j, k] = 1 - np.square(rest).sum() / np.square(after - before).sum()
                if measure == "quadratic":
                    inside = np.abs(before - 0.5) * found["predicted"][j, k] < 0.5
                    first, last = before[inside] - 0.5, after[inside] - 0.5
                    if inside.any():
                        found["growth"][j, k] = (first * last).sum() / np.square(first).sum()
    return found


def _trained(start: LeNet, data: Dataset, aim: Objective, seed: int) -> LeNet | None:
    """The network after one pass of plain gradient descent; None if it diverged."""
    try:
        run = fit(start, data, aim, batch_size=BATCH, optimiser=SGD, seed=seed, snapshots=2, progress=False)
    except Diverged:
        return None
    return network(run)


def _memberships(model: LeNet, layer: str) -> Float[np.ndarray, " n"]:
    kernel = kernels(model)[layer]
    return np.asarray(memberships(kernel, interval(kernel, "fixed")), np.float64).ravel()
