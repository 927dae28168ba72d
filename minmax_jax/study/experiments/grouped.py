"""A factorial experiment whose arms share a network: a unit of work for each group of arms and seed."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minmax_jax.storage.resume import Store
from minmax_jax.study.design.treatment import Treatment
from minmax_jax.study.engine.experiment import Arrays, Experiment, Tell, Unit
from minmax_jax.study.experiments.factorial import Factorial

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, kw_only=True)
class Grouped(Factorial):
    """A factorial experiment of arms and seeds; ``group`` says whose network an arm builds on.

    All arms of a group and a seed are one unit, which keeps each arm that is finished, and in whose folder
    ``work`` keeps the network that they share.
    """

    crossed = ("arms", "seeds")

    arms: tuple[Any, ...]
    seeds: tuple[int, ...]

    @abstractmethod
    def group(self, arm: Any) -> Treatment:
        """What an arm is done together with, of one name for each group."""

    @property
    def groups(self) -> Mapping[Treatment, tuple[Any, ...]]:
        """The arms of each group; those with most arms first, so that no worker is left alone at the end."""
        found: dict[Treatment, tuple[Any, ...]] = {}
        for arm in self.arms:
            group = self.group(arm)
            found[group] = (*found.get(group, ()), arm)
        return dict(sorted(found.items(), key=lambda item: -len(item[1])))

    def experiment(self, name: str, question: str) -> Experiment:
        """The experiment, with a unit for each group and seed."""
        units = [
            Unit(
                f"{group.name}, seed {seed}",
                partial(self.together, group, seed),
                sum(self.cost(arm, seed) for arm in arms),
            )
            for (group, arms), seed in product(self.groups.items(), self.seeds)
        ]
        return replace(super().experiment(name, question), units=units, table=self.from_units)

    def together(self, group: Treatment, seed: int, folder: Path, tell: Tell) -> Arrays:
        """The arrays of all arms of a group and a seed, arms first; ``folder`` keeps what is finished."""
        arms, found = self.groups[group], []
        store = Store(folder, {"group": group.name, "seed": seed}, "study", "arm")
        for number, arm in enumerate(arms):

            def part(share: float, number: int = number) -> bool:
                return tell((number + share) / len(arms))

            if (arrays := store.read(number)) is None:
                arrays = self.work(arm, seed, folder, part)
                store.write(number, arrays)
            found.append(arrays)
            if part(1.0):
                raise KeyboardInterrupt
        return {name: np.stack([one[name] for one in found]) for name in found[0]}

    def from_units(self, found: Sequence[Arrays]) -> "xr.Dataset":
        """The table of the arrays of all units."""
        units = dict(zip(product(self.groups, self.seeds), found, strict=True))
        rows = {arm: row for arms in self.groups.values() for row, arm in enumerate(arms)}
        cells = product(self.arms, self.seeds)
        return self.table(
            [
                {name: np.asarray(one[rows[arm]]) for name, one in units[self.group(arm), seed].items()}
                for arm, seed in cells
            ]
        )
