"""Running an experiment: whatever stops it, the same call resumes it, to the same result."""

import os
import signal
import time
from functools import partial

import numpy as np
import pytest
import xarray as xr

from helpers.refusal import refuses
from minmax_jax.study.engine import runner
from minmax_jax.study.engine.experiment import Experiment, Unit
from minmax_jax.study.engine.result import about, read, versions
from minmax_jax.study.engine.runner import run

pytestmark = pytest.mark.versions


def ctrl_c():
    """As the user presses it; the unit goes on until it is told to stop."""
    os.kill(os.getpid(), signal.SIGINT)


def broken():
    raise RuntimeError("broken")


class Desk:
    """An experiment of three squares, which tells what was worked on and can be made to fail.

    A unit that fails does so when the first is kept.
    """

    def __init__(self, seeds=(0, 1, 2), digest="abc"):
        self.worked: list[int] = []
        self.resumed: list[int] = []
        self.fails = {}
        self.deaf = False  # finishes when it is told to stop
        units = [Unit(f"square {seed}", partial(self.work, seed), cost=2.0) for seed in seeds]
        config = {"seeds": list(seeds)}
        self.experiment = Experiment("squares", "Which?", config, {"mnist": digest}, units, self.table)

    def work(self, seed, place, tell):
        self.worked.append(seed)
        if (place / "halfway").exists():
            self.resumed.append(seed)
        place.mkdir(exist_ok=True)
        (place / "halfway").touch()
        if seed in self.fails:
            while not (place.parent / "unit-00000.npz").exists():
                time.sleep(0.01)
            self.fails.pop(seed)()
            while not tell(0.5):
                time.sleep(0.01)
            if not self.deaf:
                raise KeyboardInterrupt  # as ``network`` does for a run that was stopped
        tell(0.5)
        return {"square": np.array(seed**2)}

    @staticmethod
    def table(found):
        return xr.Dataset({"square": ("seed", np.array([one["square"] for one in found]))})

    def run(self, folder, progress=False):
        return run(self.experiment, folder, "python -m test", progress=progress)


@pytest.fixture
def unfinished(tmp_path):
    """The folder of an experiment whose second unit failed."""
    first = Desk()
    first.fails[1] = broken
    with pytest.raises(RuntimeError, match="broken"):
        first.run(tmp_path)
    return tmp_path


def test_the_result_holds_all_units_and_how_it_was_made(tmp_path, capsys):
    file, made = Desk().run(tmp_path / "deep" / "results", progress=True)
    assert made and file == tmp_path / "deep" / "results" / "squares.nc"
    table = read(file)
    assert table.square.values.tolist() == [0, 1, 4]
    notes = about(table)
    assert notes["config"] == {"seeds": [0, 1, 2]} and notes["data"] == {"mnist": "abc"}
    assert notes["command"] == "python -m test" and notes["experiment"] == "squares"
    assert notes["versions"]["jax"] and notes["seconds"] >= 0
    assert list(file.parent.iterdir()) == [file]  # nothing unfinished is left
    drawn = capsys.readouterr().err
    assert "squares, 3 of 3 units" in drawn and "6 of 6" in drawn and "100%" in drawn
    before, again = file.read_bytes(), Desk()
    assert again.run(file.parent) == (file, False)
    assert again.worked == [] and file.read_bytes() == before


@pytest.mark.parametrize("end", [ctrl_c, broken])
def test_what_was_finished_is_not_done_again(tmp_path, end, capsys):
    first = Desk()
    first.fails[1] = end
    with pytest.raises(KeyboardInterrupt if end is ctrl_c else RuntimeError):
        first.run(tmp_path)
    assert not (tmp_path / "squares.nc").exists()
    place = tmp_path / ".unfinished" / "squares"
    kept = {int(file.stem[-5:]) for file in place.glob("unit-*.npz")}
    assert 0 in kept and 1 not in kept
    assert [path.name for path in place.glob("scratch-*")] == ["scratch-00001"]  # what it keeps itself
    second = Desk()
    file, _ = second.run(tmp_path, progress=True)
    assert sorted(second.worked) == sorted({0, 1, 2} - kept) and second.resumed == [1]
    assert "3 of 3 units" in capsys.readouterr().err
    undisturbed, _ = Desk().run(tmp_path / "other")
    xr.testing.assert_equal(read(file), read(undisturbed))
    assert not (tmp_path / ".unfinished").exists()


def test_ctrl_c_counts_though_the_last_unit_is_finished(tmp_path):
    first, second = Desk((0, 1)), Desk((0, 1))
    first.fails[1], first.deaf = ctrl_c, True
    with pytest.raises(KeyboardInterrupt):
        first.run(tmp_path)
    file, _ = second.run(tmp_path)
    assert second.worked == [] and read(file).square.values.tolist() == [0, 1]


def test_a_damaged_unit_is_done_again(unfinished):
    unit = unfinished / ".unfinished" / "squares" / "unit-00000.npz"
    unit.write_bytes(unit.read_bytes()[:50])
    second = Desk()
    with pytest.warns(UserWarning, match=r"unit-00000\.npz.*this unit is done again"):
        file, _ = second.run(unfinished)
    assert 0 in second.worked and read(file).square.values.tolist() == [0, 1, 4]


def test_another_configuration_is_refused_by_the_difference(unfinished):
    with refuses("belongs to another study", "its seeds is [0, 1, 2]", "it is [0, 1]"):
        Desk((0, 1)).run(unfinished)
    file, _ = Desk().run(unfinished)
    with refuses(file, "with another seeds: [0, 1, 2]", "it is [0, 1]"):
        Desk((0, 1)).run(unfinished)
    with refuses(file, "with another data mnist: 'abc'", "'xyz'"):
        Desk(digest="xyz").run(unfinished)


@pytest.mark.parametrize(
    ("name", "other", "words"),
    [
        ("versions", lambda: versions() | {"jax": "0.0.1"}, ["its jax is", "'0.0.1'"]),
        ("program", lambda: "other", ["its program is", "'other'"]),
    ],
)
def test_units_of_other_versions_or_programs_are_not_mixed(unfinished, monkeypatch, name, other, words):
    monkeypatch.setattr(runner, name, other)
    with refuses(*words):
        Desk().run(unfinished)


def test_what_was_left_by_a_kill_at_the_end_is_removed(tmp_path):
    """Killed between writing the result and removing its units."""
    Desk().run(tmp_path)
    left = tmp_path / ".unfinished" / "squares"
    left.mkdir(parents=True)
    (left / "unit-00000.npz").touch()
    Desk().run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["squares.nc"]


def test_results_that_are_damaged_or_of_another_experiment_are_named(tmp_path):
    file, _ = Desk().run(tmp_path)
    other = Desk().experiment
    object.__setattr__(other, "name", "cubes")
    file.rename(tmp_path / "cubes.nc")
    with refuses("is the result of 'squares', not of 'cubes'"):
        run(other, tmp_path, "", progress=False)
    file.write_bytes((tmp_path / "cubes.nc").read_bytes()[:-9])
    with refuses(file, "damaged"):
        Desk().run(tmp_path)


def test_experiments_and_units_need_names():
    with refuses("units of 'squares' must be one or more of different names"):
        Desk((1, 1))
    with refuses("name must be of small letters", "'Squares!'"):
        Experiment("Squares!", "", {}, {}, [Unit("a", lambda *_: {})], Desk.table)
