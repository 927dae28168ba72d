"""Running an experiment: what is finished is kept, what is missing is done, the result is a file."""

import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minmax_jax.jobs.interrupts import uninterrupted
from minmax_jax.storage.digests import difference
from minmax_jax.storage.resume import Shelf
from minmax_jax.study.engine.experiment import Arrays, Experiment
from minmax_jax.study.engine.result import about, program, read, versions, write

if TYPE_CHECKING:
    import xarray as xr

UNFINISHED = ".unfinished"  # the folder, beside the results, of what is not yet one
SECONDS = "seconds"  # of a unit's work, among its arrays
BAR = "{desc}{percentage:3.0f}%|{bar}| {n:.0f} of {total:.0f}, {elapsed} taken, {remaining} left"


def run(experiment: Experiment, folder: Path, command: str, *, progress: bool = True) -> tuple[Path, bool]:
    """Bring an experiment to its end; the file of its result, and whether there was anything to do.

    Each finished unit is kept in ``folder``/.unfinished until the result is written, so that the same call
    goes on after a crash or a Ctrl-C, to the same numbers. A result that is there already is checked and
    left as it is. Raises ValueError where the folder holds a result, or units, of another configuration (or,
    for units, of other versions of the packages or of this program), naming the difference.
    """
    file = folder / f"{experiment.name}.nc"
    place = folder / UNFINISHED / experiment.name
    if file.exists():
        check(file, experiment)
        _remove(place)  # left there if the process was killed just after the result was written
        return file, False
    folder.mkdir(parents=True, exist_ok=True)
    asked = experiment.asked | versions() | {"program": program()}
    shelf = Shelf(place, asked, work="study", part="unit")
    found = _finish(experiment, shelf, place, progress)
    with uninterrupted(later=True):
        notes = {
            "experiment": experiment.name,
            "question": experiment.question,
            "command": command,
            "config": experiment.config,
            "data": experiment.data,
            "versions": versions(),
            "program": program(),
            "seconds": round(sum(float(one[SECONDS]) for one in found), 1),
        }
        table = experiment.table([{k: v for k, v in one.items() if k != SECONDS} for one in found])
        write(file, table, notes)
        _remove(place)
    return file, True


def _finish(experiment: Experiment, shelf: Shelf, place: Path, progress: bool) -> Sequence[Arrays]:
    """The arrays of all units: read, or made and kept."""
    from tqdm.auto import tqdm  # picks the notebook's bar in a notebook

    units = experiment.units
    found = [shelf.read(number) for number in range(len(units))]
    done = sum(unit.cost for unit, arrays in zip(units, found, strict=True) if arrays is not None)
    total = sum(unit.cost for unit in units)
    with tqdm(total=total, initial=done, bar_format=BAR, disable=not progress) as bar:
        for number, unit in enumerate(units):
            if found[number] is not None:
                continue
            bar.set_description(f"{experiment.name}, {unit.name}")
            scratch = place / f"scratch-{number:05d}"
            base, begun = bar.n, time.perf_counter()
            arrays = unit.work(scratch, partial(_tell, bar, base, unit.cost))
            arrays |= {SECONDS: np.array(time.perf_counter() - begun)}
            with uninterrupted(later=True):
                shelf.write(number, arrays)
                shutil.rmtree(scratch, ignore_errors=True)
            found[number] = arrays
            _tell(bar, base, unit.cost, 1.0)
    return [arrays for arrays in found if arrays is not None]


def _tell(bar: Any, base: float, cost: float, share: float) -> None:
    bar.update(base + share * cost - bar.n)


def _remove(place: Path) -> None:
    """Remove the folder of an experiment's units, and the one around it if that was the last."""
    if place.exists():
        gone = place.with_name(f"{place.name}.{secrets.token_hex(4)}.tmp")
        place.rename(gone)  # at once, so that no half of it is taken for units
        shutil.rmtree(gone, ignore_errors=True)
    with suppress(OSError):
        place.parent.rmdir()


def check(file: Path, experiment: Experiment) -> "xr.Dataset":
    """The table of the file, if it is the result of this very experiment; else a ValueError that says why."""
    table = read(file)
    notes = about(table)
    there: dict[str, Any] = notes["config"] | {f"data {name}": one for name, one in notes["data"].items()}
    if notes["experiment"] != experiment.name:
        raise ValueError(f"{file} is the result of {notes['experiment']!r}, not of {experiment.name!r}")
    if differing := difference(there, experiment.asked):
        name, before, now = differing
        raise ValueError(
            f"{file} is a result with another {name}: {before!r}, and in this call it is {now!r}. Name "
            "another folder, or move the file away to make it anew"
        )
    return table
