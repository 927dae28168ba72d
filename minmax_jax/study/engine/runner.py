"""Running an experiment: units side by side, each kept when it is finished, and the result as a file."""

import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from minmax_jax.jobs.engine import Arrays, Jobs, Status, Tell, on_all_hosts, workers
from minmax_jax.jobs.interrupts import uninterrupted
from minmax_jax.jobs.progress import Shown, reporting
from minmax_jax.storage.digests import difference
from minmax_jax.storage.resume import Store
from minmax_jax.study.engine.experiment import Experiment
from minmax_jax.study.engine.result import about, program, read, versions, write

if TYPE_CHECKING:
    import xarray as xr

UNFINISHED = ".unfinished"  # the folder, beside the results, of what is not yet one
SECONDS = "seconds"  # of a unit's work, among its arrays
BAR = "{desc}{percentage:3.0f}%|{bar}| {n:.0f} of {total:.0f}, {elapsed} taken, {remaining} left"


class Units(Store):
    """The finished units of an experiment in its folder, and a folder for what each unfinished one keeps."""

    def scratch(self, number: int) -> Path:
        """The folder of an unfinished unit."""
        assert self.folder is not None
        return self.folder / f"scratch-{number:05d}"

    def write(self, number: int, arrays: Arrays) -> None:
        """Keep a finished unit, and remove what it kept before."""
        super().write(number, arrays)
        shutil.rmtree(self.scratch(number), ignore_errors=True)


def run(experiment: Experiment, folder: Path, command: str, *, progress: bool = True) -> tuple[Path, bool]:
    """Bring an experiment to its end; the file of its result, and whether there was anything to do.

    Units run side by side on all cores and devices of this process, and with ``jax.distributed`` they are
    divided among all processes, which call this alike and share ``folder``. Each finished unit is kept in
    ``folder``/.unfinished until the result is written, so that the same call resumes after a crash or a
    Ctrl-C (which raises KeyboardInterrupt), to the same numbers. A result that is there already is checked
    and left as it is. Raises ValueError where the folder holds a result, or units, of another configuration
    (or, for units, of other versions of the packages or of this program), naming the difference.
    """
    file = folder / f"{experiment.name}.nc"
    place = folder / UNFINISHED / experiment.name
    if file.exists():
        check(file, experiment)
        _remove(place)  # left there if the process was killed just after the result was written
        return file, False
    folder.mkdir(parents=True, exist_ok=True)
    asked = experiment.asked | versions() | {"program": program()}
    found = _finish(experiment, Units(place, asked, work="study", part="unit"), progress)
    if jax.process_index() == 0:
        with uninterrupted():
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
    on_all_hosts(f"{experiment.name} is written")
    return file, True


def _finish(experiment: Experiment, kept: Units, progress: bool) -> list[Arrays]:
    """The arrays of all units: read, or made and kept."""
    units = experiment.units
    jobs = Jobs([unit.cost for unit in units], kept)

    def work(number: int, _: jax.Device, tell: Tell) -> Arrays:
        unit, begun = units[number], time.perf_counter()
        arrays = unit.work(kept.scratch(number), lambda share: tell(share * unit.cost))
        return arrays | {SECONDS: np.array(time.perf_counter() - begun)}

    total = sum(jobs.costs.values())
    before = total - jobs.left

    def shown(now: Status) -> Shown:
        return Shown(before + now.done, f"{experiment.name}, {now.finished} of {now.jobs} units")

    with reporting(progress, shown, total, done=before, layout=BAR) as report:
        found = jobs.run(work, workers(jax.local_devices()), report)
    if jobs.interrupted or len(found) < len(units):
        raise KeyboardInterrupt
    return [found[number] for number in range(len(units))]


def _remove(place: Path) -> None:
    """Remove the folder of an experiment's units, and the folder around it if nothing else is left there."""
    if place.exists():
        gone = place.with_name(f"{place.name}.{secrets.token_hex(4)}.tmp")
        place.rename(gone)  # at once, so that no half of it is taken for units
        shutil.rmtree(gone, ignore_errors=True)
    with suppress(OSError):
        place.parent.rmdir()


def check(file: Path, experiment: Experiment) -> "xr.Dataset":
    """The table of ``file``; a ValueError that names the difference unless it is this experiment's result."""
    table = read(file)
    notes = about(table)
    there: dict[str, Any] = notes["config"] | {f"data {name}": one for name, one in notes["data"].items()}
    if notes["experiment"] != experiment.name:
        raise ValueError(f"{file} is the result of {notes['experiment']!r}, not of {experiment.name!r}")
    if differing := difference(there, experiment.asked):
        name, before, now = differing
        raise ValueError(
            f"{file} is a result with another {name}: {before!r}, and in this call it is {now!r}. Name "
            "another folder, or move the file away to make it again"
        )
    return table
