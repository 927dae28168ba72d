"""Training under a defence: its schedule, its random numbers, resumption, sweeps, and what is recorded."""

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr
from flax import nnx

import minmax_jax as mm
from helpers.refusal import refuses
from helpers.small import digits, same_weights
from helpers.sweeping import Tiny, assert_equal, sweep
from minmax_jax.defences import TRADES, Adversarial
from minmax_jax.objective import Measured, cross_entropy
from minmax_jax.train_step import Course, epoch_order

pytestmark = pytest.mark.slow

ADVERSARIAL = mm.Objective(defence=Adversarial(0.2, steps=2, warmup=0.5))
SGD = optax.sgd(0.05)


def train(objective=ADVERSARIAL, **options):
    """Two epochs of five steps."""
    chosen = {"model": Tiny(nnx.Rngs(0)), "data": digits(), "epochs": 2, "progress": False, "segments": 5}
    return mm.fit(**chosen | options, objective=objective)


# The course of a run


@dataclass(frozen=True)
class Diary:
    """A defence that trains on nothing, and records its moment in place of cross-entropy and accuracy."""

    def __call__(self, model, images, labels, progress, key):
        return cross_entropy(model(images), labels), progress, jax.random.uniform(key)


def test_every_step_has_its_own_moment():
    history = train(mm.Objective(defence=Diary()), segments=3).history
    np.testing.assert_allclose(history.cross_entropy, np.arange(10) / 10, rtol=1e-6)
    keys = [jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 0), step) for step in range(10)]
    draws = np.array([float(jax.random.uniform(key)) for key in keys]).reshape(2, 5)
    np.testing.assert_allclose(history.train_accuracy, draws.mean(1), rtol=1e-5)
    progress, drawn = Course(jax.random.key(0), 6, 10).moment(jnp.asarray(2))
    assert float(progress) == pytest.approx(0.8) and drawn == keys[8]
    batches = [jax.random.fold_in(jax.random.key(0), epoch) for epoch in range(1, 4)]
    assert not any(key in batches for key in keys)


def test_it_is_the_training_one_would_write_by_hand():
    """A plain loop over the same batches, with the attack spelled out."""
    data, model = digits(), Tiny(nnx.Rngs(0))
    optimiser = nnx.Optimizer(model, SGD, wrt=nnx.Param)
    losses = []

    @nnx.jit
    def step(model, optimiser, images, labels, eps, key):
        attacked = images + eps * jax.random.uniform(key, images.shape, minval=-1, maxval=1)
        attacked = jnp.clip(attacked, 0, 1)
        for _ in range(2):
            gradient = jax.grad(lambda x: cross_entropy(model(x), labels))(attacked)
            attacked = attacked + 1.25 * eps * jnp.sign(gradient)
            attacked = jnp.clip(jnp.clip(attacked, images - eps, images + eps), 0, 1)
        value, grads = nnx.value_and_grad(lambda m: cross_entropy(m(attacked), labels))(model)
        optimiser.update(model, grads)
        return value

    for epoch in (1, 2):
        for rows in np.asarray(epoch_order(jax.random.key(0), epoch, len(data.train), 128)):
            done = len(losses)
            eps = 0.2 * min(1, done / 10 / 0.5)
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 0), done)
            images, labels = data.train.images[rows], data.train.labels[rows]
            losses.append(float(step(model, optimiser, images, labels, jnp.float32(eps), key)))
    got = train(optimiser=SGD)
    np.testing.assert_allclose(got.history.loss, losses, rtol=1e-3)
    for name, kernel in mm.kernels(model).items():
        np.testing.assert_allclose(mm.kernels(got.model)[name], kernel, atol=1e-3)


# The same bits


def test_a_stopped_run_resumes_to_the_same_bits_in_other_pieces(tmp_path):
    stopped = train(checkpoint=tmp_path, progress=lambda now: now.step == 3)
    assert stopped.history.sizes["step"] == 3
    resumed, whole = train(checkpoint=tmp_path), train(segments=2)
    xr.testing.assert_identical(resumed.history, whole.history)
    assert same_weights(resumed.model, whole.model)
    for other in (mm.Objective(), replace(ADVERSARIAL, defence=replace(ADVERSARIAL.defence, eps=0.1))):
        with refuses("objective.defence", "Adversarial(eps=0.2", repr(other.defence)):
            train(other, checkpoint=tmp_path)


# What is recorded


def test_the_history_tells_the_defence_and_survives_a_file(tmp_path):
    history = train(mm.Objective(defence=TRADES(0.2, beta=2.0, steps=1)), epochs=1).history
    assert history.attrs["objective_defence"].startswith("TRADES(eps=0.2, beta=2.0, steps=1,")
    assert history.attrs["objective_defence_eps"] == 0.2 and history.attrs["objective_defence_beta"] == 2
    assert "as the defence measures it" in history.train_accuracy.attrs["long_name"]
    history.to_netcdf(tmp_path / "history.nc")
    xr.testing.assert_equal(xr.load_dataset(tmp_path / "history.nc"), history)


def test_train_accuracy_is_under_attack_and_penalties_are_added():
    """At a learning rate of zero the model stays, so the attack can be repeated."""
    rest = optax.sgd(0.0)
    objective = mm.Objective(strength=0.5, l2=0.01, defence=Adversarial(0.3, steps=3))
    got = train(objective, optimiser=rest, epochs=1).history
    plain = train(mm.Objective(), optimiser=rest, epochs=1).history
    assert float(got.train_accuracy[0]) < float(plain.train_accuracy[0])
    np.testing.assert_array_equal(got.test_accuracy, plain.test_accuracy)
    assert (got.cross_entropy > plain.loss).all()
    penalty = float(objective.penalty(Tiny(nnx.Rngs(0))))
    np.testing.assert_allclose(got.loss - got.cross_entropy, penalty, rtol=1e-4)
    assert not any("defence" in name for name in plain.attrs)
    assert "defence" not in plain.train_accuracy.attrs["long_name"]


def test_a_rate_that_is_far_too_large_diverges_and_says_what_may_help():
    with pytest.raises(mm.Diverged, match="warm-up of a defence") as caught:
        train(optimiser=optax.sgd(1e12))
    assert caught.value.run.history.attrs["outcome"] == "diverged"


# Sweeps


def halved(model, images, labels, progress, key):
    """A defence of one's own: training on images of half the contrast."""
    logits = model(images / 2)
    loss = cross_entropy(logits, labels)
    return loss, loss, (logits.argmax(-1) == labels).mean()


def test_a_sweep_of_defences_trains_as_fit_does_and_keeps_what_it_finished(tmp_path):
    defences = [Adversarial(0.2, steps=2), None, TRADES(0.1, steps=1), halved]
    objectives = [mm.Objective(defence=defence) for defence in defences]
    first = sweep(objectives=objectives, seeds=[3], folder=tmp_path)
    results = first.results
    assert results.loss.dims == ("objective", "seed", "epoch")
    assert results.objective_defence.values[0] == repr(defences[0])
    assert results.objective_defence.values[1] == "None" and "0x" not in results.objective_defence.values[3]
    np.testing.assert_array_equal(results.objective_defence_beta, [np.nan, np.nan, 6, np.nan])
    np.testing.assert_array_equal(results.objective_defence_eps, [0.2, np.nan, 0.1, np.nan])
    assert "as the defence measures it" in results.train_accuracy.attrs["long_name"]
    for number, objective in enumerate(objectives[::2]):
        alone = train(objective, model=Tiny(nnx.Rngs(3)), seed=3)
        assert same_weights(first.model(objective=2 * number, seed=3), alone.model)
        row = results.isel(objective=2 * number, seed=0)
        np.testing.assert_array_equal(row.train_accuracy[1:], alone.history.train_accuracy)
    (tmp_path / "group-00001.npz").unlink()
    assert_equal(sweep(objectives=objectives, seeds=[3], folder=tmp_path), first)
    with refuses("objectives"):
        sweep(objectives=objectives[:3], seeds=[3], folder=tmp_path)


@pytest.mark.parametrize("name", ["eps", "beta"])
def test_radii_and_betas_train_side_by_side_in_one_program(name):
    """By "l2" the attack is continuous: the sign of a gradient near zero would make much of its rounding."""
    base = {"eps": Adversarial, "beta": TRADES}[name](1.0, steps=2, norm="l2", warmup=0.5)
    objectives = [mm.Objective(defence=replace(base, **{name: value})) for value in (0.5, 1.0, 2.0)]
    alone, together = (
        sweep(objectives=objectives, seeds=[0], optimiser=SGD, group=group) for group in (1, 3)
    )
    for weight, array in alone.weights.items():
        np.testing.assert_allclose(together.weights[weight], array, rtol=1e-3, atol=1e-5)
    assert len({float(loss) for loss in together.results.loss[:, 0, -1]}) == 3


# Defences of one's own


class Smoothed:
    """Label smoothing, as a pytree of one number, which counts how often it is traced."""

    traces = 0

    def __init__(self, share):
        self.share = share

    def __call__(self, model, images, labels, progress, key):
        Smoothed.traces += 1
        logits = model(images)
        soft = optax.smooth_labels(jax.nn.one_hot(labels, 10), self.share)
        loss = optax.softmax_cross_entropy(logits, soft).mean()
        return Measured(loss, cross_entropy(logits, labels), (logits.argmax(-1) == labels).mean())


jax.tree_util.register_pytree_node(
    Smoothed, lambda one: ((one.share,), None), lambda _, leaves: Smoothed(*leaves)
)


def test_a_pytree_is_a_defence_and_its_leaves_are_traced():
    first = train(mm.Objective(defence=Smoothed(0.1)))
    once, Smoothed.traces = Smoothed.traces, 0
    other = train(mm.Objective(0.1, l1=1e-4, defence=Smoothed(0.5)), seed=4)
    assert Smoothed.traces < once  # that of the check before a run, but none of the training step
    assert (first.history.loss > first.history.cross_entropy).any()
    assert not same_weights(first.model, other.model)


# Several devices

SCRIPT = """
import sys

import jax
import numpy as np

jax.config.update("jax_num_cpu_devices", 4)

from test_training import train_by_l2

history = train_by_l2(devices=jax.devices()).history
assert len(jax.devices()) == 4
np.savez(sys.argv[1], loss=history.loss.values, kernel=history.kernel_conv.values[-1])
"""


def train_by_l2(**options):
    objective = mm.Objective(defence=Adversarial(1.5, steps=2, norm="l2", warmup=0.5))
    return train(objective, batch_size=64, optimiser=SGD, **options)


@pytest.mark.processes
def test_divided_batches_are_attacked_from_the_same_random_starts(tmp_path):
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent), os.environ["PYTHONPATH"]])
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "divided.npz")]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    found, alone = np.load(tmp_path / "divided.npz"), train_by_l2().history
    np.testing.assert_allclose(found["loss"], alone.loss, rtol=1e-3)
    np.testing.assert_allclose(found["kernel"], alone.kernel_conv[-1], atol=1e-3)
