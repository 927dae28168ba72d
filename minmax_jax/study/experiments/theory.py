"""Theory against practice: what section 3 of the design predicts, and what trained networks do."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from minmax_jax.amplification import amplification_parts
from minmax_jax.fuzziness import MEASURES, degree, fuzziness, sharpen
from minmax_jax.intervals import interval, memberships
from minmax_jax.kernels import kernels
from minmax_jax.lenet import LeNet
from minmax_jax.study.design.condition import CONVOLUTIONS, REFERENCE
from minmax_jax.study.design.images import pictures
from minmax_jax.study.engine.experiment import Arrays, Experiment, Tell, Unit
from minmax_jax.study.experiments.drift import drift
from minmax_jax.study.experiments.flow import FLOW, flow

if TYPE_CHECKING:
    import xarray as xr

NAME = "theory"
DATASET = REFERENCE.dataset
SHARPNESS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0, 100.0)


@dataclass(frozen=True)
class Setting:
    """How much is looked at: seeds, epochs and looks at the gradient, strengths and steps of the flow."""

    seeds: int = 3
    epochs: int = 2
    looks: int = 40
    images: int = 2000
    strengths: tuple[float, ...] = (0.0, 10.0, 100.0, 1000.0)
    steps: int = 100
    small: bool = False


FULL = Setting()
QUICK = Setting(seeds=2, epochs=1, looks=3, images=250, strengths=(0.0, 1000.0), steps=10, small=True)


def plan(quick: bool = False) -> Experiment:
    """The experiment, whole or quick."""
    return experiment(QUICK if quick else FULL)


def experiment(setting: Setting) -> Experiment:
    """The experiment of a setting: one unit for each seed."""
    units = [Unit(f"seed {seed}", partial(compare, seed, setting)) for seed in range(setting.seeds)]
    config = {
        "seeds": list(range(setting.seeds)),
        "epochs": setting.epochs,
        "looks": setting.looks,
        "images of each look": setting.images,
        "strengths": list(setting.strengths),
        "steps of the flow": setting.steps,
        "small": setting.small,
    }
    data = {DATASET: pictures(DATASET, setting.small).checksum}
    question = "Do trained networks do what the theory of fuzziness and amplification predicts?"
    return Experiment(NAME, question, config, data, units, partial(tabulate, setting))


def compare(seed: int, setting: Setting, _: Path, tell: Tell) -> Arrays:
    """All comparisons for the network of one seed."""
    data = pictures(DATASET, setting.small).data
    start = REFERENCE.model(seed, setting.small)
    trained, found = drift(start, data, seed, setting.epochs, setting.looks, setting.images)
    tell(0.6)
    found |= flow(start, data, seed, setting.strengths, setting.steps)
    return found | sharpening(trained) | identity(trained)


def sharpening(model: Any) -> Arrays:
    """Statement 1: F of a trained kernel whose memberships are moved from 1/2 by a factor, clipped."""
    table = []
    for kernel in kernels(model, CONVOLUTIONS).values():
        mu = memberships(kernel, interval(kernel))
        moved = [sharpen(mu, factor) for factor in SHARPNESS]
        table.append([[float(degree(one, measure).mean()) for measure in MEASURES] for one in moved])
    return {"sharpened": np.array(table)}


def identity(model: LeNet) -> Arrays:
    """Statement 4: both sides of ``||w||_1 = ||w||_2^2 / m + (n m / 4) F`` and of its signed counterpart.

    By magnitude for each column, by the largest relative difference over a layer's columns; signed, in
    [-m, m] of the layer: ``F = 1 - ||w||_2^2 / (n m^2)``.
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


def tabulate(setting: Setting, found: Sequence[Arrays]) -> "xr.Dataset":
    """One labelled table of all seeds."""
    import xarray as xr  # heavy to import, so only where it is used

    by_weight = {
        "sign_constancy": "abs(mean over the run of the sign of the loss gradient)",
        "direction": "minus the sign of the mean loss gradient",
        "drift": "change of membership in the fixed interval, (w(end) - w(start)) / (b - a)",
        "start": "membership at the start, in the fixed interval",
    }
    others: dict[str, tuple[tuple[str, ...], str]] = {
        "sharpened": (("layer", "sharpness", "measure"), "F after mu - 1/2 is multiplied, clipped"),
        "identity_magnitude": (("layer",), "largest relative error of the amplification identity"),
        "identity_signed": (("layer",), "error of the signed identity"),
        "explained": (("flow", "strength", "layer"), "R^2 of memberships by the fuzziness term alone"),
        "growth": (("strength", "layer"), "growth of mu - 1/2 in training with quadratic fuzziness"),
        "predicted": (("strength", "layer"), "the same by the closed form, exp(8 r t)"),
    }
    shapes: dict[str, tuple[str, ...]] = {
        f"{name}_{layer}": (f"weight_{layer}",) for layer in CONVOLUTIONS for name in by_weight
    }
    notes = {f"{name}_{layer}": note for layer in CONVOLUTIONS for name, note in by_weight.items()}
    shapes |= {name: dims for name, (dims, _) in others.items()}
    notes |= {name: note for name, (_, note) in others.items()}
    variables = {
        name: (
            ("seed", *dims),
            np.stack([one[name] for one in found]).astype(np.float32),
            {"long_name": notes[name]},
        )
        for name, dims in shapes.items()
    }
    labels = {
        "seed": np.arange(setting.seeds),
        "layer": list(CONVOLUTIONS),
        "measure": list(MEASURES),
        "sharpness": list(SHARPNESS),
        "flow": list(FLOW),
        "strength": list(setting.strengths),
    }
    return xr.Dataset(variables, labels)
