"""The command: quick mode from end to end, killed midway and resumed, and the report of what was found."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray as xr

from helpers.made_up import PLAIN, observation
from minmax_jax.study import __main__ as command
from minmax_jax.study import about, read
from minmax_jax.study.engine.result import write


def all_results(folder: Path) -> dict[str, xr.Dataset]:
    return {file.name: read(file) for file in sorted(folder.glob("*.nc"))}


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize(
    "names",
    [
        ["observation", "theory"],
        # one that keeps its state in checkpoints, and one that builds on another's result
        pytest.param(["observation", "robust_search", "robust"], marks=pytest.mark.long),
    ],
)
def test_a_killed_study_resumes_to_the_same_results(tmp_path, capsys, names):
    """Each experiment's own test runs its quick mode, too."""
    quick = ["--quick", "--only", ",".join(names), "--folder"]
    begin = [sys.executable, "-m", "minmax_jax.study", *quick]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert command.main([*quick, str(whole)]) == 0 and "made" in capsys.readouterr().out

    kept = broken / ".unfinished" / "observation"
    process = subprocess.Popen([*begin, broken], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list(kept.glob("unit-*.npz")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = {file: file.stat().st_mtime_ns for file in kept.glob("unit-*.npz")}
    assert before and not (broken / "observation.nc").exists()

    process = subprocess.Popen([*begin, broken], stderr=subprocess.PIPE, text=True)
    while not (broken / "observation.nc").exists() and process.poll() is None:
        after = {file: file.stat().st_mtime_ns for file in before if file.exists()}
        assert after.items() <= before.items()  # not done again
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)  # at the start of the next experiment
    _, said = process.communicate()
    assert process.returncode == command.STOPPED and "the same command resumes" in said

    assert command.main([*quick, str(broken)]) == 0
    first, second = all_results(whole), all_results(broken)
    assert list(first) == list(second) == [f"{name}.nc" for name in sorted(names)]
    for name, table in first.items():
        xr.testing.assert_equal(table, second[name])
        assert about(table)["command"] == f"python -m minmax_jax.study --only {name[:-3]} --quick"

    capsys.readouterr()
    assert command.main([*quick, str(whole)]) == 0
    assert capsys.readouterr().out.count("was there") == len(first)

    assert command.main(["--findings", "--folder", str(whole)]) == 0
    said = capsys.readouterr().out
    assert all(f"[{name}](" in said for name in names if name != "robust_search")


def test_quick_results_are_kept_apart_from_the_shipped_ones():
    assert command.parse([]).folder == command.RESULTS
    assert command.parse(["--quick"]).folder == command.RESULTS / "quick"
    assert command.parse([]).names == list(command.PLANS)
    assert command.parse(["--only", "theory,observation,theory"]).names == ["theory", "observation"]


def test_an_error_is_said_in_a_line_and_stops_no_other(tmp_path, capsys):
    (tmp_path / "observation.nc").write_text("not a result")
    names = "observation,robust,confirmation_weak"  # two that build on results that are not there
    assert command.main(["--quick", "--only", names, "--folder", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "error in observation:" in said and "observation.nc is no netCDF file" in said
    assert "error in robust:" in said and "robust_search.nc does not exist" in said
    assert "error in confirmation_weak:" in said


def test_findings_fit_a_terminal_and_are_markdown_elsewhere(tmp_path, capsys, monkeypatch):
    ask = ["--findings", "--folder", str(tmp_path)]
    assert command.main(ask) == 1
    assert "holds no results to report; `python -m minmax_jax.study` makes them" in capsys.readouterr().err
    write(tmp_path / "observation.nc", observation(PLAIN), {"config": {"small": True}})
    assert command.main(ask) == 0
    table = capsys.readouterr().out
    short, _, full = table.partition("\n\n")
    assert short.startswith("| The paper says | Here | How much |") and full.startswith("| claim | reading |")
    assert full.count("(a toy's verdict: of a quick run)") == len(full.strip().splitlines()) - 2
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert command.main(ask) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100 and "|" not in text and "toy" in text
    (tmp_path / "theory.nc").write_text("damaged")
    assert command.main(ask) == 1
    assert "theory.nc is no netCDF file" in capsys.readouterr().err


def test_the_table_is_written_into_the_readme_whose_text_stays(tmp_path, capsys):
    write(tmp_path / "observation.nc", observation(PLAIN), {"config": {}})
    ask = ["--findings", "--folder", str(tmp_path)]
    command.main(ask)
    table = capsys.readouterr().out
    readme = tmp_path / "README.md"
    assert command.main([*ask, "--write"]) == 0
    assert all(part in readme.read_text() for part in table.strip().split("\n\n"))
    assert "README.md: written, of 1 results" in capsys.readouterr().out
    full = table.partition("\n\n")[2].strip()
    before, after = readme.read_text().split(full)
    readme.write_text(f"My text.\n{before}An old table.{after}More of it.")
    assert command.main([*ask, "--write"]) == 0
    assert readme.read_text() == f"My text.\n{before}{full}{after}More of it."
