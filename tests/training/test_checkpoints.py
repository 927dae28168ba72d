"""A run that was cut short goes on as if nothing had happened; other folders are refused by name."""

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import optax
import pytest
import xarray as xr
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import minmax_jax as mm
from helpers import small
from helpers.refusal import refuses
from helpers.small import Norm, digits, lenet, same_weights
from minmax_jax.training import checkpoints
from minmax_jax.training.trainer import Trainer

STEPS = 15  # three epochs of five
EXPLODING = optax.sgd(optax.piecewise_constant_schedule(1e-3, {7: 1e30}))


def train(folder=None, **options) -> mm.Run:
    return small.train(checkpoint=folder, **({"epochs": 3} | options))


@cache
def undisturbed() -> mm.Run:
    return train()


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The folder of a finished run; tests copy it before they change it."""
    folder = tmp_path_factory.mktemp("checkpoints") / "finished"
    train(folder)
    return folder


@pytest.fixture
def folder(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def assert_same(run: mm.Run, other: mm.Run) -> None:
    xr.testing.assert_identical(run.history, other.history)
    for name, variable in other.history.variables.items():
        assert run.history[name].dtype == variable.dtype, name
    assert run.outcome == other.outcome and same_weights(run.model, other.model)


def steps(folder: Path) -> list[int]:
    return sorted(int(entry.name) for entry in folder.iterdir())


# Going on


@pytest.mark.parametrize("stops", [[1], [5], [4, 7, 8], [10, 15], [14]])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, stops):
    folder, before = tmp_path / "a" / "new one", 0
    for step in stops:
        seen = []

        def stop(now, step=step, seen=seen):
            seen.append(now.step)
            return now.step == step

        assert train(folder, progress=stop).outcome == "stopped"
        assert seen == list(range(before + 1, step + 1))
        before = step
    assert_same(train(folder), undisturbed())
    assert max(steps(folder)) == STEPS and len(steps(folder)) <= 2


def test_a_run_with_random_numbers_and_batch_statistics_goes_on(tmp_path):
    train(tmp_path, model=Norm(nnx.Rngs(0)), progress=lambda now: now.step == 7)
    on = train(tmp_path, model=Norm(nnx.Rngs(0)))
    whole = train(model=Norm(nnx.Rngs(0)))
    assert_same(on, whole)
    for name in ("mean", "var"):
        np.testing.assert_array_equal(getattr(on.model.norm, name)[...], getattr(whole.model.norm, name)[...])


def test_other_segments_go_on_with_the_same_run(tmp_path):
    train(tmp_path, progress=lambda now: now.step == 7)
    assert_same(train(tmp_path, segments=1), undisturbed())


def test_a_finished_run_is_returned_without_training(folder, monkeypatch):
    monkeypatch.setattr(Trainer, "advance", None)
    assert_same(train(folder), undisturbed())
    assert_same(train(str(folder)), undisturbed())


def test_the_bar_starts_where_the_run_goes_on(tmp_path, capsys):
    train(tmp_path, progress=lambda now: now.step == 10)
    train(tmp_path, progress=True)
    shown = capsys.readouterr().err
    assert "10/15" in shown and " 0/15" not in shown and "11/15" not in shown.split("10/15")[0]


def test_ctrl_c_before_the_test_of_an_epoch_loses_no_accuracy(tmp_path, monkeypatch):
    def interrupt(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "evaluate", interrupt)
        stopped = train(tmp_path)
    assert stopped.history.sizes["step"] == 5 and stopped.history.sizes["epoch"] == 0
    assert_same(train(tmp_path), undisturbed())


def test_ctrl_c_during_a_save_counts_after_it(tmp_path, monkeypatch):
    save = checkpoints._save

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        save(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_save", interrupted)
        stopped = train(tmp_path)
    assert stopped.outcome == "stopped" and steps(tmp_path) == [5]
    assert_same(train(tmp_path), undisturbed())


def test_nothing_is_saved_before_the_first_step(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["minmax_jax.training.fit"], "epoch_order", interrupt)
        assert train(tmp_path).history.sizes["step"] == 0
    assert steps(tmp_path) == []
    assert_same(train(tmp_path), undisturbed())


def test_a_run_that_diverges_does_so_again(tmp_path):
    runs = []
    for _ in range(2):
        with pytest.raises(mm.Diverged, match="after step 7 of 15") as caught:
            train(tmp_path, optimiser=EXPLODING, segments=1)
        runs.append(caught.value.run)
        assert steps(tmp_path) == [5, 7]
    assert_same(*runs)


def test_an_error_of_the_progress_function_saves_and_carries_the_run(tmp_path):
    def fail(now):
        if now.step == 3:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full") as caught:
        train(tmp_path, progress=fail)
    assert caught.value.run.history.sizes["step"] == 3 == steps(tmp_path)[-1]


def test_a_failing_save_carries_the_run(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoints, "_save", full)
    for options in ({}, {"progress": lambda now: now.step == 5}):
        with pytest.raises(OSError, match="no space left") as caught:
            train(tmp_path, **options)
        assert caught.value.run.history.sizes["step"] == 5


def test_it_works_where_an_event_loop_runs_as_in_a_notebook(tmp_path):
    async def main():
        train(tmp_path, progress=lambda now: now.step == 7)
        return train(tmp_path)

    assert_same(asyncio.run(main()), undisturbed())


# Killed

CHILD = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from helpers import small

moment, folder = int(sys.argv[1]), sys.argv[2]

def count(event, arguments):
    global moment
    if event == "step" or any(isinstance(one, str) and one.startswith(folder) for one in arguments):
        moment -= 1
        if moment == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
small.train(checkpoint=folder, epochs=3, progress=lambda now: sys.audit("step"))
print(moment)
"""


def killed(moment: int, folder: Path) -> bool:
    """Train in a process that is killed when it deals with a file in the folder, or ends a step, again."""
    code = CHILD.format(tests=str(Path(__file__).parents[1]))
    command = [sys.executable, "-c", code, str(moment), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.processes
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX systems")
def test_a_run_killed_at_any_moment_goes_on_to_the_same_bits(tmp_path):
    """In and around its saves; a moment counts from the start of the process."""
    chance = random.Random(0)
    moments = [chance.randrange(10, 70) for _ in range(3)]  # an undisturbed run has a hundred
    assert sum(killed(moment, tmp_path) for moment in moments) >= 2
    assert_same(train(tmp_path), undisturbed())
    assert len(steps(tmp_path)) <= 2  # and nothing that a killed save left behind


def test_a_checkpoint_that_was_half_removed_does_no_harm(folder):
    older = folder / str(min(steps(folder)))
    shutil.rmtree(older / "state")
    (older / "_CHECKPOINT_METADATA").unlink()
    assert_same(train(folder), undisturbed())


# Refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": 1}, ["its seed is 0, and in this call it is 1"]),
        ({"batch_size": 64}, ["its batch_size is 128, and in this call it is 64"]),
        ({"epochs": 4}, ["its epochs is 3, and in this call it is 4"]),
        ({"snapshots": 5}, ["its snapshots is 11, and in this call it is 5"]),
        ({"record": ["conv1"]}, ["its record is None, and in this call it is ['conv1']"]),
        ({"objective": mm.Objective(l1=0.5)}, ["its objective.l1 is 0.0, and in this call it is 0.5"]),
        ({"objective": mm.Objective(layers=["conv1"])}, ["objective.layers is None", "['conv1']"]),
        ({"model": lenet(1)}, ["its model at the start.conv1.kernel is 'float32[5,5,1,6] with checksum"]),
        (
            {"model": mm.LeNet(variant="classic", rngs=nnx.Rngs(0))},
            ["its model.variant is 'modern'", "classic"],
        ),
        ({"model": Norm(nnx.Rngs(0))}, ["its model is 'LeNet', and in this call it is 'Norm'"]),
        ({"optimiser": optax.sgd(1e-3)}, ["its optimiser.0.count is", "in this call it is None"]),
        ({"optimiser": optax.adam(2e-3)}, ["its size of the optimiser's first updates is"]),
        (
            {"data": mm.Dataset("others", digits().train, digits().test, digits().class_names)},
            ["its data.name is 'digits', and in this call it is 'others'"],
        ),
        (
            {"data": mm.Dataset("digits", digits().train[1:], digits().test, digits().class_names)},
            ["its data.train.images is 'float32[650,28,28,1]", "float32[649,28,28,1]"],
        ),
    ],
)
def test_a_run_with_other_arguments_is_refused(finished, options, words):
    before = steps(finished)
    with refuses("checkpoint is", finished, "another run", *words):
        train(finished, **options)
    assert steps(finished) == before


def test_what_is_no_folder_is_refused(tmp_path):
    with refuses("checkpoint is 3", error=TypeError):
        train(3)
    (tmp_path / "file").write_text("notes", encoding="utf-8")
    with refuses("checkpoint is", tmp_path / "file", "a file; it takes a folder"):
        train(tmp_path / "file")
    with refuses("checkpoint is", tmp_path, "holds 'file'"):
        train(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def orbax_save(folder: Path, about: dict | None) -> None:
    import orbax.checkpoint as ocp

    items = {"state": ocp.args.StandardSave([np.zeros(3)])}
    if about is not None:
        items["about"] = ocp.args.JsonSave(about)
    with ocp.CheckpointManager(folder, item_names=tuple(items)) as manager:
        manager.save(1, args=ocp.args.Composite(**items))
        manager.wait_until_finished()


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (None, ["cannot be read"]),
        ({}, ["cannot be read", "format"]),
        ({"format": "other", "version": 1}, ["holds checkpoints of 'other'"]),
        (
            {"format": "minmax_jax.fit", "version": 2, "minmax_jax": "9.1"},
            ["minmax_jax 9.1 in format 2", "newer"],
        ),
    ],
)
def test_checkpoints_of_others_are_refused(tmp_path, about, words):
    orbax_save(tmp_path, about)
    with refuses("checkpoint is", tmp_path, *words):
        train(tmp_path)
    assert steps(tmp_path) == [1]


@given(data=st.data())
@settings(max_examples=40)
def test_a_damaged_checkpoint_is_read_whole_or_refused(finished, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(finished, folder)
    newest = folder / str(STEPS)
    files = sorted(path for path in newest.rglob("*") if path.is_file())
    names = [path.relative_to(newest).parent.as_posix() for path in files]
    file = files[data.draw(st.integers(0, len(files) - 1), f"of {names}")]
    content = bytearray(file.read_bytes())
    kind = data.draw(st.sampled_from(["changed", "cut off", "removed"]))
    if kind == "removed":
        file.unlink()
    elif content:
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] ^= 1 << data.draw(st.integers(0, 7))
        file.write_bytes(content if kind == "changed" else content[:position])
    try:
        run = train(folder)
    except ValueError as error:
        assert "checkpoint is" in str(error) and str(folder) in str(error)
        shutil.rmtree(newest)
        run = train(folder)  # from the checkpoint before
    assert_same(run, undisturbed())


def test_what_is_kept_is_described_in_plain_text(finished):
    assert steps(finished) == [10, 15]
    about = json.loads((finished / "15" / "about" / "metadata").read_text("utf-8"))
    assert about["run"]["seed"] == 0 and about["arrays"][0]["dtype"] == "float32"
