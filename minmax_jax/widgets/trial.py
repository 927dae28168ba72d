"""A run of the playground, and what is drawn of several or saved of one."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from minmax_jax.data import Dataset
from minmax_jax.lenet import LeNet
from minmax_jax.training import Run
from minmax_jax.training.saved import save
from minmax_jax.widgets.play import Play

if TYPE_CHECKING:
    import xarray as xr

THIS = "this run"


class Trial(NamedTuple):
    """A run with its choice and its data, and its accuracy under PGD if it was attacked."""

    play: Play
    run: Run
    data: Dataset
    under: "xr.Dataset | None"


def histories(
    shown: "tuple[Play, xr.Dataset]", kept: dict[str, Trial], beside: str
) -> "dict[str, xr.Dataset]":
    """Histories by the names that the figure gives them: of what is shown, and of one kept run."""
    return {THIS: shown[1]} | ({beside: kept[beside].run.history} if beside in kept else {})


def withstood(under: "xr.Dataset | None", kept: dict[str, Trial], beside: str) -> "dict[str, xr.Dataset]":
    """What all runs withstand, in the order of ``histories`` and then the others."""
    order = [*([beside] if beside in kept else []), *(name for name in kept if name != beside)]
    known = {name: kept[name].under for name in order}
    return {name: one for name, one in {THIS: under, **known}.items() if one is not None}


def saved(run: Run) -> dict[str, bytes]:
    """The history (netCDF) and the weights (which ``mm.open`` reads) of a run, as files by name."""
    with tempfile.TemporaryDirectory() as folder:
        weights, history = Path(folder, "weights.npz"), Path(folder, "history.nc")
        assert isinstance(run.model, LeNet)
        save(run.model, weights)
        run.history.to_netcdf(history, engine="scipy")
        return {"history.nc": history.read_bytes(), "weights.npz": weights.read_bytes()}
