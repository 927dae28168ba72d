"""Regularisation: what becomes of robustness if fuzziness is pushed down, or up? In parts, by arms."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from minmax_jax.lenet import LeNet
from minmax_jax.study.design.arm import PARTS, Arm, coordinates
from minmax_jax.study.design.condition import REFERENCE
from minmax_jax.study.design.images import pictures
from minmax_jax.study.engine.experiment import Arrays, Experiment, Tell, Unit, network, telling
from minmax_jax.study.engine.result import about, read
from minmax_jax.study.experiments import example as specimen
from minmax_jax.study.experiments import measurements as gauge
from minmax_jax.training import Diverged, fit

if TYPE_CHECKING:
    import xarray as xr

NAME = "regularisation"
NAMES: Mapping[str, str] = {part: f"{NAME}_{part}" for part in PARTS}  # of the experiments
DATASET = REFERENCE.dataset
RIVAL = 1000  # its seed, apart from those that are reported


@dataclass(frozen=True)
class Setting:
    """How much is tried: which arms, from which seeds, how long, and on how many images each.

    ``part`` says of which part of the data the images are that accuracies are measured on.
    """

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...] = tuple(range(5))
    part: Literal["validation", "test"] = "validation"
    epochs: int = 3
    images: int = 64
    attacks: tuple[str, ...] = gauge.ATTACKS
    checks: bool = True
    small: bool = False


FULL = {part: Setting(arms) for part, arms in PARTS.items()}
QUICK = {
    part: Setting(arms, seeds=(0, 1), epochs=1, images=8, attacks=("fgsm",), checks=False, small=True)
    for part, arms in {
        "strengths": (Arm(), Arm("fuzziness", 30.0)),
        "readings": (Arm(reading="fixed"), Arm("fuzziness", 30.0, "fixed")),
        "norms": (Arm(), Arm("l1", 1e-3)),
        "weak": (Arm(), Arm("fuzziness", -1.0)),
        "defended": (Arm(eps=0.1), Arm("fuzziness", 10.0, eps=0.1)),
        "defended_weak": (Arm(eps=0.1), Arm("l2", 3e-3, eps=0.1)),
    }.items()
}
QUESTIONS: Mapping[str, str] = {
    "strengths": "Does a fuzziness term in the loss make a network more robust, or less?",
    "readings": "Is it the same by other intervals, and another measure of fuzziness?",
    "norms": "Do penalties on the norm of the weights do the same?",
    "weak": "Does a weak term towards more fuzziness make a network more robust, at no cost?",
    "defended": "Does a fuzziness term add to adversarial training?",
    "defended_weak": "Does a weak one, or a penalty on norms, add to adversarial training?",
}


def plan(part: str, quick: bool = False) -> Experiment:
    """The experiment of a part, whole or quick."""
    return experiment(NAMES[part], QUESTIONS[part], (QUICK if quick else FULL)[part])


def together(tables: "Iterable[xr.Dataset]") -> "xr.Dataset":
    """One table of the arms of several parts; arms that more than one of them has are there once."""
    import xarray as xr  # heavy to import, so only where it is used

    how: dict[str, Any] = {"data_vars": "minimal", "compat": "equals", "join": "exact"}
    joined = xr.concat(list(tables), "arm", combine_attrs="override", **how)
    joined.attrs = {}  # of the first table alone
    return joined.drop_duplicates("arm")


def regularised(folder: str | os.PathLike[str]) -> "xr.Dataset":
    """One table of the results of all parts in ``folder``, each verified by ``read``.

    By arm and seed: accuracies, certificates, checks for masking, weights and pictures, each with a
    ``long_name``. Its ``attrs`` tell the number of ``images`` that each seed attacked. Raises
    FileNotFoundError where there are no results of any part, and ValueError for damaged ones, or for those of
    a quick run among others.
    """
    place = Path(folder).expanduser()
    found = [place / f"{name}.nc" for name in NAMES.values() if (place / f"{name}.nc").is_file()]
    if not found:
        raise FileNotFoundError(
            f"folder {place} holds none of {', '.join(f'{name}.nc' for name in NAMES.values())}; "
            "`python -m minmax_jax.study` makes them"
        )
    tables = [read(file) for file in found]
    counts = {about(table)["config"]["attacked images of each seed"] for table in tables}
    if len(counts) > 1:
        raise ValueError(
            f"folder {place} holds results on {sorted(counts)} images a seed; it takes one number"
        )
    return together(tables).assign_attrs(images=counts.pop())


def experiment(name: str, question: str, setting: Setting) -> Experiment:
    """The experiment of a setting: one unit for each arm and seed. Every seed attacks images of its own.

    By default everything is measured on validation images: choices made by these results can be confirmed
    on test images that they have not seen.
    """
    units = [
        Unit(f"{arm.name}, seed {seed}", partial(train, arm, seed, setting), cost=3.0 if arm.eps else 1.0)
        for arm in setting.arms
        for seed in setting.seeds
    ]
    config = {
        "arms": [arm.facts for arm in setting.arms],
        "seeds": list(setting.seeds),
        "part": setting.part,
        "epochs": setting.epochs,
        "attacked images of each seed": setting.images,
        "attacks": list(setting.attacks),
        "checks for masking": setting.checks,
        "eps": list(gauge.RADII),
        "small": setting.small,
    }
    data = {DATASET: pictures(DATASET, setting.small).checksum}
    return Experiment(name, question, config, data, units, partial(tabulate, setting))


def train(arm: Arm, seed: int, setting: Setting, _: Path, tell: Tell) -> Arrays:
    """Train and measure one network; one that diverges is measured as it last was, with ``finished`` 0."""
    chosen = pictures(DATASET, setting.small)
    try:
        run = fit(
            REFERENCE.model(seed, setting.small),
            chosen.data,
            epochs=setting.epochs,
            seed=seed,
            snapshots=2,
            progress=telling(tell, 0.4),
            **arm.training(),
        )
    except Diverged as error:
        run = error.run
    model = network(run)
    part = chosen.validation if setting.part == "validation" else chosen.data.test
    first = setting.seeds.index(seed) * setting.images
    attacked = part[first : first + setting.images]
    found = gauge.gauge(
        model, part, attacked, seed, setting.attacks, rival(setting.small) if setting.checks else None
    )
    found |= specimen.specimen(model, attacked, gauge.RADII, seed)
    return found | {"finished": np.array(run.outcome == "finished")}


@cache
def rival(small: bool) -> LeNet:
    """A plainly trained network, whose adversarial images are tried on all others."""
    data = pictures(DATASET, small).data
    run = fit(REFERENCE.model(RIVAL, small), data, seed=RIVAL, progress=False)
    return network(run)


def tabulate(setting: Setting, found: Sequence[Arrays]) -> "xr.Dataset":
    """One labelled table of all arms and seeds."""
    import xarray as xr  # heavy to import, so only where it is used

    shape = len(setting.arms), len(setting.seeds)
    variables: dict[str, Any] = {}
    notes = gauge.NOTES | specimen.NOTES | {"finished": "whether training came to its end, without diverging"}
    for name, dims in (gauge.DIMENSIONS | specimen.DIMENSIONS | {"finished": ()}).items():
        values = np.stack([one[name] for one in found])
        values = values.reshape(*shape, *values.shape[1:])
        variables[name] = (("arm", "seed", *dims), values, {"long_name": notes[name]})
    for name, dims in specimen.SHARED.items():
        values = np.stack([one[name] for one in found[: shape[1]]])
        variables[name] = (("seed", *dims), values, {"long_name": notes[name]})
    labels = coordinates(setting.arms) | {"seed": list(setting.seeds)} | gauge.coordinates(setting.attacks)
    return xr.Dataset(variables, labels)
