"""Regularisation: what becomes of robustness if fuzziness is pushed down, or up? In parts, by arms."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from minmax_jax.storage.names import as_path
from minmax_jax.study.design.arm import PARTS, Arm
from minmax_jax.study.design.condition import REFERENCE
from minmax_jax.study.design.data import images_of
from minmax_jax.study.engine.experiment import Arrays, Tell, fitted
from minmax_jax.study.engine.result import about, read
from minmax_jax.study.experiments import example, measurements
from minmax_jax.study.experiments.factorial import Factorial, Layout, Plan, Variable, stored
from minmax_jax.study.experiments.measurements import ATTACKS, RADII
from minmax_jax.study.experiments.rival import rival

if TYPE_CHECKING:
    import xarray as xr

NAME = "regularisation"
NAMES: Mapping[str, str] = {part: f"{NAME}_{part}" for part in PARTS}  # of the experiments

VARIABLES = {
    **measurements.VARIABLES,
    **example.VARIABLES,
    "finished": Variable((), "whether training came to its end, without diverging"),
}


@dataclass(frozen=True, kw_only=True)
class Regularisation(Factorial):
    """How much is tried: which arms, from which seeds, how long, and on how many images each.

    ``part`` is the part of the data that accuracies are measured on. By default it is the validation images:
    choices made by these results can be confirmed on test images that they have not seen. Every seed attacks
    images of its own.
    """

    crossed = ("arms", "seeds")

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...] = tuple(range(5))
    part: Literal["validation", "test"] = "validation"
    epochs: int = 3
    images: int = stored("attacked images of each seed", 64)
    attacks: tuple[str, ...] = ATTACKS
    checks: bool = stored("checks for masking", True)
    eps: tuple[float, ...] = RADII
    chosen_by: tuple[str, ...] | None = stored("chosen by", None)  # checksums of results

    def cost(self, arm: Arm, _: int) -> float:
        """With adversarial training, a network takes some three times as long."""
        return 3.0 if arm.eps else 1.0

    def work(self, arm: Arm, seed: int, folder: Path, tell: Tell) -> Arrays:
        """Train and measure one network; one that diverges is measured as it last was, ``finished`` 0."""
        model, finished = fitted(
            REFERENCE.model(seed, self.small),
            self.data.data,
            tell,
            0.4,
            epochs=self.epochs,
            seed=seed,
            **arm.training(),
        )
        part = self.data.validation if self.part == "validation" else self.data.data.test
        attacked = images_of(part, seed, self.seeds, self.images)
        other = rival(REFERENCE.dataset, self.small) if self.checks else None
        found = measurements.measure(model, part, attacked, seed, self.attacks, other)
        found |= example.example(model, attacked, self.eps, seed)
        return found | {"finished": np.array(finished)}

    def layout(self, found: Sequence[Arrays]) -> Layout:
        """Measurements, and what is kept to look at."""
        return VARIABLES, measurements.labels(self.attacks)


def together(tables: "Iterable[xr.Dataset]") -> "xr.Dataset":
    """One table of the arms of several parts; an arm that is in more than one of them appears once."""
    import xarray as xr  # heavy to import, so only where it is used

    how: dict[str, Any] = {"data_vars": "minimal", "compat": "equals", "join": "exact"}
    joined = xr.concat(list(tables), "arm", combine_attrs="override", **how)
    joined.attrs = {}  # of the first table alone
    return joined.drop_duplicates("arm")


def regularised(folder: str | os.PathLike[str]) -> "xr.Dataset":
    """One table of the results of all parts in ``folder``, each verified by ``read``.

    By arm and seed: accuracies, certificates, checks for masking, weights and pictures, each with a
    ``long_name``. Its ``attrs`` hold the number of ``images`` that each seed attacked. Raises
    FileNotFoundError where there are no results of any part, and ValueError for damaged ones, or for those of
    a quick run among others.
    """
    place = as_path("folder", folder, "folder")
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
            f"results in {place} must attack the same number of images a seed, got {sorted(counts)}; "
            "move those of a quick run elsewhere"
        )
    return together(tables).assign_attrs(images=counts.pop())


QUESTIONS: Mapping[str, str] = {
    "strengths": "Does a fuzziness term in the loss make a network more robust, or less?",
    "readings": "Is it the same by other intervals, and another measure of fuzziness?",
    "norms": "Do penalties on the norm of the weights do the same?",
    "weak": "Does a weak term towards more fuzziness make a network more robust, at no cost?",
    "defended": "Does a fuzziness term add to adversarial training?",
}
FEW: Mapping[str, tuple[Arm, ...]] = {
    "strengths": (Arm(), Arm("fuzziness", 30.0)),
    "readings": (Arm(reading="fixed"), Arm("fuzziness", 30.0, "fixed")),
    "norms": (Arm(), Arm("l1", 1e-3)),
    "weak": (Arm(), Arm("fuzziness", -1.0)),
    "defended": (Arm(eps=0.1), Arm("fuzziness", 10.0, eps=0.1)),
}
FULL = Regularisation(arms=())
QUICK = replace(FULL, seeds=(0, 1), epochs=1, images=8, attacks=("fgsm",), checks=False, small=True)
PLANS = {
    name: Plan(name, QUESTIONS[part], replace(FULL, arms=PARTS[part]), replace(QUICK, arms=FEW[part]))
    for part, name in NAMES.items()
}
