"""``sweep``: each model as ``fit`` trains it, kept on disk, stopped, and resumed."""

import os
import signal
import sys
import time
from functools import cache
from unittest.mock import Mock

import jax
import numpy as np
import optax
import pytest
import xarray as xr
from flax import nnx

import minmax_jax as mm
from helpers import small
from helpers.refusal import refuses, unchecked
from helpers.small import Norm, digits, lenet, same_weights
from helpers.sweeping import Tiny, assert_equal, of_tiny, sweep, threads
from minmax_jax.sweeps.sweep import group_size

SGD = optax.sgd(0.05)
SEEDS = (0, 3)


@cache
def of_lenets() -> mm.Sweep:
    return sweep(mm.LeNet)


def counted(**options) -> tuple[mm.Sweep, int]:
    """A sweep, and how many groups it trained."""
    seen = []
    done = sweep(progress=seen.append, **options)
    return done, seen[-1].of_epochs // 2 if seen else 0


@pytest.fixture
def stalling(monkeypatch):
    """Only two groups get trained; the others are worked at until the sweep is stopped."""
    module = sys.modules["minmax_jax.sweeps.sweep"]
    train, seen = module.train_group, []

    def stall(*arguments):
        seen.append(arguments)
        if len(seen) <= 2:
            return train(*arguments)
        while not arguments[-1](0):
            time.sleep(0.01)
        return None

    monkeypatch.setattr(module, "train_group", stall)
    return seen


@pytest.mark.parametrize("strength", [0.0, 0.5])
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
    for end in (0, -1):  # before training and after it; the history has one reading more
        recorded = run.history.fuzziness[end].sel(reading=row.reading)
        np.testing.assert_allclose(row.fuzziness[end], recorded, atol=1e-6)


def test_epoch_0_is_the_model_before_training_and_the_same_for_all_strengths():
    start = of_lenets().results.sel(epoch=0)
    for seed in SEEDS:
        accuracy = mm.accuracy(lenet(seed), digits().test)
        np.testing.assert_array_equal(start.test_accuracy.sel(seed=seed), [accuracy] * 2)
        table = start.fuzziness.sel(seed=seed, reading="layer", membership="signed", measure="entropy")
        np.testing.assert_array_equal(table[0], table[1])
        for layer, kernel in mm.kernels(lenet(seed)).items():
            np.testing.assert_allclose(table.sel(layer=layer), float(mm.fuzziness(kernel)), atol=1e-5)
    assert np.isnan(start.loss).all() and np.isnan(start.train_accuracy).all()


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(("group", "model"), [(2, Tiny), (3, Norm)])
def test_groups_of_several_agree_with_groups_of_one(group, model):
    """Within the rounding of ten steps, and with the last group not full."""
    options = {"model": model, "optimiser": SGD, "seeds": [0, 3, 4, 5, 9], "objectives": [0.5]}
    alone, number = counted(**options, group=1)
    together, fewer = counted(**options, group=group)
    assert number == 5 and fewer == -(-5 // group)
    for name, array in alone.weights.items():
        np.testing.assert_allclose(together.weights[name], array, rtol=1e-4, atol=2e-6)
    xr.testing.assert_allclose(alone.results, together.results, rtol=1e-4, atol=2e-6)
    assert (together.results.outcome == "finished").all()


@pytest.mark.slow
def test_objectives_of_different_programs_are_each_as_alone():
    objectives = [0.5, mm.Objective(0.5, reading="filter", measure="linear"), mm.Objective(1.0, l2=0.1)]
    done = sweep(objectives=objectives, group=2, optimiser=SGD)
    for number, objective in enumerate(objectives[1:], 1):
        run = mm.fit(Tiny(nnx.Rngs(3)), digits(), objective, epochs=2, optimiser=SGD, seed=3, progress=False)
        model = done.model(objective=number, seed=3)
        for name, kernel in mm.kernels(run.model).items():
            np.testing.assert_allclose(mm.kernels(model)[name], kernel, rtol=1e-4, atol=2e-6)


@pytest.mark.slow
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


def test_a_folder_keeps_what_is_finished_and_only_the_rest_is_trained(tmp_path):
    folder = tmp_path / "runs"
    first, trained = counted(folder=folder)
    assert trained == 4
    assert_equal(first, of_tiny())
    again, trained = counted(folder=str(folder))
    assert trained == 0
    assert_equal(again, first)
    files = sorted(folder.glob("group-*"))
    assert len(files) == 4
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:500])
    with pytest.warns(UserWarning, match=r"group-00002\.npz is cut off.*this group is done again"):
        again, trained = counted(folder=folder)
    assert trained == 2
    assert_equal(again, first)


@pytest.mark.slow
def test_a_group_that_is_not_full_is_resumed_too(tmp_path):
    options = {"group": 3, "model": Norm, "objectives": [0.5, 1.0], "folder": tmp_path}
    first = sweep(**options)
    (tmp_path / "group-00001.npz").unlink()  # one model is left over for it
    again, trained = counted(**options)
    assert trained == 1
    assert_equal(again, first)


def ctrl_c():
    raise KeyboardInterrupt


def fail():
    raise OSError("disk full")


@pytest.mark.parametrize("end", [lambda: True, ctrl_c, fail])
def test_a_stopped_sweep_keeps_what_is_finished_and_is_resumed(tmp_path, stalling, end, monkeypatch):
    before = threads()

    def progress(now):
        return now.groups == 2 and end()

    if end is fail:
        with pytest.raises(OSError, match="disk full"):
            sweep(folder=tmp_path, progress=progress)
    else:
        done = sweep(folder=tmp_path, progress=progress)
        missing = done.results.outcome == "missing"
        assert missing.sum() == 2 == (done.results.outcome == "finished").sum()
        assert done.results.test_accuracy.where(missing, 0).isnull().sum() == 2 * 3
        cell = next(one for one in missing.stack(cell=("strength", "seed")) if bool(one))
        with refuses("was not trained: the sweep was stopped"):
            done.model(strength=float(cell.strength), seed=int(cell.seed))
    assert threads() == before and len(list(tmp_path.glob("group-*.npz"))) == 2
    monkeypatch.undo()
    assert_equal(sweep(folder=tmp_path), of_tiny())


def press(*_):
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("late", [False, True])
def test_ctrl_c_after_the_last_group_stops_the_caller_who_gets_the_sweep(monkeypatch, late):
    """At once when the last group is finished, or when the sweep is put together."""
    if late:
        module = sys.modules["minmax_jax.sweeps.sweep"]
        assemble = module.assemble
        monkeypatch.setattr(module, "assemble", lambda *given: press() or assemble(*given))
    with pytest.raises(KeyboardInterrupt) as caught:
        sweep(progress=lambda now: now.groups == now.of_groups and not late and press())
    assert_equal(caught.value.sweep, of_tiny())


def test_ctrl_c_before_the_first_group_stops_the_caller():
    with pytest.raises(KeyboardInterrupt):
        sweep(epochs=50, progress=press)


def test_a_sweep_stopped_before_anything_is_finished(stalling):
    stalling.extend([None, None])
    with pytest.raises(RuntimeError, match="stopped before its first group was finished"):
        sweep(progress=lambda now: True)


def test_progress_tells_of_groups_and_epochs(capsys):
    seen = []
    sweep(progress=seen.append)
    assert len(seen) == 4 * 2 + 4 and all(isinstance(now, mm.SweepProgress) for now in seen)
    assert (seen[-1].groups, seen[-1].epochs, seen[-1].seconds_left) == (4, 8, 0)
    assert all(now.of_groups == 4 and now.of_epochs == 8 for now in seen)
    for now in seen:  # the rest takes as long for each epoch as what is done
        assert now.seconds_left == pytest.approx(now.seconds / now.epochs * (8 - now.epochs))
    sweep(progress=True)
    drawn = capsys.readouterr().err
    assert "8/8" in drawn and "groups=4/4" in drawn and "epoch" in drawn


def test_on_accelerators_models_share_out_in_groups_of_many():
    gpu, cpu = Mock(jax.Device, platform="gpu"), Mock(jax.Device, platform="cpu")
    assert group_size(100, [cpu] * 2) == 1
    assert [group_size(models, [gpu] * 8) for models in (1, 8, 9, 100, 10_000)] == [1, 1, 2, 13, 256]


@unchecked()
def test_counts_of_numpy_count_as_pythons_own():
    counts = {"epochs": np.int8(2), "batch_size": np.int16(128), "group": np.uint8(1)}
    assert_equal(sweep(**counts, seeds=np.array([0, 3], np.int8)), of_tiny())


@pytest.mark.slow
def test_double_precision_changes_no_type():
    with jax.enable_x64(True):
        found = sweep()
    assert found.results.loss.dtype == np.float32
    assert {name: array.dtype for name, array in found.weights.items()} == {
        name: array.dtype for name, array in of_tiny().weights.items()
    }
