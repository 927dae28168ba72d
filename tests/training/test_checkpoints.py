"""An interrupted run is resumed as if nothing had happened; other folders are refused by name."""

import asyncio
import json
import os
import random
import re
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

import minmax_jax as mm
from helpers import small
from helpers.arrays import full_disk
from helpers.refusal import refuses
from helpers.small import Norm, digits, lenet, same_weights
from minmax_jax.storage import archive
from minmax_jax.storage.digests import digest
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
    """Of the checkpoints in a folder, which holds nothing else but the note of whose they are."""
    names = sorted(entry.name for entry in folder.iterdir() if entry.name != "run.json")
    return [int(re.fullmatch(r"step-(\d{5})\.npz", name)[1]) for name in names]


def never(now):
    raise AssertionError("a finished run was trained")


@pytest.mark.versions
def test_a_stopped_run_is_resumed_to_the_same_bits(tmp_path, capsys):
    folder, before = tmp_path / "a" / "new one", 0
    for step in (1, 4, 5, 8, 10, 14):
        seen = []

        def stop(now, step=step, seen=seen):
            seen.append(now.step)
            return now.step == step

        assert train(folder, progress=stop).outcome == "stopped"
        assert seen == list(range(before + 1, step + 1))
        before = step
    assert_same(train(folder, progress=True, segments=None), undisturbed())
    shown = capsys.readouterr().err
    assert "14/15" in shown and " 0/15" not in shown
    assert steps(folder) == [14, 15]
    assert_same(train(str(folder), progress=never), undisturbed())


@pytest.mark.slow
def test_a_run_with_random_numbers_and_batch_statistics_is_resumed(tmp_path):
    train(tmp_path, model=Norm(nnx.Rngs(0)), progress=lambda now: now.step == 7)
    on = train(tmp_path, model=Norm(nnx.Rngs(0)), segments=1)
    whole = train(model=Norm(nnx.Rngs(0)))
    assert_same(on, whole)
    for name in ("mean", "var"):
        np.testing.assert_array_equal(getattr(on.model.norm, name)[...], getattr(whole.model.norm, name)[...])


@pytest.mark.versions
def test_what_is_kept_is_described_in_plain_text(finished):
    assert steps(finished) == [10, 15]
    note = json.loads((finished / "run.json").read_text("utf-8"))
    assert note["format"] == "minmax_jax run" and note["asked"]["seed"] == 0
    arrays, _ = archive.read(finished / "step-00015.npz")
    assert arrays["params.conv1.kernel"].shape == (5, 5, 1, 6) and arrays["test_accuracy"].shape == (3,)
    np.testing.assert_array_equal(arrays["loss"], undisturbed().history.loss)


# Ctrl-C and errors


def test_ctrl_c_before_the_test_of_an_epoch_loses_no_accuracy(tmp_path, monkeypatch):
    def interrupt(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "evaluate", interrupt)
        stopped = train(tmp_path)
    assert stopped.history.sizes["step"] == 5 and stopped.history.sizes["epoch"] == 0
    assert_same(train(tmp_path), undisturbed())


def test_ctrl_c_during_a_save_counts_after_it(tmp_path, monkeypatch):
    """Then the run has stopped; in the last save it is finished, and its caller is stopped."""
    write, when = archive.write, [5]

    def interrupted(file, *arguments):
        if file.stem == f"step-{when[0]:05d}":
            os.kill(os.getpid(), signal.SIGINT)
        write(file, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(archive, "write", interrupted)
        assert train(tmp_path).outcome == "stopped" and steps(tmp_path) == [5]
        when[0] = STEPS
        with pytest.raises(KeyboardInterrupt) as caught:
            train(tmp_path)
    assert steps(tmp_path) == [10, 15]
    assert_same(caught.value.run, undisturbed())
    assert_same(train(tmp_path, progress=never), undisturbed())


def test_ctrl_c_before_the_last_test_of_a_finished_run(tmp_path, monkeypatch):
    evaluate = Trainer.evaluate

    def interrupt(self):
        if self.steps == STEPS and not pressed:
            pressed.append(True)
            raise KeyboardInterrupt
        evaluate(self)

    pressed = []
    monkeypatch.setattr(Trainer, "evaluate", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        train(tmp_path)
    assert_same(caught.value.run, undisturbed())
    assert_same(train(tmp_path, progress=never), undisturbed())


def test_ctrl_c_before_the_first_step_returns_the_start(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "advance", interrupt)
        stopped = train(tmp_path)
    assert same_weights(stopped.model, lenet()) and stopped.outcome == "stopped"
    assert stopped.history.sizes["step"] == 0 and stopped.history.snapshot.values.tolist() == [0]
    assert list(tmp_path.iterdir()) == []  # so that another run may take the folder
    assert_same(train(tmp_path), undisturbed())


@pytest.mark.slow
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
            raise OSError("network down")

    with pytest.raises(OSError, match="network down") as caught:
        train(tmp_path, progress=fail)
    assert caught.value.run.outcome == "stopped"
    assert caught.value.run.history.sizes["step"] == 3 and steps(tmp_path) == [3]


def test_a_failing_save_carries_the_run(tmp_path, monkeypatch):
    full_disk(monkeypatch)
    for options in ({}, {"progress": lambda now: now.step == 4}):
        with pytest.raises(OSError, match="no space left") as caught:
            train(tmp_path, **options)
        assert caught.value.run.history.sizes["step"] == (4 if options else 5)


@pytest.mark.versions
@pytest.mark.parametrize("damaged", [1, 2])
def test_a_damaged_checkpoint_is_a_warning_and_the_one_before_is_taken(folder, damaged):
    for step in (15, 10)[:damaged]:
        file = folder / f"step-{step:05d}.npz"
        file.write_bytes(file.read_bytes()[:-100])
    seen = []
    with pytest.warns(UserWarning, match=r"step-000\d\d\.npz is cut off.*this step is done again") as caught:
        run = train(folder, progress=lambda now: seen.append(now.step))
    assert len(caught) == damaged and seen[0] == (11 if damaged == 1 else 1)
    assert_same(run, undisturbed())
    assert_same(train(folder, progress=never), undisturbed())


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
"""


def killed(moment: int, folder: Path) -> bool:
    """Train in a process that is killed when it deals with a file in the folder, or ends a step, again."""
    code = CHILD.format(tests=str(Path(__file__).parents[1]))
    command = [sys.executable, "-c", code, str(moment), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX systems")
def test_a_run_killed_at_any_moment_is_resumed_to_the_same_bits(tmp_path):
    """In and around its saves; a moment counts from the start of the process."""
    chance = random.Random(0)
    moments = [chance.randrange(1, 25) for _ in range(3)]  # an undisturbed run has 45
    assert sum(killed(moment, tmp_path) for moment in moments) >= 2
    assert_same(train(tmp_path), undisturbed())
    assert len(steps(tmp_path)) <= 2  # and nothing that a killed save left behind


# Of other runs and other programs


@pytest.mark.versions
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": 1}, ["its seed is 0, and in this call it is 1"]),
        ({"batch_size": 64}, ["its batch_size is 128, and in this call it is 64"]),
        ({"epochs": 2}, ["its epochs is 3, and in this call it is 2", "not shortened", "its model"]),
        ({"epochs": 4, "seed": 1}, ["its seed is 0, and in this call it is 1"]),
        ({"snapshots": 5}, ["its snapshots is 11, and in this call it is 5"]),
        ({"objective": mm.Objective(layers=["conv1"])}, ["objective.layers is None", "['conv1']"]),
        ({"record": ["conv1"]}, ["its record is None, and in this call it is ['conv1']"]),
        ({"objective": mm.Objective(l1=0.5)}, ["its objective.l1 is 0.0, and in this call it is 0.5"]),
        ({"model": lenet(1)}, ["its model at the start.conv1.kernel is 'float32[5,5,1,6] with checksum"]),
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
    with refuses(f"checkpoint {finished} belongs to another run", *words):
        train(finished, **options)
    assert steps(finished) == [10, 15]


BYTES = {"name": "any", "dtype": "uint8", "shape": [3]}


def orbax_save(folder: Path, step: int, about: dict, state: np.ndarray) -> None:
    """A checkpoint as earlier versions wrote them."""
    import orbax.checkpoint as ocp

    items = {"state": ocp.args.StandardSave([state]), "about": ocp.args.JsonSave(about)}
    with ocp.CheckpointManager(folder, item_names=tuple(items)) as manager:
        manager.save(step, args=ocp.args.Composite(**items))
        manager.wait_until_finished()


@pytest.mark.slow
def test_a_run_that_an_earlier_version_began_is_resumed(tmp_path):
    train(tmp_path / "new", progress=lambda now: now.step == 7)
    arrays, _ = archive.read(tmp_path / "new" / "step-00007.npz")
    del arrays["snapshot_steps"]  # which is newer
    state = np.concatenate([array.reshape(-1).view(np.uint8) for array in arrays.values()])
    about = {
        "format": "minmax_jax.fit",
        "version": 1,
        "run": json.loads((tmp_path / "new" / "run.json").read_text())["asked"],
        "arrays": [{"name": "any", "dtype": str(one.dtype), "shape": one.shape} for one in arrays.values()],
        "digest": digest(state),
    }
    orbax_save(tmp_path / "old", 7, about, state)
    with refuses("belongs to another run: its seed is 0, and in this call it is 1"):
        train(tmp_path / "old", seed=1)

    async def in_a_notebook(seen):
        return train(tmp_path / "old", progress=lambda now: seen.append(now.step))

    for expected in (list(range(8, 16)), []):
        seen = []
        assert_same(asyncio.run(in_a_notebook(seen)), undisturbed())
        assert seen == expected
    names = sorted(path.name for path in (tmp_path / "old").iterdir())
    assert names == ["7", "run.json", "step-00010.npz", "step-00015.npz"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({}, "KeyError: 'format'"),
        ({"format": "other", "version": 1}, "it is of 'other'"),
        (
            {
                "format": "minmax_jax.fit",
                "arrays": [{"dtype": "uint8", "shape": [3]}],
                "digest": "",
                "run": {},
            },
            "checksum",
        ),
    ],
)
def test_checkpoints_of_others_are_refused(tmp_path, about, words):
    orbax_save(tmp_path, 1, about, np.zeros(3, np.uint8))
    with refuses(f"checkpoint {tmp_path} holds checkpoints of an earlier version", words, "another folder"):
        train(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


# More epochs


@pytest.mark.parametrize(
    ("stop", "recorded"),
    [
        (None, [0, 5, 10, 15]),
        pytest.param(3, [0, 8, 15], marks=pytest.mark.slow),
        pytest.param(8, [0, 5, 15], marks=pytest.mark.slow),
    ],
)
def test_a_run_is_prolonged_to_the_bits_of_one_that_was_longer_from_the_start(tmp_path, stop, recorded):
    """But for the steps of its snapshots: those of the first call as far as it went, then of the second."""
    train(tmp_path, epochs=2, snapshots=3, progress=lambda now: now.step == stop)
    assert train(tmp_path, snapshots=3, progress=lambda now: now.step == 12).outcome == "stopped"
    longer, whole = train(tmp_path, snapshots=3), train(snapshots=16)
    assert longer.history.snapshot.values.tolist() == recorded and longer.history.attrs["epochs"] == 3
    xr.testing.assert_equal(longer.history, whole.history.sel(snapshot=recorded))
    assert longer.outcome == "finished" and same_weights(longer.model, whole.model)
    assert_same(train(tmp_path, snapshots=3, progress=never), longer)
    with refuses("its epochs is 3, and in this call it is 2"):
        train(tmp_path, epochs=2, snapshots=3)


@pytest.mark.slow
def test_a_run_with_a_defence_is_not_prolonged(tmp_path):
    defended = mm.Objective(defence=mm.defences.fast_adversarial(0.1))
    train(tmp_path, objective=defended, epochs=1)
    with refuses("its epochs is 1, and in this call it is 2. The schedule of a defence", "another folder"):
        train(tmp_path, objective=defended, epochs=2)
