"""``sweep``: each model as ``fit`` trains it, kept on disk, stopped, killed, and gone on with."""

import random
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
import xarray as xr
from flax import nnx

import minmax_jax as mm
from helpers import small
from helpers.refusal import refuses
from helpers.small import Norm, digits, lenet, same_weights
from helpers.sweeping import MANY, Tiny, assert_equal, assert_equal_to_file, sweep, threads

SCRIPT = Path(__file__).parents[1] / "helpers/sweeping.py"
SGD = optax.sgd(0.05)
STRENGTHS, SEEDS = (0.0, 0.5), (0, 3)


@cache
def of_lenets() -> mm.Sweep:
    return sweep(mm.LeNet)


@cache
def of_tiny() -> mm.Sweep:
    return sweep()


@pytest.fixture
def calls(monkeypatch):
    """The seeds of each group that is trained."""
    train, seen = sys.modules["minmax_jax.sweeps.sweep"].train_group, []

    def counted(*arguments):
        seen.append(arguments[4])
        return train(*arguments)

    monkeypatch.setattr(sys.modules["minmax_jax.sweeps.sweep"], "train_group", counted)
    return seen


@pytest.fixture
def stalling(monkeypatch):
    """Only two groups get trained; the others are worked at until the sweep is stopped."""
    train, seen = sys.modules["minmax_jax.sweeps.sweep"].train_group, []

    def stall(*arguments):
        seen.append(arguments)
        if len(seen) <= 2:
            return train(*arguments)
        while not arguments[-1]():
            time.sleep(0.01)
        return None

    monkeypatch.setattr(sys.modules["minmax_jax.sweeps.sweep"], "train_group", stall)
    return seen


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("seed", SEEDS)
def test_each_model_is_the_one_that_fit_trains(strength, seed):
    run = small.train(lenet(seed), mm.Objective(strength), seed=seed)
    model = of_lenets().model(strength=strength, seed=seed)
    assert same_weights(model, run.model)
    row = of_lenets().results.sel(strength=strength, seed=seed)
    assert str(row.outcome.values) == "finished"
    for name in ("loss", "cross_entropy"):
        means = run.history[name].values.reshape(2, 5).mean(1)
        np.testing.assert_allclose(row[name][1:], means, rtol=1e-6)
    np.testing.assert_array_equal(row.train_accuracy[1:], run.history.train_accuracy)
    np.testing.assert_array_equal(row.test_accuracy[1:], run.history.test_accuracy)
    assert float(row.test_accuracy[-1]) == mm.accuracy(model, digits().test)
    for end in (0, -1):  # the history has one reading more
        recorded = run.history.fuzziness[end].sel(reading=row.reading)
        np.testing.assert_allclose(row.fuzziness[end], recorded, atol=1e-6)


def test_fuzziness_is_that_of_the_model_in_every_way_to_measure_it():
    model = of_lenets().model(strength=0.5, seed=3)
    table = of_lenets().results.fuzziness.sel(strength=0.5, seed=3, epoch=2)
    assert table.sizes == {"layer": 2, "reading": 3, "membership": 2, "measure": 4}
    for cell in table.stack(cell=table.dims).transpose("cell"):
        layer, reading, membership, measure = (str(name) for name in cell.cell.item())
        options = {"reading": reading, "membership": membership, "measure": measure}
        assert float(cell) == pytest.approx(
            float(mm.fuzziness(mm.kernels(model)[layer], **options)), abs=1e-5
        )


def test_epoch_0_is_the_model_before_training_and_the_same_for_all_strengths():
    start = of_lenets().results.sel(epoch=0)
    for seed in SEEDS:
        accuracy = mm.accuracy(lenet(seed), digits().test)
        np.testing.assert_array_equal(start.test_accuracy.sel(seed=seed), [accuracy] * 2)
        choice = {"seed": seed, "reading": "layer", "membership": "signed", "measure": "entropy"}
        table = start.fuzziness.sel(choice)
        np.testing.assert_array_equal(table[0], table[1])
        for layer, kernel in mm.kernels(lenet(seed)).items():
            np.testing.assert_allclose(table.sel(layer=layer), float(mm.fuzziness(kernel)), atol=1e-5)
    assert np.isnan(start.loss).all() and np.isnan(start.train_accuracy).all()


def test_a_model_with_batch_statistics_and_dropout_is_trained_as_by_fit():
    done = sweep(Norm, seeds=[3])
    run = mm.fit(Norm(nnx.Rngs(3)), digits(), mm.Objective(0.5), epochs=2, seed=3, progress=False)
    model = done.model(strength=0.5, seed=3)
    assert same_weights(model, run.model)
    np.testing.assert_array_equal(model.norm.mean[...], run.model.norm.mean[...])
    assert int(model.dropout.rngs.count[...]) == int(run.model.dropout.rngs.count[...])
    images = digits().test.images[:9]
    np.testing.assert_array_equal(model(images), run.model(images))
    np.testing.assert_array_equal(model(images), model(images))  # evaluation mode: no dropout


@pytest.mark.parametrize("group", [2, 3])
def test_groups_of_several_agree_with_groups_of_one(group, calls):
    """Within the rounding of ten steps, and with the last group not full."""
    options = {"optimiser": SGD, "seeds": [0, 3, 4, 5, 9], "objectives": [0.5]}
    alone, together = sweep(**options, group=1), sweep(**options, group=group)
    assert [len(seeds) for seeds in calls] == [1] * 5 + [group] * -(-5 // group)
    for name, array in alone.weights.items():
        np.testing.assert_allclose(together.weights[name], array, rtol=1e-4, atol=2e-6)
    xr.testing.assert_allclose(alone.results, together.results, rtol=1e-4, atol=2e-6)
    assert (together.results.outcome == "finished").all()


def test_objectives_that_differ_in_more_than_strength():
    """Different programs in one sweep: each as it is alone."""
    objectives = [0.5, mm.Objective(0.5, reading="filter", measure="linear"), mm.Objective(1.0, l2=0.1)]
    done = sweep(objectives=objectives, group=2, optimiser=SGD)
    results = done.results
    assert results.loss.dims == ("objective", "seed", "epoch")
    assert results.objective.values.tolist() == [0, 1, 2]
    assert results.objective_strength.values.tolist() == [0.5, 0.5, 1.0]
    assert results.objective_reading.values.tolist() == ["layer", "filter", "layer"]
    assert results.objective_measure.values.tolist() == ["entropy", "linear", "entropy"]
    assert results.objective_l2.values.tolist() == [0, 0, 0.1]
    assert results.reading.values.tolist() == ["layer", "filter", "fixed"]
    assert not any(name.startswith("objective") for name in results.attrs)
    for number, objective in enumerate(objectives[1:], 1):
        run = mm.fit(Tiny(nnx.Rngs(3)), digits(), objective, epochs=2, optimiser=SGD, seed=3, progress=False)
        model = done.model(objective=number, seed=3)
        for name, kernel in mm.kernels(run.model).items():
            np.testing.assert_allclose(mm.kernels(model)[name], kernel, rtol=1e-4, atol=2e-6)


def test_what_diverges_does_not_disturb_the_others():
    """The learning rate of the second epoch is too large for one strength alone."""
    growing = optax.sgd(optax.piecewise_constant_schedule(1e-12, {5: 1e10}))
    calm = sweep(optimiser=growing)
    wild = sweep(objectives=[0.0, 1e10, 0.5], optimiser=growing)
    assert wild.results.outcome.values.tolist() == [["finished"] * 2, ["diverged"] * 2, ["finished"] * 2]
    xr.testing.assert_equal(wild.results.sel(strength=[0.0, 0.5]), calm.results)
    for name, array in wild.weights.items():
        assert np.isfinite(array).all()
        np.testing.assert_array_equal(array[[0, 2]], calm.weights[name])
    lost = wild.results.sel(strength=1e10)
    for name in ("loss", "cross_entropy", "train_accuracy", "test_accuracy", "fuzziness"):
        assert np.isnan(lost[name].sel(epoch=2)).all() and np.isfinite(lost[name].sel(epoch=1)).all()
    model = wild.model(strength=1e10, seed=0)
    assert mm.accuracy(model, digits().test) == float(lost.test_accuracy.sel(seed=0, epoch=1))


def test_a_sweep_with_a_folder_is_gone_on_with(tmp_path, calls):
    first = sweep(folder=tmp_path / "runs")
    assert len(calls) == 4
    assert_equal(first, of_tiny())
    calls.clear()
    assert_equal(sweep(folder=str(tmp_path / "runs")), first)
    assert not calls
    files = sorted((tmp_path / "runs").glob("group-*"))
    assert len(files) == 4
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:500])
    with pytest.warns(UserWarning, match=r"group-00002\.npz is cut off.*this group is done again"):
        again = sweep(folder=tmp_path / "runs")
    assert sorted(seed for (seed,) in calls) == [0, 3]  # the cells (0.0, 3) and (0.5, 0)
    assert_equal(again, first)


def test_a_sweep_of_lanes_is_gone_on_with(tmp_path, calls):
    options = {"group": 3, "model": Norm, "objectives": [0.5, 1.0], "folder": tmp_path}
    first = sweep(**options)
    (tmp_path / "group-00001.npz").unlink()
    calls.clear()
    assert_equal(sweep(**options), first)
    assert calls == [[3, 3, 3]]  # one cell is left over, and its group filled up


@pytest.fixture(scope="module")
def kept_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    sweep(folder=folder)
    return folder


class Other(Tiny):
    """Of another name, and the same otherwise."""


def wider(rngs):
    return nnx.Sequential(Tiny(rngs))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seeds": [0, 4]}, ["its seeds is [0, 3], and in this call it is [0, 4]"]),
        ({"objectives": [0.0, 0.6]}, ["its objectives is"]),
        ({"objectives": [0.1, 0.5]}, ["its objective.strength is 0.0, and in this call it is 0.1"]),
        ({"epochs": 3}, ["its epochs is 2, and in this call it is 3"]),
        ({"batch_size": 64}, ["its batch_size is 128"]),
        ({"group": 2}, ["its group is 1, and in this call it is 2"]),
        ({"optimiser": optax.adam(2e-3)}, ["optimiser"]),
        ({"model": Other}, ["model", "'Tiny'", "'Other'"]),
        ({"model": wider}, ["model"]),
        ({"model": lambda rngs: Tiny(nnx.Rngs(7))}, ["model at the start"]),
        (
            {"data": mm.Dataset("digits", digits().train[1:], digits().test, digits().class_names)},
            ["data.train.images"],
        ),
    ],
)
def test_the_folder_of_another_sweep_is_refused(kept_folder, options, words, calls):
    with refuses(kept_folder, "belongs to another sweep", *words):
        sweep(**options, folder=kept_folder)
    assert not calls


def test_a_folder_that_is_none_of_ours_is_refused_before_training(tmp_path, calls):
    (tmp_path / "notes.txt").touch()
    with refuses("holds other files"):
        sweep(folder=tmp_path)
    with refuses("which is a file"):
        sweep(folder=tmp_path / "notes.txt")
    (tmp_path / "sweep.json").write_text("{")
    with refuses("damaged or from elsewhere"):
        sweep(folder=tmp_path)
    assert not calls


@pytest.mark.parametrize("answer", ["true", "ctrl-c"])
def test_a_stopped_sweep_returns_what_is_finished_and_is_gone_on_with(
    tmp_path, stalling, answer, monkeypatch
):
    before = threads()

    def stop(now):
        if answer == "ctrl-c" and now.groups == 2:
            raise KeyboardInterrupt
        return now.groups == 2

    done = sweep(folder=tmp_path, progress=stop)
    assert threads() == before
    assert (done.results.outcome == "finished").sum() == 2
    missing = done.results.outcome == "missing"
    assert missing.sum() == 2
    assert done.results.test_accuracy.where(missing, 0).isnull().sum() == 2 * 3
    strength, seed = next(
        (float(row.strength), int(row.seed)) for row in missing.stack(cell=("strength", "seed")) if bool(row)
    )
    with refuses("was not trained: the sweep was stopped"):
        done.model(strength=strength, seed=seed)
    monkeypatch.undo()
    assert_equal(sweep(folder=tmp_path), of_tiny())


def test_a_sweep_stopped_before_anything_is_finished(tmp_path, stalling):
    stalling.extend([None, None])
    with pytest.raises(RuntimeError, match="stopped before its first group was finished"):
        sweep(progress=lambda now: True)


def test_an_error_of_the_progress_function_leaves_a_folder_to_go_on_with(tmp_path, stalling, monkeypatch):
    before = threads()

    def fail(now):
        if now.groups == 2:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        sweep(folder=tmp_path, progress=fail)
    assert threads() == before
    assert len(list(tmp_path.glob("group-*.npz"))) == 2
    monkeypatch.undo()
    assert_equal(sweep(folder=tmp_path), of_tiny())


def test_progress_tells_of_groups_and_epochs():
    seen = []
    sweep(progress=seen.append)
    assert len(seen) == 4 * 2 + 4 and (seen[-1].groups, seen[-1].epochs) == (4, 8)
    assert all(now.of_groups == 4 and now.of_epochs == 8 and now.seconds_left >= 0 for now in seen)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model": lenet()}, TypeError, ["model must be a function of rngs, such as mm.LeNet, got a LeNet"]),
        ({"model": 3}, TypeError, ["model must be a function, got a int"]),
        ({"model": lambda rngs: 3}, TypeError, ["model must be a flax, got a int"]),
        ({"model": lambda rngs: mm.LeNet(classes=7, rngs=rngs)}, ValueError, ["logits of shape (1, 7)"]),
        ({"data": "mnist"}, TypeError, ["data is a str"]),
        ({"objectives": []}, ValueError, ["objectives is empty"]),
        ({"objectives": [0.5, 0.5]}, ValueError, ["objectives holds", "twice"]),
        ({"objectives": "0.5"}, TypeError, ["objectives is '0.5'"]),
        ({"objectives": [mm.Objective(layers=["conv9"])]}, ValueError, ["layers is", "conv9"]),
        ({"objectives": [0.0, mm.Objective(1.0, layers=["conv9"])]}, ValueError, ["layers is", "conv9"]),
        ({"seeds": []}, ValueError, ["seeds is empty"]),
        ({"seeds": [1, 1]}, ValueError, ["seeds holds 1 twice"]),
        ({"seeds": [-1]}, ValueError, ["seeds is -1"]),
        ({"seeds": "01"}, TypeError, ["seeds is '01'"]),
        ({"epochs": 0}, ValueError, ["epochs must be at least 1, got 0"]),
        ({"epochs": 1.0}, TypeError, ["epochs must be an int, got 1.0"]),
        ({"batch_size": 651}, ValueError, ["batch_size is 651"]),
        ({"optimiser": 0.1}, TypeError, ["optimiser is a float"]),
        ({"group": 0}, ValueError, ["group must be at least 1, got 0"]),
        ({"group": 2.0}, TypeError, ["group must be an int, got 2.0"]),
        ({"devices": []}, ValueError, ["devices must be one or more of this process, got []"]),
    ],
)
def test_unfit_arguments_are_named(options, error, words, calls):
    with refuses(*words, error=error):
        sweep(**options)
    assert not calls


def test_on_accelerators_models_share_out_in_groups_of_many():
    from unittest.mock import Mock

    from minmax_jax.sweeps.sweep import _lanes

    gpu, cpu = Mock(jax.Device, platform="gpu"), Mock(jax.Device, platform="cpu")
    assert _lanes(100, [cpu] * 2) == 1
    assert [_lanes(models, [gpu] * 8) for models in (1, 8, 9, 100, 10_000)] == [1, 1, 2, 13, 256]


def files(folder):
    """What identifies each finished file and when it was written."""
    found = [(path, path.stat()) for path in folder.glob("*") if path.suffix != ".tmp"]
    return {path.name: (stat.st_ino, stat.st_mtime_ns) for path, stat in found}


@pytest.mark.processes
def test_a_sweep_killed_again_and_again_comes_to_the_same_end(tmp_path):
    """Killed before its first group, while it writes one, and in between; nothing is written twice."""
    chance = random.Random(20)
    folder, out = tmp_path / "runs", tmp_path / "results.npz"

    def start(dies_at=0):
        command = [sys.executable, SCRIPT, "kept", out, folder, str(dies_at)]
        return subprocess.Popen([str(word) for word in command])

    def kill(process, finished):
        """After a random time, once ``finished`` groups are in the folder."""
        end = time.monotonic() + 300
        while process.poll() is None and (not folder.exists() or len(files(folder)) <= finished):
            assert time.monotonic() < end, "nothing is written"
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.5))
        process.kill()
        assert process.wait(60) in (-signal.SIGKILL, 0)

    written = {}

    def nothing_is_written_twice():
        now = files(folder)
        assert written.items() <= now.items()
        written.update(now)

    kill(start(), 0)
    nothing_is_written_twice()
    ended = start(dies_at=3).wait(300)
    nothing_is_written_twice()
    if len(written) < 13:  # unless the machine was so slow to kill that the first one came to its end
        assert ended == -signal.SIGKILL and list(folder.glob("group-*.tmp"))
    kill(start(), len(written))
    nothing_is_written_twice()
    assert start().wait(300) == 0
    nothing_is_written_twice()
    assert len(written) == 13
    expected = sweep(**MANY)
    assert_equal_to_file(expected, out)
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert_equal(sweep(**MANY, folder=copy), expected)


@pytest.mark.processes
def test_all_devices_have_their_share_and_give_the_same_bits(tmp_path):
    """On eight devices that are simulated on the CPU."""
    out = tmp_path / "results.npz"
    subprocess.run([sys.executable, SCRIPT, "devices", out, "8"], check=True, timeout=600)
    assert_equal_to_file(sweep(seeds=range(8)), out)
