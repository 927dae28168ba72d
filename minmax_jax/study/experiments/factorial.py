"""A factorial experiment: a unit of work for each combination of its factors, and the table of them all."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from minmax_jax.study.design.condition import REFERENCE
from minmax_jax.study.design.data import StudyData, study_data
from minmax_jax.study.design.treatment import Treatment, coordinates
from minmax_jax.study.engine.experiment import Arrays, Experiment, Unit, stacked

if TYPE_CHECKING:
    import xarray as xr


class Variable(NamedTuple):
    """A variable of a result: its axes beside those of the factors, and what it is.

    It varies with all factors, or with the ``factors`` that are named.
    """

    dims: tuple[str, ...]
    note: str
    factors: tuple[str, ...] | None = None


Layout = tuple[Mapping[str, Variable], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Factorial(ABC):
    """How much an experiment does: its fields are the ``config`` of its result.

    A subclass says which fields are crossed (``crossed``), what is done for one combination (``work``), and
    what the arrays of it are (``layout``).
    """

    crossed: ClassVar[
        tuple[str, ...]
    ]  # fields of levels; in the singular, names of factors and of their axes

    small: bool = False

    @abstractmethod
    def work(self, *cell: Any, **_: Any) -> Arrays:
        """The arrays of one combination, given a level of each factor, a folder, and whom to tell progress.

        It depends on nothing else, so that units can run side by side.
        """

    @abstractmethod
    def layout(self, found: Sequence[Arrays]) -> Layout:
        """The variables of the table, and the labels of their axes, for the arrays of all units."""

    def cost(self, *_: Any) -> float:
        """What a combination is worth beside others, by which the time left is told."""
        return 1.0

    @property
    def datasets(self) -> Sequence[str]:
        """The names of the data sets."""
        return (REFERENCE.dataset,)

    @property
    def factors(self) -> dict[str, Sequence[Any]]:
        """The levels of each factor."""
        return {name.removesuffix("s"): getattr(self, name) for name in self.crossed}

    @property
    def data(self) -> StudyData:
        """The first data set, as the study splits it."""
        return study_data(self.datasets[0], self.small)

    @property
    def config(self) -> dict[str, Any]:
        """The fields under the names, and in the form, that result files have."""
        values = {one.metadata.get("stored", one.name): getattr(self, one.name) for one in fields(self)}
        return {name: _plain(value) for name, value in values.items() if value is not None}

    def experiment(self, name: str, question: str) -> Experiment:
        """The experiment, with a unit for each combination of levels, the last factor varying fastest."""
        units = [
            Unit(self._title(cell), partial(self.work, *cell), self.cost(*cell))
            for cell in product(*self.factors.values())
        ]
        data = {one: study_data(one, self.small).checksum for one in self.datasets}
        return Experiment(name, question, self.config, data, units, self.table)

    def table(self, found: Sequence[Arrays]) -> "xr.Dataset":
        """One labelled table of the arrays of all units."""
        import xarray as xr  # heavy to import, so only where it is used

        factors = self.factors
        shape = [len(levels) for levels in factors.values()]
        described, own_labels = self.layout(found)
        variables: dict[str, Any] = {}
        labels: dict[str, Any] = {}
        for name, one in described.items():
            values = stacked(found, name)
            own = tuple(factors) if one.factors is None else one.factors
            chosen = tuple(slice(None) if factor in own else 0 for factor in factors)
            values = values.reshape(*shape, *values.shape[1:])[chosen]
            variables[name] = ((*own, *one.dims), values, {"long_name": one.note})
        for factor, levels in factors.items():
            treated = isinstance(levels[0], Treatment)
            labels |= coordinates(factor, levels) if treated else {factor: list(levels)}
        return xr.Dataset(variables, labels | own_labels)

    def _title(self, cell: tuple[Any, ...]) -> str:
        named = zip(self.factors, cell, strict=True)
        return ", ".join(
            one.name if isinstance(one, Treatment) else f"{factor} {one}" for factor, one in named
        )


def stored(name: str, default: Any) -> Any:
    """A field of a ``Factorial`` that result files have under another name."""
    return field(default=default, metadata={"stored": name})


@dataclass(frozen=True)
class Plan:
    """An experiment of the study: what it asks, and how much it does, in full or quickly.

    ``complete`` fills in what earlier results in a folder decide, such as a winner; it is given a setting,
    the folder, and whether the run is quick.
    """

    name: str
    question: str
    full: Factorial
    quick: Factorial
    complete: Callable[[Any, Path, bool], Factorial] = field(default=lambda setting, *_: setting, repr=False)

    def experiment(self, folder: Path, quick: bool = False) -> Experiment:
        """The experiment; ``folder`` has to hold the results that it builds on."""
        setting = self.complete(self.quick if quick else self.full, folder, quick)
        return setting.experiment(self.name, self.question)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Treatment):
        return value.facts
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
