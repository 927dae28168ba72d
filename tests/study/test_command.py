"""The command: quick mode from end to end, killed midway and gone on with."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray as xr

from minmax_jax.study import __main__ as command
from minmax_jax.study.engine.result import about, read


def all_results(folder: Path) -> dict[str, xr.Dataset]:
    return {file.name: read(file) for file in sorted(folder.glob("*.nc"))}


@pytest.mark.processes
@pytest.mark.parametrize(
    "names",
    [
        ["observation", "theory"],
        # one that keeps its state in checkpoints, and one that builds on another's result
        pytest.param(["observation", "robust_search", "robust"], marks=pytest.mark.long),
    ],
)
def test_a_killed_study_goes_on_to_the_same_results(tmp_path, capsys, names):
    """Each experiment's own test runs its quick mode, too."""
    quick = [sys.executable, "-m", "minmax_jax.study", "--quick", "--only", ",".join(names), "--folder"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    done = subprocess.run([*quick, whole], check=True, capture_output=True, text=True)
    assert "made" in done.stdout

    kept = broken / ".unfinished" / "observation"
    process = subprocess.Popen([*quick, broken], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list(kept.glob("unit-*.npz")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = {file: file.stat().st_mtime_ns for file in kept.glob("unit-*.npz")}
    assert before and not (broken / "observation.nc").exists()

    process = subprocess.Popen([*quick, broken], stderr=subprocess.PIPE, text=True)
    while not (broken / "observation.nc").exists() and process.poll() is None:
        after = {file: file.stat().st_mtime_ns for file in before if file.exists()}
        assert after.items() <= before.items()  # not done again
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)  # at the start of the next experiment
    _, said = process.communicate()
    assert process.returncode == command.STOPPED and "the same command goes on" in said

    subprocess.run([*quick, broken], check=True, capture_output=True)
    first, second = all_results(whole), all_results(broken)
    assert list(first) == list(second) == [f"{name}.nc" for name in sorted(names)]
    for name, table in first.items():
        xr.testing.assert_equal(table, second[name])
        assert about(table)["command"] == f"python -m minmax_jax.study --only {name[:-3]} --quick"

    again = subprocess.run([*quick, whole], check=True, capture_output=True, text=True)
    assert again.stdout.count("was there") == len(first)

    assert command.main(["--findings", "--folder", str(whole)]) == 0
    said = capsys.readouterr().out
    assert all(f"[{name}](" in said for name in names if name != "robust_search")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "astrology"], "unknown experiment 'astrology'; --only takes some of observation,"),
        (["--only", ""], "unknown experiment ''"),
        (["--folder", __file__], "a file; it takes a folder"),
    ],
)
def test_bad_options_are_named(options, words, capsys):
    with pytest.raises(SystemExit):
        command.parse(options)
    assert words in capsys.readouterr().err


def test_quick_results_are_kept_apart_from_the_shipped_ones():
    assert command.parse([]).folder == command.RESULTS
    assert command.parse(["--quick"]).folder == command.RESULTS / "quick"
    assert command.parse([]).names == list(command.PLANS)


def test_an_error_is_said_in_a_line_and_stops_no_other(tmp_path, capsys, monkeypatch):
    (tmp_path / "observation.nc").write_text("not a result")
    reached = []

    def plan(*_):
        reached.append(1)
        raise RuntimeError("the second")

    monkeypatch.setattr(command, "PLANS", {**command.PLANS, "theory": plan})
    assert command.main(["--quick", "--only", "observation,theory", "--folder", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert reached and "error in observation:" in said and "observation.nc" in said
    assert "error in theory: the second" in said
