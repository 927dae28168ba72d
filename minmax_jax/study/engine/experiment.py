"""An experiment: work in units, each kept when it is finished, and the table made of them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from flax import nnx

from minmax_jax.data import Dataset
from minmax_jax.jobs.engine import Arrays, Tell
from minmax_jax.training import Diverged, Progress, Run, fit

if TYPE_CHECKING:
    import xarray as xr

Network = TypeVar("Network", bound=nnx.Module)


@dataclass(frozen=True)
class Unit:
    """A piece of work, a few minutes at most, or one that keeps what it has done in its folder.

    ``work`` takes a folder of its own, which is removed when the unit is finished, and a function to tell
    the share in [0, 1] that is done, which answers whether to stop; it gives named arrays. Units run side by
    side in threads, so they share nothing that they change. ``cost`` is their weight in the time left.
    """

    name: str
    work: Callable[[Path, Tell], Arrays]
    cost: float = 1.0


@dataclass(frozen=True)
class Experiment:
    """One question of the study.

    The results depend on nothing but ``config`` (values that JSON can hold, the seeds among them), ``data``
    (a checksum of each data set) and the program; ``table`` joins the arrays of all units, in their order.
    """

    name: str
    question: str
    config: dict[str, Any]
    data: dict[str, str]
    units: Sequence[Unit]
    table: Callable[[Sequence[Arrays]], "xr.Dataset"] = field(repr=False)

    def __post_init__(self) -> None:
        names = [unit.name for unit in self.units]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"units of {self.name!r} must be one or more of different names, got {names}")
        if not re.fullmatch(r"[a-z][a-z_]*", self.name):
            raise ValueError(f"name must be of small letters, as it names a file, got {self.name!r}")

    @property
    def asked(self) -> dict[str, Any]:
        """All that the results depend on, flat, so that a difference can be named."""
        return {**self.config, **{f"data {name}": found for name, found in self.data.items()}}


def telling(tell: Tell, share: float = 1.0) -> Callable[[Progress], bool]:
    """A progress function for ``fit``, which tells how far training is; it is ``share`` of a unit."""
    return lambda now: tell(share * now.step / now.steps)


def network(run: Run) -> Any:
    """The network of a run, of the kind that was given; a run that was stopped raises KeyboardInterrupt."""
    if run.outcome == "stopped":
        raise KeyboardInterrupt
    return run.model


def fitted(model: Network, data: Dataset, tell: Tell, share: float, **training: Any) -> tuple[Network, bool]:
    """The network that ``fit`` trains, and whether that came to its end; a diverged one is as it last was.

    Training is so large a ``share`` of the unit.
    """
    try:
        run = fit(model, data, snapshots=2, progress=telling(tell, share), **training)
    except Diverged as error:
        run = error.run
    return network(run), run.outcome == "finished"


def stacked(found: Sequence[Arrays], name: str) -> np.ndarray:
    """An array of all units, units first; NaN, or 0 for integers, for a unit that diverged and has none.

    Raises KeyError where no unit has it.
    """
    known = [one[name] for one in found if name in one]
    if not known:
        raise KeyError(f"at least one unit must have {name!r}, but all of them diverged")
    kind = known[0].dtype
    hole = np.full(known[0].shape, np.nan if kind.kind == "f" else 0, kind)
    return np.stack([one.get(name, hole) for one in found])
