"""``fit``: what it learns, what it records, and what becomes of a run that ends early."""

import os
import pickle
import signal
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

import minmax_jax as mm
from helpers import small
from helpers.refusal import unchecked
from helpers.small import Norm, digits, lenet, same_weights, train
from helpers.sweeping import Tiny
from minmax_jax.train_step import epoch_order
from minmax_jax.training.fit import even_split
from minmax_jax.training.trainer import Trainer

HALF = jnp.bfloat16


# A learning rate that explodes in the third update, so that the loss of the fourth step is no number.
EXPLODING = optax.sgd(optax.piecewise_constant_schedule(1e-3, {2: 1e30}))


@pytest.fixture
def run():
    return small.run()


@pytest.mark.versions
def test_the_same_arguments_give_the_same_bits_and_the_model_stays(run):
    model = lenet()
    model.train()
    again = train(model)
    assert same_weights(run.model, again.model) and same_weights(model, lenet())
    xr.testing.assert_identical(run.history, again.history)
    assert not same_weights(run.model, lenet()) and not same_weights(run.model, train(seed=1).model)


@pytest.mark.versions
def test_it_is_the_training_one_would_write_by_hand(run):
    """Against a plain loop of flax's own optimiser, on the same batches."""
    data, model = digits(), lenet()
    optimiser = nnx.Optimizer(model, optax.adam(1e-3), wrt=nnx.Param)
    losses = []

    @nnx.jit
    def step(model, optimiser, images, labels):
        def loss(model):
            return optax.softmax_cross_entropy_with_integer_labels(model(images), labels).mean()

        value, grads = nnx.value_and_grad(loss)(model)
        optimiser.update(model, grads)
        return value

    for epoch in (1, 2):
        for rows in np.asarray(epoch_order(jax.random.key(0), epoch, len(data.train), 128)):
            losses.append(float(step(model, optimiser, data.train.images[rows], data.train.labels[rows])))
    np.testing.assert_allclose(run.history.loss, losses, rtol=2e-4)
    for name, kernel in mm.kernels(model).items():
        np.testing.assert_allclose(run.history[f"kernel_{name}"][-1], kernel, atol=2e-4)
    assert float(run.history.test_accuracy[-1]) == mm.accuracy(run.model, data.test)


@pytest.mark.versions
def test_the_history_is_labelled_and_holds_every_kernel(run):
    history = run.history  # each step is a snapshot
    assert run.outcome == "finished" == history.attrs["outcome"]
    assert dict(history.sizes) | {"step": 10, "epoch": 2, "snapshot": 11} == dict(history.sizes)
    assert history.snapshot.values.tolist() == list(range(11))
    assert history.attrs["dataset"] == "digits" and history.attrs["seed"] == 0
    assert np.isfinite(history.loss).all() and history.loss[-1] < history.loss[0]
    assert list(history.layer) == list(mm.kernels(run.model)) == ["conv1", "conv2"]
    for layer, end in mm.kernels(run.model).items():
        kernel = history[f"kernel_{layer}"]
        np.testing.assert_array_equal(kernel[0], mm.kernels(lenet())[layer])
        np.testing.assert_array_equal(kernel[-1], end)
        np.testing.assert_array_equal(history[f"low_{layer}"], kernel.min("snapshot"))
        np.testing.assert_array_equal(history[f"high_{layer}"], kernel.max("snapshot"))
        choice = {"reading": "filter", "membership": "magnitude", "measure": "yager"}
        recorded = float(history.fuzziness.sel(layer=layer, **choice)[-1])
        assert recorded == pytest.approx(float(mm.fuzziness(end, **choice)), abs=1e-5)


class Narrow(nnx.Module):
    """With kernels of a narrow type, which netCDF does not know."""

    def __init__(self, dtype, rngs):
        self.conv = nnx.Conv(1, 3, (3, 3), strides=4, param_dtype=dtype, rngs=rngs)
        self.dense = nnx.Linear(3, 10, rngs=rngs)

    def __call__(self, images):
        return self.dense(nnx.relu(self.conv(images)).mean((1, 2)).astype(jnp.float32))


@pytest.mark.versions
@pytest.mark.parametrize("dtype", [jnp.bfloat16, pytest.param(jnp.float16, marks=pytest.mark.slow)])
def test_the_history_of_narrow_weights_survives_a_file_and_they_a_checkpoint(tmp_path, dtype):
    options = {"epochs": 1, "snapshots": 2, "segments": 1, "checkpoint": tmp_path / "run"}
    options["optimiser"] = optax.sgd(0.01)  # Adam divides by numbers that are too small for float16
    fixed = {"reading": "fixed", "bound": 0.3, "layers": ["conv"]}
    options["objective"] = mm.Objective(strength=jnp.float32(1), **fixed)
    run = train(Narrow(dtype, nnx.Rngs(0)), **options)
    assert run.history.attrs["objective_layers"] == "conv"
    run.history.to_netcdf(tmp_path / "history.nc")
    xr.testing.assert_equal(xr.load_dataset(tmp_path / "history.nc"), run.history)
    again = train(Narrow(dtype, nnx.Rngs(0)), **options)
    for model in (run.model, again.model):
        assert model.conv.kernel.dtype == dtype and same_weights(model, run.model)
    np.testing.assert_array_equal(run.history.kernel_conv[-1], run.model.conv.kernel[...].astype(jnp.float32))
    floats = [one.dtype for one in run.history.values() if one.dtype.kind != "i"]
    assert set(floats) <= {np.dtype("float32"), np.dtype("float64")}


def test_an_epoch_in_one_scan_is_an_epoch_in_many(run):
    seen = []
    whole = train(segments=1, snapshots=4, progress=seen.append)
    assert [now.step for now in seen] == [5, 10] and seen[-1].steps == 10
    assert [now.epoch for now in seen] == [1, 2] and seen[-1].test_accuracy > 0
    np.testing.assert_array_equal(run.history.loss, whole.history.loss)
    assert whole.history.snapshot.values.tolist() == [0, 3, 7, 10]
    for layer in ("conv1", "conv2"):
        name = f"kernel_{layer}"
        np.testing.assert_array_equal(whole.history[name], run.history[name][[0, 3, 7, 10]])


@given(st.integers(1, 1000))
def test_an_epoch_is_split_evenly(steps):
    pieces = even_split(steps)
    assert steps % pieces == 0 and 1 <= pieces <= 12
    assert not any(steps % more == 0 for more in range(pieces + 1, 13))


@pytest.mark.versions
def test_progress_is_told_after_every_segment(run, capsys):
    seen, histories = [], []

    def look(now):
        seen.append(now)
        histories.append(now.history())

    train(progress=look, segments=None)
    assert [now.step for now in seen] == list(range(1, 11))
    assert [now.test_accuracy is None for now in seen] == [True] * 4 + [False] * 6
    np.testing.assert_array_equal([now.loss for now in seen], run.history.loss)
    np.testing.assert_array_equal(histories[6].loss, run.history.loss[:7])
    assert histories[6].attrs["outcome"] == "running"
    train(progress=True)
    assert "epoch 2/2" in capsys.readouterr().err
    train(progress=False)
    assert not capsys.readouterr().err


def test_a_true_answer_of_progress_stops_and_keeps_what_was_learned(run):
    short = train(snapshots=2, progress=lambda now: now.step == 2)
    assert short.outcome == "stopped" == short.history.attrs["outcome"]
    assert short.history.sizes["step"] == 2 and short.history.sizes["epoch"] == 0
    assert short.history.snapshot.values.tolist() == [0, 2]  # the end, though no snapshot was due
    for name, kernel in mm.kernels(short.model).items():
        np.testing.assert_array_equal(short.history[f"kernel_{name}"][-1], kernel)
    np.testing.assert_allclose(short.history.loss, run.history.loss[:2], rtol=1e-6)


@pytest.mark.versions
def test_ctrl_c_returns_what_was_learned_so_far():
    def interrupt(now):
        if now.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    stopped = train(progress=interrupt)
    assert stopped.outcome == "stopped" and stopped.history.sizes["step"] >= 3
    assert not same_weights(stopped.model, lenet())


def pressed_in(monkeypatch, name: str, last: int):
    """Ctrl-C at the end of the ``last`` call of a method of the trainer."""
    method, calls = getattr(Trainer, name), []

    def interrupted(self, *arguments):
        found = method(self, *arguments)
        calls.append(None)
        if len(calls) == last:
            os.kill(os.getpid(), signal.SIGINT)
        return found

    monkeypatch.setattr(Trainer, name, interrupted)


@pytest.mark.parametrize(("method", "calls"), [("", 0), ("evaluate", 2), ("model", 3), ("history", 1)])
def test_ctrl_c_after_the_last_step_stops_the_caller_who_gets_the_run(run, monkeypatch, method, calls):
    """Pressed in the last report or test, or when the run is put together."""
    if method:
        pressed_in(monkeypatch, method, calls)
    last = 10 if not method else None
    with pytest.raises(KeyboardInterrupt) as caught:
        train(progress=lambda now: now.step == last and os.kill(os.getpid(), signal.SIGINT))
    assert caught.value.run.outcome == "finished" and same_weights(caught.value.run.model, run.model)
    xr.testing.assert_identical(caught.value.run.history, run.history)
    with pytest.raises(KeyboardInterrupt):  # and afterwards Ctrl-C works as before
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)


def test_a_second_ctrl_c_stops_the_caller_too(monkeypatch):
    pressed_in(monkeypatch, "history", 1)
    with pytest.raises(KeyboardInterrupt) as caught:
        train(progress=lambda now: now.step == 3 and os.kill(os.getpid(), signal.SIGINT))
    assert caught.value.run.outcome == "stopped" and caught.value.run.history.sizes["step"] == 3


def test_ctrl_c_while_a_diverged_run_is_put_together_stops_the_caller_too(monkeypatch):
    pressed_in(monkeypatch, "history", 1)
    with pytest.raises(KeyboardInterrupt) as caught:
        train(optimiser=EXPLODING)
    assert caught.value.run.outcome == "diverged" and isinstance(caught.value.__context__, mm.Diverged)


@pytest.mark.versions
@pytest.mark.parametrize("segments", [1, 5])
def test_divergence_keeps_the_last_weights_with_a_good_loss(segments):
    """Those before the third update: they gave the loss of the third step. They come out of a process."""
    words = r"diverged after step 2 of 10.*smaller learning rate"
    with pytest.raises(mm.Diverged, match=words) as caught:
        train(optimiser=EXPLODING, segments=segments)
    kept, again = caught.value.run, pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and same_weights(again.run.model, kept.model)
    xr.testing.assert_identical(again.run.history, kept.history)
    assert kept.outcome == "diverged" == kept.history.attrs["outcome"]
    good = train(optimiser=EXPLODING, progress=lambda now: now.step == 2)
    assert kept.history.sizes["step"] == 2
    np.testing.assert_allclose(kept.history.loss, good.history.loss, rtol=1e-6)
    for name, kernel in mm.kernels(good.model).items():
        np.testing.assert_allclose(mm.kernels(kept.model)[name], kernel, atol=1e-7)


def test_a_finite_but_hopeless_loss_has_diverged():
    with pytest.raises(mm.Diverged) as caught:
        train(optimiser=optax.sgd(1e4))
    kept = caught.value.run
    assert same_weights(kept.model, lenet())  # the very first update went wrong
    assert kept.history.sizes["step"] == 0 and kept.history.snapshot.values.tolist() == [0]


@pytest.mark.slow
def test_strength_lowers_and_raises_fuzziness():
    ends = [
        float(mm.fuzziness(train(epochs=6, objective=mm.Objective(strength=s)).model))
        for s in (-300.0, 0.0, 300.0)
    ]
    assert ends[0] > ends[1] > ends[2]


def test_another_strength_compiles_nothing_anew():
    traced = []

    def defence(model, images, labels, progress, key):
        traced.append(progress)  # when it is compiled, not when it runs
        value = optax.softmax_cross_entropy_with_integer_labels(model(images), labels).mean()
        return mm.defences.Measured(value, value, value)

    train(objective=mm.Objective(strength=0.5, defence=defence), epochs=1)
    before = len(traced)
    train(lenet(3), mm.Objective(strength=0.7, l1=1e-4, l2=1e-4, defence=defence), seed=5, epochs=1)
    assert len(traced) == before + 1  # in the check before training, which compiles nothing


@pytest.mark.versions
def test_state_that_is_no_parameter_is_trained_too():
    model = Norm(nnx.Rngs(0))
    model.train()
    run = train(model, epochs=1)
    assert not np.allclose(run.model.norm.mean[...], model.norm.mean[...])
    images = digits().test.images[:7]
    np.testing.assert_array_equal(run.model(images), run.model(images))  # evaluation: no dropout
    assert run.history.layer.values.tolist() == ["conv"]
    assert not model.dropout.deterministic and float(jnp.abs(model.norm.mean[...]).sum()) == 0


def test_dense_layers_are_recorded_and_nothing_else_is_learned(run):
    recorded = train(record=["conv2", "dense3"])
    history = recorded.history
    assert history.layer.values.tolist() == ["conv2", "dense3"]
    assert history.attrs["record"] == "conv2, dense3"
    assert history.kernel_dense3.dims == ("snapshot", "dense3_in", "dense3_out")
    for at, model in ((0, lenet()), (-1, recorded.model)):
        np.testing.assert_array_equal(history.kernel_dense3[at], model.dense3.kernel[...])
    np.testing.assert_array_equal(history.low_dense3, history.kernel_dense3.min("snapshot"))
    np.testing.assert_array_equal(history.high_dense3, history.kernel_dense3.max("snapshot"))
    last = history.fuzziness.sel(layer="dense3", reading="layer", membership="signed", measure="entropy")
    assert float(last[-1]) == pytest.approx(float(mm.fuzziness(recorded.model.dense3.kernel)), abs=1e-6)
    assert same_weights(recorded.model, run.model)
    xr.testing.assert_equal(history.kernel_conv2, run.history.kernel_conv2)
    xr.testing.assert_equal(history.loss, run.history.loss)


@unchecked()
def test_counts_of_numpy_count_as_pythons_own(run):
    options = {"epochs": np.int8(2), "batch_size": np.int16(128), "snapshots": np.array(11)}
    again = train(**options, segments=np.uint8(5), seed=jnp.int32(0))
    xr.testing.assert_identical(again.history, run.history)
    assert same_weights(again.model, run.model)


@pytest.mark.versions
@pytest.mark.parametrize(
    "optimiser",
    [
        optax.lbfgs(),
        optax.polyak_sgd(0.1),
        optax.chain(optax.adam(1e-3), optax.contrib.reduce_on_plateau(patience=1)),
        optax.contrib.sam(optax.sgd(0.1), optax.chain(optax.contrib.normalize(), optax.sgd(0.05))),
    ],
    ids=["lbfgs", "polyak_sgd", "reduce_on_plateau", "sam"],
)
def test_optimisers_that_ask_for_the_loss_and_others_learn(optimiser, tmp_path):
    found = train(Tiny(nnx.Rngs(0)), optimiser=optimiser, epochs=2, checkpoint=tmp_path / "run")
    losses = found.history.cross_entropy.values
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


@unchecked()
def test_a_network_in_half_precision_learns_by_a_loss_in_float32():
    def net():
        model = Tiny(nnx.Rngs(0))
        model.dense = nnx.Linear(98, 10, dtype=HALF, param_dtype=HALF, rngs=nnx.Rngs(1))
        return model

    objective = mm.Objective(0.5, l1=1e-4, defence=mm.defences.TRADES(0.1, steps=2))
    found = train(net(), objective)
    assert found.model.dense.kernel.dtype == HALF and found.history.loss.dtype == np.float32
    assert float(found.history.cross_entropy[-1]) < float(found.history.cross_entropy[0])


@pytest.mark.slow
@unchecked()
def test_double_precision_changes_no_type(run):
    with jax.enable_x64(True):
        found = train(mm.LeNet(rngs=nnx.Rngs(0)), mm.Objective(0.5, l2=1e-4))
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(found.model, nnx.Param))} == {
        np.dtype(np.float32)
    }
    assert found.history.loss.dtype == run.history.loss.dtype == np.float32
