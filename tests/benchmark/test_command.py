"""The command, from its options to its table and file."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.peers import NEEDED
from minmax_jax.benchmark import __main__ as command
from minmax_jax.benchmark.rows import ROWS

MACHINE = {
    **{"processor": "Abacus", "cores": 2, "memory": 7.8, "device": None, "system": "Linux"},
    **{"backend": "cpu", "versions": {"jax": "0"}, "sweep": True},
}
GOOD = {"differences": {}, "objections": []}
VICTIM = {"clean": 0.975, "robust": 0.5, "difference": 0.0, "objections": []}


@pytest.fixture
def answers(monkeypatch):
    """What workers answer, none of them started; the list holds what they were asked."""
    asked, given = [], {"machine": MACHINE, "agreement": GOOD, "victim": VICTIM}

    def answer(task, *details, cache=None):
        asked.append((task, *details[:1]))
        return given[task] if task in given else [[0.001, 1.0, "eager"]] * len(ROWS[details[0]].cases)

    monkeypatch.setattr(command, "ask", answer)
    monkeypatch.setattr(command, "find_spec", lambda name: object())
    return asked, given


def test_quick_rows_in_their_order(answers, capsys):
    command.main(["--quick", "--runs", "1"])
    asked, _ = answers
    shown = [name for name, row in ROWS.items() if not row.axis and not row.needs]
    assert asked[:2] == [("machine",), ("agreement", "0")]
    assert asked[2:] == [(side, name) for name in shown for side in ("ours", "torch")]
    out = capsys.readouterr().out
    assert all(ROWS[name].work in out for name in shown) and "Measured on Abacus, 2 cores" in out


def test_growth_is_shown_after_the_summary(answers, capsys):
    command.main(["--only", "channels,models,pgd"])
    asked, _ = answers
    assert [one for one in asked if one[0] == "agreement"] == [("agreement", n) for n in "0124"]
    out = capsys.readouterr().out
    assert (
        out.index("mm.attacks.pgd")
        < out.index("by times 6 and 16 channels")
        < out.index("models in the sweep")
    )


def test_sides_that_disagree_are_not_timed(answers, capsys):
    asked, given = answers
    given["agreement"] = {"differences": {}, "objections": ["eager: loss differs by 1"]}
    with pytest.raises(SystemExit) as stopped:
        command.main(["--quick"])
    assert stopped.value.code == 1
    err = capsys.readouterr().err
    assert "nothing is timed" in err and "eager: loss differs by 1" in err
    assert not {"ours", "torch"} & {task for task, *_ in asked}


def test_without_mm_sweep_its_rows_are_left_out(answers, capsys):
    asked, given = answers
    given["machine"] = MACHINE | {"sweep": False}
    command.main(["--only", "sweep,models,train", "--runs", "1"])
    assert [one for one in asked if one[0] == "ours"] == [("ours", "train")]
    assert "no mm.sweep" in capsys.readouterr().err


def test_rows_of_packages_that_are_not_installed_are_left_out_with_a_word(answers, monkeypatch, capsys):
    asked, _ = answers
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "torchattacks" else object())
    command.main(["--only", "train,pgd40,autoattack", "--runs", "1"])
    assert {one[1] for one in asked if one[0] in ("ours", "torch")} == {"train"}
    out, err = capsys.readouterr()
    for name in ("pgd40", "autoattack"):
        assert f"torchattacks is not installed, so the row {name} is left out" in err
        assert ROWS[name].work not in out


def test_a_robust_model_is_trained_once_and_both_sides_get_it(answers, monkeypatch, capsys):
    asked, _ = answers
    answer, files = command.ask, []

    def noting(task, *details, cache=None):
        if task == "victim":
            files.append(details[0])
            Path(details[0]).touch()
        elif details[:1] == ("autoattack",):
            assert json.loads(details[1])["victim"] == files[0]
        return answer(task, *details, cache=cache)

    monkeypatch.setattr(command, "ask", noting)
    command.main(["--only", "pgd40,autoattack", "--runs", "2"])
    assert len(files) == 1 and not Path(files[0]).exists()
    assert [one[1] for one in asked if one[0] == "torch"] == ["pgd40"] * 2 + ["autoattack"] * 2
    out, err = capsys.readouterr()
    assert "97.5% of its guesses are right, and 50.0% under PGD" in err
    assert ROWS["autoattack"].work in out


def test_a_robust_model_on_which_the_sides_disagree_is_not_attacked(answers, capsys):
    asked, given = answers
    given["victim"] = VICTIM | {"objections": ["logits differ by 1 of their size"]}
    with pytest.raises(SystemExit) as stopped:
        command.main(["--only", "autoattack"])
    assert stopped.value.code == 1
    assert "logits differ by 1" in capsys.readouterr().err
    assert not {"ours", "torch"} & {task for task, *_ in asked}


def test_without_torch_our_side_is_shown_alone(answers, monkeypatch, capsys):
    asked, _ = answers
    monkeypatch.setattr(command, "find_spec", importlib.util.find_spec)
    monkeypatch.setitem(sys.modules, "torch", None)  # as Python marks what cannot be imported
    command.main(["--quick", "--runs", "1"])
    assert {task for task, *_ in asked} == {"machine", "ours"}
    assert ("ours", "pgd40") not in asked
    out = capsys.readouterr().out
    assert "PyTorch is not installed" in out and "pip install 'minmax_jax[peers]'" in out
    assert "1.00 ms" in out


def test_ctrl_c_keeps_the_rows_that_are_finished(answers, monkeypatch, capsys):
    answer = command.ask

    def interrupted(task, *details, cache=None):
        if details[:1] == ("pgd",):
            raise KeyboardInterrupt
        return answer(task, *details, cache=cache)

    monkeypatch.setattr(command, "ask", interrupted)
    command.main(["--only", "train,pgd,evaluation"])
    out, err = capsys.readouterr()
    assert "stopped" in err and ROWS["train"].work in out
    assert ROWS["pgd"].work not in out and ROWS["evaluation"].work not in out


def test_all_numbers_go_to_a_file(answers, tmp_path):
    command.main(["--only", "train,batch", "--runs", "2", "--json", str(tmp_path / "numbers.json")])
    found = json.loads((tmp_path / "numbers.json").read_text("utf-8"))
    assert found["machine"] == MACHINE and found["agreement"] == {"LeNet": GOOD}
    assert found["sizes"]["train"]["runs"] == 2
    (train,), batch = found["rows"]["train"], found["rows"]["batch"]
    assert train["ours"] == [{"seconds": 0.001, "first": 1.0, "choice": "eager"}] * 2 == train["theirs"]
    assert train["times_as_fast"] == {"middle": 1, "low": 1, "high": 1}
    assert [one["case"] for one in batch] == [*ROWS["batch"].cases]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "pdg"], ["unknown row pdg", *ROWS]),
        (["--runs", "0"], ["--runs is 0; it takes at least 1"]),
        (["--json", "nowhere/numbers.json"], ["--json is nowhere", "folder that exists"]),
        (["--only", "device"], ["unknown row device", *ROWS]),
        (["--gpu", "--only", "train"], ["unknown row train", "device"]),
    ],
)
def test_unfit_options_are_clear_errors(answers, capsys, arguments, words):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code == 2
    err = capsys.readouterr().err
    assert all(word in err for word in words)


@pytest.mark.processes
@pytest.mark.parametrize("side", ["ours", pytest.param("torch", marks=NEEDED)])
def test_a_quick_run_from_end_to_end(side, tmp_path):
    options = ["--quick", "--only", "evaluation", "--runs", "1", "--json", str(tmp_path / "numbers.json")]
    blocked = "import sys; sys.modules['torch'] = None; " if side == "ours" else ""
    code = f"{blocked}from minmax_jax.benchmark.__main__ import main; main({options})"
    start = ["-m", "minmax_jax.benchmark", *options] if side == "torch" else ["-c", code]
    done = subprocess.run([sys.executable, "-W", "error", *start], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("| evaluating 10,000 images")]
    assert line.count(" ms (") == (2 if side == "torch" else 1)
    assert ("PyTorch is not installed" in done.stdout) == (side == "ours")
    (one,) = json.loads((tmp_path / "numbers.json").read_text("utf-8"))["rows"]["evaluation"]
    assert len(one["ours"]) == 1 and all(result["seconds"] > 0 for result in one["ours"] + one["theirs"])
