"""Made-up results of the study, shaped as the real ones are."""

import json
from dataclasses import replace

import numpy as np
import xarray as xr

from minmax_jax.study.design.arm import Arm
from minmax_jax.study.experiments import dose, regularisation

PLAIN = {
    "mnist modern adam": {"layer": -0.1, "fixed": 0.1},
    "mnist modern sgd": {"layer": -0.1, "fixed": -0.1},
    "mnist modern adam random labels": {"layer": 0.1, "fixed": 0.1},
}
SEEDS = 4  # of an observation
READINGS = ["layer", "fixed"]
AXES = ("condition", "seed", "snapshot", "layer", "reading", "membership", "measure")
ARMS = (
    Arm(),
    *(Arm("fuzziness", s, membership=m) for m in ("signed", "magnitude") for s in (-30.0, 30.0)),
    Arm("l1", 1e-3),
    Arm(eps=0.1),
    Arm("fuzziness", 10.0, eps=0.1),
)


def penalties(arms=ARMS, seeds=3):
    """Networks by a rule: a strength lowers fuzziness, and accuracy, by a thousandth of itself."""
    setting = replace(regularisation.FULL, arms=arms, seeds=tuple(range(seeds)), images=64)
    variables, labels = setting.layout([])
    sizes = {"row": 5, "column": 5, "filter": 6, "height": 28, "width": 28}
    sizes |= {name: len(axis[1] if isinstance(axis, tuple) else axis) for name, axis in labels.items()}
    found = []
    for arm in arms:
        for seed in range(seeds):
            random = np.random.default_rng(seed)
            push = arm.strength / 1000 if arm.penalty == "fuzziness" else 0.0
            one = {name: random.random([sizes[d] for d in v.dims]) for name, v in variables.items()}
            one["clean_accuracy"] = np.array(0.98 - abs(push))
            falling = np.linspace(0.9, 0.1, sizes["eps"]) - push + 0.001 * seed
            one["accuracy"] = np.clip(np.tile(falling, (sizes["attack"], 1)), 0, 1)
            one["fuzziness"] = np.full(one["fuzziness"].shape, 0.8 - push)
            one["masking"] = np.zeros(sizes["check"])
            one["filters"] = random.normal(size=(5, 5, 6))
            one["perturbation"] = random.integers(-20, 20, (sizes["eps"], 28, 28)).astype(np.int8)
            one["answer"] = np.array([7, 7, 3, 3], np.int8)
            one["image"], one["label"] = random.integers(0, 255, (28, 28)).astype(np.int16), np.int8(7)
            found.append(one | {"finished": np.array(True)})
    return setting.table(found).assign_attrs(images=64)


def observation(falls: dict[str, dict[str, float]]) -> xr.Dataset:
    """Fuzziness from 0.9 down by so much in each condition and reading, up by 0.01 in the random walk."""
    shape = (len(falls), SEEDS, 2, 4, len(READINGS), 2, 1)
    fuzziness = np.full(shape, 0.9)
    fuzziness += np.random.default_rng(0).normal(0, 1e-3, shape)
    for i, by_reading in enumerate(falls.values()):
        for j, fall in enumerate(by_reading.values()):
            fuzziness[i, :, 1, :, j] -= fall
    walk = np.full(shape, 0.9)
    walk[:, :, 1] += 0.01
    names = list(falls)
    return xr.Dataset(
        {
            "fuzziness": (AXES, fuzziness),
            "walk_fuzziness": (AXES, walk),
            "moved_away": (AXES[:-1], np.full(shape[:-1], 0.5)),
            "test_accuracy": (("condition", "seed", "epoch"), np.full((len(falls), SEEDS, 1), 0.9)),
        },
        {
            "condition": names,
            "labels": ("condition", ["random" if "random" in name else "true" for name in names]),
            "eps": ("condition", [0.0] * len(names)),
            "seed": range(SEEDS),
            "layer": ["conv1", "conv2", "dense1", "dense2"],
            "reading": READINGS,
            "membership": ["signed", "magnitude"],
            "measure": ["entropy"],
        },
    )


def doses(seeds=3):
    """Networks by a rule: with the radius of training, shares near zero and under attack rise evenly."""
    setting = replace(
        dose.PLANS["dose_mnist"].full, doses=(0.0, 0.15, 0.3), seeds=tuple(range(seeds)), images=8
    )
    variables, labels = setting.layout([])
    sizes = {"row": 5, "column": 5, "channel": 1, "filter": 6, "filter_conv2": 16}
    sizes |= {name: len(axis[1] if isinstance(axis, tuple) else axis) for name, axis in labels.items()}
    found = []
    for _ in setting.variants:
        for radius in setting.doses:
            for seed in range(seeds):
                random = np.random.default_rng(seed)
                one = {name: random.random([sizes[d] for d in v.dims]) for name, v in variables.items()}
                one["near_zero"] = np.array([3 * radius, 0.2]) + 0.001 * seed
                one["accuracy"] = np.full(one["accuracy"].shape, 3 * radius - 0.001 * seed).clip(0, 1)
                one["unstable_boxed"] = np.full(one["unstable_boxed"].shape, 0.9 - 2 * radius + 0.001 * seed)
                one["live"] = np.arange(6) < 5
                one["clean_accuracy"] = np.array(0.98)
                found.append(one | {"finished": np.array(True)})
    return setting.table(found).assign_attrs(about=json.dumps({"config": {"small": False}}))
