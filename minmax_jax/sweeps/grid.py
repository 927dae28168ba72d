"""The grid of a sweep: objectives by seeds, its labels, and its groups of models that train together."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import numpy as np

from minmax_jax.checks import SEEDS, check_count
from minmax_jax.objective import STATIC, TRACED, Objective


class Cell(NamedTuple):
    """One model of the grid, by the positions of its objective and its seed."""

    objective: int
    seed: int


class Grid(NamedTuple):
    """Objectives and seeds; every pair of them is a model to train."""

    objectives: tuple[Objective, ...]
    seeds: tuple[int, ...]

    @property
    def dimension(self) -> str:
        """Name of the objectives' axis: "strength" if they differ in nothing else, or "objective"."""
        strengths = [objective.strength for objective in self.objectives]
        rest = {tuple(_values(objective).items())[1:] for objective in self.objectives}
        return "strength" if len(rest) == 1 and len(set(strengths)) == len(strengths) else "objective"

    def coordinates(self) -> dict[str, Any]:
        """Coordinates of both axes; the fields of the objectives lie along theirs."""
        strengths = np.array([float(objective.strength) for objective in self.objectives])
        if self.dimension == "strength":
            along: dict[str, Any] = {"strength": strengths}
        else:
            facts = [objective.facts() for objective in self.objectives]
            along = {"objective": np.arange(len(facts))}
            along |= {f"objective_{name}": ("objective", [str(f[name]) for f in facts]) for name in STATIC}
            along |= {f"objective_{name}": ("objective", [float(f[name]) for f in facts]) for name in TRACED}
            along |= _of_additions(facts)
        return along | {"seed": np.array(self.seeds)}

    def groups(self, size: int) -> list[tuple[Cell, ...]]:
        """Cells in groups of at most ``size`` whose objectives one program can train."""
        kinds: dict[Any, list[Cell]] = {}
        for i, objective in enumerate(self.objectives):
            cells = kinds.setdefault(jax.tree.structure(objective), [])
            cells += [Cell(i, j) for j in range(len(self.seeds))]
        return [
            tuple(cells[start : start + size])
            for cells in kinds.values()
            for start in range(0, len(cells), size)
        ]


def make_grid(objectives: Iterable[Objective | float | np.number], seeds: Iterable[int | np.integer]) -> Grid:
    """A grid from objectives, or numbers that stand for ``Objective(strength=number)``, and seeds.

    Raises ValueError for an axis that is empty or repeats itself, TypeError for other kinds of values.
    """
    for name, axis in (("objectives", objectives), ("seeds", seeds)):
        if isinstance(axis, str | Objective) or not np.iterable(axis):
            raise TypeError(f"{name} must be a sequence, such as a list, got {axis!r}")
    chosen = [one if isinstance(one, Objective) else _of_strength(one) for one in objectives]
    if arrays := [one for one in chosen if any(np.ndim(getattr(one, name)) for name in TRACED)]:
        raise ValueError(f"objectives must have one number for each strength, l1 and l2, got {arrays[0]}")
    numbers = [check_count("seeds", number, **SEEDS) for number in seeds]
    axes: dict[str, list[Any]] = {"objectives": [_values(one) for one in chosen], "seeds": numbers}
    for name, known in axes.items():
        if not known:
            raise ValueError(f"{name} must hold one or more, got none")
        for i, one in enumerate(known):
            if one in known[:i]:
                raise ValueError(f"{name} must differ, got {one} twice, at {known.index(one)} and {i}")
    return Grid(tuple(chosen), tuple(numbers))


def _of_strength(number: Any) -> Objective:
    return Objective(strength=number)


def _values(objective: Objective) -> dict[str, Any]:
    """The objective's fields, strength first."""
    values = {name: getattr(objective, name) for name in TRACED + STATIC}
    values |= {"terms": repr(objective.terms)} if objective.terms else {}
    return values if objective.defence is None else values | {"defence": repr(objective.defence)}


def _of_additions(facts: list[dict[str, Any]]) -> dict[str, Any]:
    """Coordinates of defences and terms: texts, and the numbers of defences, NaN where one has none."""
    names = dict.fromkeys(name for one in facts for name in one if name.startswith("defence_"))
    along: dict[str, Any] = {}
    for name in ("defence", "terms"):
        if any(name in one for one in facts):
            along[f"objective_{name}"] = ("objective", [one.get(name, "None") for one in facts])
    for name in names:
        along[f"objective_{name}"] = ("objective", [float(one.get(name, np.nan)) for one in facts])
    return along
