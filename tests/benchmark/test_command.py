"""The command, from its options to its table and file; no worker is started unless a test says so."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from helpers.refusal import refuses
from minmax_jax.benchmark import __main__ as command
from minmax_jax.benchmark.alternation import alternate, ask
from minmax_jax.benchmark.rows import ROWS, Size
from minmax_jax.benchmark.timing import Result

pytestmark = pytest.mark.slow

MACHINE = {
    **{"processor": "Abacus", "cores": 2, "memory": 7.8, "device": None, "system": "Linux"},
    **{"backend": "cpu", "versions": {"jax": "0"}},
}
GOOD = {"differences": {}, "objections": []}
BAD = {"objections": ["eager: loss differs by 1"]}
TARGET = {"clean": 0.975, "robust": 0.5, "difference": 0.0, "objections": []}


class Workers:
    """Answers in place of workers, and notes what was asked: each result is slower than the one before."""

    def __init__(self):
        self.given = {"machine": MACHINE, "agreement": GOOD, "target": TARGET}
        self.asked = []

    def __call__(self, task, *details, cache=None):
        self.asked.append((task, *details, cache))
        if task in self.given:
            return self.given[task]
        self.given.get(details[0], lambda: None)()
        number = float(len([one for one in self.asked if one[0] in ("ours", "torch")]))
        return [[0.001 * number, number, "eager"] for _ in ROWS[details[0]].cases]

    def measured(self):
        return [one[:2] for one in self.asked if one[0] in ("ours", "torch")]


@pytest.fixture
def workers(monkeypatch):
    found = Workers()
    monkeypatch.setattr(command, "ask", found)
    monkeypatch.setattr(command, "find_spec", lambda name: object())
    return found


def test_quick_rows_in_their_order(workers, capsys):
    command.main(["--quick", "--runs", "1"])
    shown = [name for name, row in ROWS.items() if not row.axis and not row.needs]
    assert [one[:-1] for one in workers.asked[:2]] == [("machine",), ("agreement", "0")]
    assert workers.measured() == [(side, name) for name in shown for side in ("ours", "torch")]
    out = capsys.readouterr().out
    assert all(ROWS[name].work in out for name in shown) and "Measured on Abacus, 2 cores" in out


def test_growth_is_shown_after_the_summary(workers, capsys):
    command.main(["--only", "channels,models,pgd"])
    assert [one[1] for one in workers.asked if one[0] == "agreement"] == [*"0124"]
    out = capsys.readouterr().out
    places = [out.index(one) for one in ("mm.attacks.pgd", "by times 6 and 16 channels", "by models in the")]
    assert places == sorted(places) and ("torch", "models") not in workers.measured()


@pytest.mark.parametrize(
    ("only", "task", "words"),
    [("train", "agreement", "nothing is timed"), ("autoattack", "target", "attacked")],
)
def test_sides_that_disagree_are_not_measured(workers, capsys, only, task, words):
    workers.given[task] = workers.given[task] | BAD
    with pytest.raises(SystemExit) as stopped:
        command.main(["--only", only])
    err = capsys.readouterr().err
    assert stopped.value.code == 1 and words in err and "eager: loss differs by 1" in err
    assert workers.measured() == []


def test_rows_whose_packages_are_missing_are_left_out_and_named(workers, monkeypatch, capsys):
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "torchattacks" else object())
    command.main(["--only", "train,pgd40,autoattack", "--runs", "1"])
    assert {name for _, name in workers.measured()} == {"train"}
    out, err = capsys.readouterr()
    for name in ("pgd40", "autoattack"):
        assert f"torchattacks is not installed, so the row {name} is left out" in err
        assert ROWS[name].work not in out


def test_one_robust_model_is_trained_for_both_sides(workers, monkeypatch, capsys):
    def trained(task, *details, cache=None):
        if task == "target":
            Path(details[0]).touch()
        return workers(task, *details, cache=cache)

    monkeypatch.setattr(command, "ask", trained)
    command.main(["--only", "pgd40,autoattack", "--runs", "2"])
    (file,) = [one[1] for one in workers.asked if one[0] == "target"]
    sizes = [json.loads(one[2]) for one in workers.asked if one[1] == "autoattack"]
    assert [one["target"] for one in sizes] == [file] * 4 and not Path(file).exists()
    out, err = capsys.readouterr()
    assert "its accuracy is 97.5%, and 50.0% under PGD" in err and ROWS["autoattack"].work in out


def test_without_torch_our_side_is_shown_alone(workers, monkeypatch, capsys):
    monkeypatch.setattr(command, "find_spec", importlib.util.find_spec)
    monkeypatch.setitem(sys.modules, "torch", None)  # as Python marks what cannot be imported
    command.main(["--quick", "--runs", "1"])
    assert {one[0] for one in workers.asked} == {"machine", "ours"}
    assert ("ours", "pgd40") not in workers.measured()
    out = capsys.readouterr().out
    assert "PyTorch is not installed" in out and "pip install 'minmax_jax[peers]'" in out and "1.00 ms" in out


def test_ctrl_c_keeps_the_rows_that_are_finished(workers, capsys):
    def interrupt():
        raise KeyboardInterrupt

    workers.given["pgd"] = interrupt
    assert command.main(["--only", "train,pgd,evaluation"]) == 130
    out, err = capsys.readouterr()
    assert "stopped" in err
    assert [ROWS[name].work in out for name in ("train", "pgd", "evaluation")] == [True, False, False]


def test_all_numbers_go_to_a_file(workers, tmp_path):
    options = ["--only", "train,batch", "--runs", "1", "--json", str(tmp_path / "numbers.json")]
    assert command.main(options) == 0
    found = json.loads((tmp_path / "numbers.json").read_text("utf-8"))
    assert found["machine"] == MACHINE and found["agreement"] == {"LeNet": GOOD}
    assert found["sizes"]["train"]["runs"] == 1
    (train,), batch = found["rows"]["train"], found["rows"]["batch"]
    assert train["ours"] == [{"seconds": 0.001, "first": 1.0, "choice": "eager"}]
    assert train["times_as_fast"] == {"middle": 2, "low": 2, "high": 2}
    assert [one["case"] for one in batch] == [*ROWS["batch"].cases]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "pdg"], ["unknown row pdg: --only must name some of", *ROWS]),
        (["--only", "train,pdg"], ["unknown row pdg", *ROWS]),
        (["--only", ","], ["--only is empty", *ROWS]),
        (["--only", "device"], ["unknown row device", *ROWS]),
        (["--gpu", "--only", "train"], ["unknown row train", "device"]),
        (["--runs", "0"], ["--runs must be at least 1, got 0"]),
        (["--json", "nowhere/n.json"], ["--json must be a file in an existing folder, got nowhere"]),
        (["--json", "."], ["--json must be a file in an existing folder, got ."]),
    ],
)
def test_bad_options_are_refused(workers, capsys, arguments, words):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    err = capsys.readouterr().err
    assert stopped.value.code == 2 and all(word in err for word in words)


def test_sides_take_turns_and_the_cache_is_off_then_filled_then_used():
    workers, size = Workers(), Size(runs=4, images=256, epochs=2, repeats=1)
    (found,) = alternate("train", ROWS["train"], size, True, lambda text: None, workers)
    assert [one[0] for one in workers.asked] == ["ours", "torch"] * 4
    off, *folders = [one[-1] for one in workers.asked if one[0] == "ours"]
    assert off == "off" and len(set(folders)) == 1 and folders[0] not in (None, "off")
    assert {one[-1] for one in workers.asked if one[0] == "torch"} == {None}
    assert [one.first for one in found.ours] == [1, 3, 5, 7] and found.ours[0] == Result(0.001, 1, "eager")
    assert [one.first for one in found.theirs] == [2, 4, 6, 8]
    assert (found.empty, found.filled) == (1, [5, 7])


@pytest.mark.processes
def test_a_worker_that_fails_says_why():
    with refuses("ours nothing failed:\n", "KeyError: 'nothing'", error=RuntimeError):
        ask("ours", "nothing", '{"runs": 1, "images": 1, "epochs": 2, "repeats": 1}')


@pytest.mark.processes
def test_a_quick_run_from_end_to_end(tmp_path, monkeypatch, capsys):
    """But for the agreement of both sides, which ``test_torch_side`` looks at."""

    def answer(task, *details, **options):
        return GOOD if task == "agreement" else ask(task, *details, **options)

    monkeypatch.setattr(command, "ask", answer)
    sides = 1 + bool(importlib.util.find_spec("torch"))
    file = tmp_path / "numbers.json"
    assert command.main(["--quick", "--only", "evaluation", "--runs", "1", "--json", str(file)]) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("| evaluating 10,000 images")]
    assert line.count(" ms (") == sides and ("PyTorch is not installed" in out) == (sides == 1)
    (one,) = json.loads(file.read_text("utf-8"))["rows"]["evaluation"]
    assert len(one["ours"]) == 1 and all(result["seconds"] > 0 for result in one["ours"] + one["theirs"])
