"""Theory against practice: what the theory of fuzziness predicts, and what trained networks do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from minmax_jax.fuzziness import MEASURES, degree, fuzziness, sharpen
from minmax_jax.intervals import interval, memberships
from minmax_jax.kernels import kernels
from minmax_jax.lenet import LeNet
from minmax_jax.study.design.condition import CONVOLUTIONS, REFERENCE
from minmax_jax.study.engine.experiment import Arrays, Tell
from minmax_jax.study.experiments.drift import weight_drift
from minmax_jax.study.experiments.factorial import Factorial, Layout, Plan, Variable, stored
from minmax_jax.study.experiments.flow import FLOW, explained_by_flow
from minmax_jax.theory import amplification_parts

NAME = "theory"
SHARPNESS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0, 100.0)
BY_WEIGHT = {
    "sign_constancy": "abs(mean over the run of the sign of the loss gradient)",
    "direction": "minus the sign of the mean loss gradient",
    "drift": "change of membership in the fixed interval, (w(end) - w(start)) / (b - a)",
    "start": "membership at the start, in the fixed interval",
}

VARIABLES = {
    **{
        f"{name}_{layer}": Variable((f"weight_{layer}",), note)
        for layer in CONVOLUTIONS
        for name, note in BY_WEIGHT.items()
    },
    "sharpened": Variable(("layer", "sharpness", "measure"), "F after mu - 1/2 is multiplied, clipped"),
    "identity_magnitude": Variable(("layer",), "largest relative error of the amplification identity"),
    "identity_signed": Variable(("layer",), "error of the signed identity"),
    "explained": Variable(("flow", "strength", "layer"), "R^2 of memberships by the fuzziness term alone"),
    "growth": Variable(("strength", "layer"), "growth of mu - 1/2 in training with quadratic fuzziness"),
    "predicted": Variable(("strength", "layer"), "the same by the closed form, exp(8 r t)"),
}


@dataclass(frozen=True, kw_only=True)
class Theory(Factorial):
    """How much is looked at: seeds, epochs, looks at the loss gradient, strengths and steps of the flow."""

    crossed = ("seeds",)

    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 2
    looks: int = 40
    images: int = stored("images of each look", 2000)
    strengths: tuple[float, ...] = (0.0, 10.0, 100.0, 1000.0)
    steps: int = stored("steps of the flow", 100)

    def work(self, seed: int, folder: Path, tell: Tell) -> Arrays:
        """All comparisons for the network of one seed."""
        data = self.data.data
        start = REFERENCE.model(seed, self.small)
        trained, found = weight_drift(
            start, data, seed, epochs=self.epochs, looks=self.looks, count=self.images
        )
        tell(0.6)
        found |= explained_by_flow(start, data, seed, self.strengths, self.steps)
        found |= sharpening(trained) | identity(trained)
        return {name: np.asarray(array, np.float32) for name, array in found.items()}

    def layout(self, found: Sequence[Arrays]) -> Layout:
        """Comparisons by weight, or by layer."""
        return VARIABLES, {
            "layer": list(CONVOLUTIONS),
            "measure": list(MEASURES),
            "sharpness": list(SHARPNESS),
            "flow": list(FLOW),
            "strength": list(self.strengths),
        }


def sharpening(model: Any) -> Arrays:
    """Statement 1: F of a trained kernel whose memberships are moved from 1/2 by a factor, clipped."""
    table = []
    for kernel in kernels(model, CONVOLUTIONS).values():
        mu = memberships(kernel, interval(kernel))
        moved = [sharpen(mu, factor) for factor in SHARPNESS]
        table.append([[float(degree(one, measure).mean()) for measure in MEASURES] for one in moved])
    return {"sharpened": np.array(table)}


def identity(model: LeNet) -> Arrays:
    """Statement 4: errors of ``||w||_1 = ||w||_2^2 / m + (n m / 4) F`` and of its signed counterpart.

    By magnitude the identity holds for each column; given is the largest relative error over a layer's
    columns. The signed one, in [-m, m] of the layer, is ``F = 1 - ||w||_2^2 / (n m^2)``.
    """
    magnitude, signed = [], []
    for kernel in kernels(model, CONVOLUTIONS).values():
        energy, fuzzy = amplification_parts(kernel)
        worst = np.abs(np.asarray(kernel, np.float64)).sum((0, 1, 2))
        magnitude.append(float(np.max(np.abs(np.asarray(energy + fuzzy) / worst - 1))))
        cap = float(jnp.abs(kernel).max())
        left = float(fuzziness(kernel, reading="fixed", measure="quadratic", bound=cap))
        right = 1 - float(np.square(np.asarray(kernel, np.float64)).mean()) / cap**2
        signed.append(abs(left - right))
    return {"identity_magnitude": np.array(magnitude), "identity_signed": np.array(signed)}


PLANS = {
    NAME: Plan(
        NAME,
        "Do trained networks do what the theory of fuzziness and amplification predicts?",
        Theory(),
        Theory(seeds=(0, 1), epochs=1, looks=3, images=250, strengths=(0.0, 1000.0), steps=10, small=True),
    )
}
