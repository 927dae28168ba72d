"""Running an experiment: whatever stops it, the same call goes on, to the same result."""

from functools import partial

import numpy as np
import pytest
import xarray as xr

from helpers.refusal import refuses
from minmax_jax.study.engine.experiment import Experiment, Unit
from minmax_jax.study.engine.result import about, read, versions
from minmax_jax.study.engine.runner import run


class Desk:
    """An experiment of three squares, which tells what was worked on and can be made to fail."""

    def __init__(self, seeds=(0, 1, 2), digest="abc"):
        self.worked: list[int] = []
        self.fails: dict[int, BaseException] = {}
        units = [Unit(f"square {seed}", partial(self.work, seed)) for seed in seeds]
        config = {"seeds": list(seeds)}
        self.experiment = Experiment("squares", "Which?", config, {"mnist": digest}, units, self.table)

    def work(self, seed, place, tell):
        self.worked.append(seed)
        tell(0.5)
        place.mkdir(exist_ok=True)  # it is there if this unit was begun before
        (place / "halfway").touch()
        if seed in self.fails:
            raise self.fails.pop(seed)
        return {"square": np.array(seed**2)}

    @staticmethod
    def table(found):
        return xr.Dataset({"square": ("seed", np.array([one["square"] for one in found]))})

    def run(self, folder):
        return run(self.experiment, folder, "python -m test", progress=False)


def test_the_result_holds_all_units_and_how_it_was_made(tmp_path):
    file, made = Desk().run(tmp_path / "deep" / "results")
    assert made and file == tmp_path / "deep" / "results" / "squares.nc"
    table = read(file)
    assert table.square.values.tolist() == [0, 1, 4]
    notes = about(table)
    assert notes["config"] == {"seeds": [0, 1, 2]} and notes["data"] == {"mnist": "abc"}
    assert notes["command"] == "python -m test" and notes["experiment"] == "squares"
    assert notes["versions"]["jax"] and notes["seconds"] >= 0
    assert list(file.parent.iterdir()) == [file]  # nothing unfinished is left


def test_a_finished_result_is_left_as_it_is(tmp_path):
    file, _ = Desk().run(tmp_path)
    before = file.read_bytes()
    again = Desk()
    assert again.run(tmp_path) == (file, False)
    assert again.worked == [] and file.read_bytes() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("broken")])
def test_what_was_finished_is_not_done_again(tmp_path, error):
    first = Desk()
    first.fails[1] = error
    with pytest.raises(type(error)):
        first.run(tmp_path)
    assert first.worked == [0, 1] and not (tmp_path / "squares.nc").exists()
    second = Desk()
    file, _ = second.run(tmp_path)
    assert second.worked == [1, 2]
    undisturbed, _ = Desk().run(tmp_path / "other")
    xr.testing.assert_equal(read(file), read(undisturbed))
    assert not (tmp_path / ".unfinished").exists()


def test_a_damaged_unit_is_done_again(tmp_path):
    first = Desk()
    first.fails[2] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        first.run(tmp_path)
    unit = tmp_path / ".unfinished" / "squares" / "unit-00000.npz"
    unit.write_bytes(unit.read_bytes()[:50])
    second = Desk()
    with pytest.warns(UserWarning, match=r"unit-00000\.npz.*this unit is done again"):
        file, _ = second.run(tmp_path)
    assert second.worked == [0, 2] and read(file).square.values.tolist() == [0, 1, 4]


def test_another_configuration_is_refused_by_the_difference(tmp_path):
    first = Desk()
    first.fails[1] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        first.run(tmp_path)
    with refuses("belongs to another study", "its seeds is [0, 1, 2]", "it is [0, 1]"):
        Desk((0, 1)).run(tmp_path)
    file, _ = Desk().run(tmp_path)
    with refuses(file, "with another seeds: [0, 1, 2]", "it is [0, 1]"):
        Desk((0, 1)).run(tmp_path)
    with refuses(file, "with another data mnist: 'abc'", "'xyz'"):
        Desk(digest="xyz").run(tmp_path)


def test_units_of_other_versions_are_not_mixed(tmp_path, monkeypatch):
    first = Desk()
    first.fails[1] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        first.run(tmp_path)
    monkeypatch.setattr("minmax_jax.study.engine.runner.versions", lambda: versions() | {"jax": "0.0.1"})
    with refuses("its jax is", "'0.0.1'"):
        Desk().run(tmp_path)


def test_what_was_left_by_a_kill_at_the_end_is_removed(tmp_path):
    """Killed between writing the result and removing its units."""
    Desk().run(tmp_path)
    left = tmp_path / ".unfinished" / "squares"
    left.mkdir(parents=True)
    (left / "unit-00000.npz").touch()
    Desk().run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["squares.nc"]


def test_units_of_another_program_are_not_mixed(tmp_path, monkeypatch):
    first = Desk()
    first.fails[1] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        first.run(tmp_path)
    monkeypatch.setattr("minmax_jax.study.engine.runner.program", lambda: "other")
    with refuses("its program is", "'other'"):
        Desk().run(tmp_path)


def test_a_damaged_result_is_named(tmp_path):
    file, _ = Desk().run(tmp_path)
    file.write_bytes(file.read_bytes()[:-9])
    with refuses(file, "damaged"):
        Desk().run(tmp_path)


def test_units_need_names_of_their_own():
    with refuses("units of 'squares' are named", "all different"):
        Desk((1, 1))
    with refuses("name is 'Squares!'"):
        Experiment("Squares!", "", {}, {}, [Unit("a", lambda *_: {})], Desk.table)
