"""Training under a defence: its schedule, its random numbers, going on, sweeps, and what is recorded."""

from dataclasses import dataclass, replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr
from flax import nnx

import minmax_jax as mm
from helpers.refusal import refuses
from helpers.small import Norm, digits, same_weights
from helpers.sweeping import Tiny, assert_equal, sweep
from minmax_jax.defences import IBP, TRADES, Adversarial
from minmax_jax.objective import Measured, cross_entropy
from minmax_jax.train_step import Course, epoch_order, initial_state, train_steps
from minmax_jax.training import ADAM

ADVERSARIAL = mm.Objective(defence=Adversarial(0.2, steps=2, warmup=0.5))


def train(objective=ADVERSARIAL, **options):
    """Two epochs of five steps."""
    chosen = {"model": Tiny(nnx.Rngs(0)), "data": digits(), "epochs": 2, "progress": False, "segments": 5}
    return mm.fit(**chosen | options, objective=objective)


@cache
def run():
    return train()


def assert_same(one, other):
    xr.testing.assert_identical(one.history, other.history)
    assert same_weights(one.model, other.model)


# The course of a run


def test_moments_tell_how_far_a_run_is():
    key = jax.random.key(3)
    progress, drawn = Course(key, 6, 10).moment(jnp.asarray(2))
    assert float(progress) == pytest.approx(0.8)
    assert drawn == jax.random.fold_in(jax.random.fold_in(key, 0), 8)
    assert Course(key, 8, 10).moment(jnp.asarray(0))[1] == drawn
    epochs = [jax.random.fold_in(key, epoch) for epoch in range(1, 4)]  # as the batches are drawn
    assert drawn not in epochs


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


def test_it_is_the_training_one_would_write_by_hand():
    """A plain loop over the same batches, with the attack spelled out."""
    data, model = digits(), Tiny(nnx.Rngs(0))
    optimiser = nnx.Optimizer(model, optax.sgd(0.05), wrt=nnx.Param)
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
    got = train(optimiser=optax.sgd(0.05))
    np.testing.assert_allclose(got.history.loss, losses, rtol=1e-3)
    for name, kernel in mm.kernels(model).items():
        np.testing.assert_allclose(mm.kernels(got.model)[name], kernel, atol=1e-3)


@pytest.mark.parametrize("defence", [Adversarial(0.0), TRADES(0.2, beta=0.0)])
def test_a_defence_of_no_strength_trains_as_none_does(defence):
    plain = train(mm.Objective(), optimiser=optax.sgd(0.05))
    got = train(mm.Objective(defence=defence), optimiser=optax.sgd(0.05))
    for name in ("loss", "cross_entropy"):
        np.testing.assert_allclose(got.history[name], plain.history[name], rtol=1e-4)
    np.testing.assert_allclose(got.history.kernel_conv[-1], plain.history.kernel_conv[-1], atol=1e-5)


def test_a_defence_needs_to_know_the_course():
    definition, state = initial_state(Tiny(nnx.Rngs(0)), ADAM, 0)
    images, labels = jnp.asarray(digits().train.images), jnp.asarray(digits().train.labels)
    with pytest.raises(TypeError, match="course is None"):
        order = np.zeros((1, 2), int)
        train_steps(definition, ADAM, ADVERSARIAL, state, images, labels, order, np.zeros(1, int))


# The same bits


@pytest.mark.parametrize("options", [{"segments": 1}, {"segments": 2}, {"devices": jax.devices()[:1]}])
def test_the_same_bits_in_any_pieces(options):
    assert_same(train(**options), run())


@pytest.mark.parametrize("model", [Tiny, Norm])
@pytest.mark.parametrize("stop", [3, 5, 8])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, stop, model):
    stopped = train(model=model(nnx.Rngs(0)), checkpoint=tmp_path, progress=lambda now: now.step == stop)
    assert stopped.history.sizes["step"] == stop
    assert_same(train(model=model(nnx.Rngs(0)), checkpoint=tmp_path), train(model=model(nnx.Rngs(0))))


def test_another_seed_draws_other_images():
    data = digits()
    one, other = (train(seed=seed, data=data, epochs=1, batch_size=650) for seed in (0, 1))
    assert float(one.history.loss[0]) == pytest.approx(float(other.history.loss[0]), rel=1e-5)  # eps = 0
    late = mm.Objective(defence=Adversarial(0.2, steps=1))
    one, other = (train(late, seed=seed, epochs=1, batch_size=650).history.loss[0] for seed in (0, 1))
    assert one != other  # of all images, so that only the random starts differ


def test_another_checkpoint_is_refused_by_the_defence_that_made_it(tmp_path):
    train(checkpoint=tmp_path, epochs=1)
    with refuses("objective.defence is", "Adversarial(eps=0.2", "Adversarial(eps=0.1"):
        other = replace(ADVERSARIAL.defence, eps=0.1)
        train(mm.Objective(defence=other), checkpoint=tmp_path, epochs=1)
    with refuses("objective.defence is", "None"):
        train(mm.Objective(), checkpoint=tmp_path, epochs=1)


def test_another_radius_compiles_nothing_anew():
    run()
    compiled = train_steps._cache_size()
    train(mm.Objective(0.1, l1=1e-4, defence=Adversarial(0.1, steps=2, warmup=0.2)), seed=4)
    assert train_steps._cache_size() == compiled


# What is recorded


def test_the_history_tells_the_defence_and_survives_a_file(tmp_path):
    history = train(mm.Objective(defence=TRADES(0.2, beta=2.0, steps=1)), epochs=1).history
    assert history.attrs["objective_defence"].startswith("TRADES(eps=0.2, beta=2.0, steps=1,")
    assert history.attrs["objective_defence_eps"] == 0.2 and history.attrs["objective_defence_beta"] == 2
    assert "as the defence measures it" in history.train_accuracy.attrs["long_name"]
    history.to_netcdf(tmp_path / "history.nc")
    xr.testing.assert_equal(xr.load_dataset(tmp_path / "history.nc"), history)
    plain = train(mm.Objective(), epochs=1).history
    assert not any("defence" in name for name in plain.attrs)
    assert "defence" not in plain.train_accuracy.attrs["long_name"]


def test_train_accuracy_is_under_attack():
    """At a learning rate of zero the model stays, so the attack can be repeated."""
    got = train(mm.Objective(defence=Adversarial(0.3, steps=3)), optimiser=optax.sgd(0.0), epochs=1)
    plain = train(mm.Objective(), optimiser=optax.sgd(0.0), epochs=1)
    assert float(got.history.train_accuracy[0]) < float(plain.history.train_accuracy[0])
    np.testing.assert_array_equal(got.history.test_accuracy, plain.history.test_accuracy)
    np.testing.assert_array_equal(got.history.loss, got.history.cross_entropy)
    assert (got.history.loss > plain.history.loss).all()


def test_it_adds_to_fuzziness_and_penalties():
    objective = replace(ADVERSARIAL, strength=0.5, l2=0.01)
    history = train(objective, optimiser=optax.sgd(0.0), epochs=1).history
    np.testing.assert_allclose(
        history.loss - history.cross_entropy, float(objective.penalty(Tiny(nnx.Rngs(0)))), rtol=1e-4
    )
    assert history.attrs["objective_strength"] == 0.5


# Optimisers


def test_a_schedule_of_optax_sets_the_learning_rate():
    """Warm-up and decay: at the peak a step is as long as its rate says, at the end next to none."""
    rate = optax.warmup_cosine_decay_schedule(0.0, 0.1, 4, 10, 0.0)
    history = train(optimiser=optax.sgd(rate)).history
    moves = np.abs(np.diff(history.kernel_conv, axis=0)).sum((1, 2, 3, 4))
    assert moves[0] == 0 and moves[-1] < moves.max() / 5 and moves[1:9].min() > 0
    at_once = train(optimiser=optax.sgd(0.1)).history
    assert not np.array_equal(at_once.kernel_conv[-1], history.kernel_conv[-1])


def test_a_rate_that_is_far_too_large_diverges_and_says_what_may_help():
    with pytest.raises(mm.Diverged, match="warm-up of a defence") as caught:
        train(optimiser=optax.sgd(1e12))
    assert caught.value.run.history.attrs["outcome"] == "diverged"


# Sweeps


def test_each_model_of_a_sweep_is_the_one_that_fit_trains():
    objectives = [mm.Objective(defence=Adversarial(eps, steps=2)) for eps in (0.1, 0.2)]
    done = sweep(objectives=objectives, seeds=[3])
    assert done.results.loss.dims == ("objective", "seed", "epoch")
    assert done.results.objective_defence_eps.values.tolist() == [0.1, 0.2]
    assert done.results.objective_defence.values[1] == repr(objectives[1].defence)
    assert "as the defence measures it" in done.results.train_accuracy.attrs["long_name"]
    for number, objective in enumerate(objectives):
        alone = train(objective, model=Tiny(nnx.Rngs(3)), seed=3)
        assert same_weights(done.model(objective=number, seed=3), alone.model)
        row = done.results.isel(objective=number, seed=0)
        np.testing.assert_array_equal(row.train_accuracy[1:], alone.history.train_accuracy)


@pytest.mark.parametrize(
    ("name", "base"),
    [
        # By "l2" the attack is continuous: the sign of a gradient near zero would make much of its rounding.
        ("eps", Adversarial(1.0, steps=2, norm="l2", warmup=0.5)),
        ("beta", TRADES(1.0, steps=2, norm="l2", warmup=0.5)),
    ],
)
def test_radii_and_betas_train_as_lanes_of_one_program(name, base):
    defences = [replace(base, **{name: value}) for value in (0.5, 1.0, 2.0)]
    objectives = [mm.Objective(defence=defence) for defence in defences]
    options = {"objectives": objectives, "seeds": [0], "optimiser": optax.sgd(0.05)}
    alone, together = sweep(**options, group=1), sweep(**options, group=3)
    for weight, array in alone.weights.items():
        np.testing.assert_allclose(together.weights[weight], array, rtol=1e-3, atol=1e-5)
    assert len({float(loss) for loss in together.results.loss[:, 0, -1]}) == 3


def test_a_sweep_of_defences_and_strengths_keeps_what_it_finished(tmp_path):
    objectives = [0.5, ADVERSARIAL, mm.Objective(defence=TRADES(0.1, steps=1)), mm.Objective(defence=halved)]
    first = sweep(objectives=objectives, seeds=[0], folder=tmp_path)
    results = first.results
    assert results.objective_defence.values[0] == "None" and "0x" not in results.objective_defence.values[3]
    np.testing.assert_array_equal(results.objective_defence_beta, [np.nan, np.nan, 6, np.nan])
    np.testing.assert_array_equal(results.objective_defence_eps, [np.nan, 0.2, 0.1, np.nan])
    assert "0x" not in (tmp_path / "sweep.json").read_text()
    (tmp_path / "group-00001.npz").unlink()
    assert_equal(sweep(objectives=objectives, seeds=[0], folder=tmp_path), first)
    with refuses("another sweep", "objectives"):
        sweep(objectives=objectives[:3], seeds=[0], folder=tmp_path)


# Defences of one's own


def halved(model, images, labels, progress, key):
    """Training on images of half the contrast."""
    logits = model(images / 2)
    loss = cross_entropy(logits, labels)
    return loss, loss, (logits.argmax(-1) == labels).mean()


def test_a_function_is_a_defence():
    got = train(mm.Objective(defence=halved), optimiser=optax.sgd(0.05))
    data = digits()
    dark = mm.Dataset("dark", mm.Split(data.train.images / 2, data.train.labels), data.test)
    by_hand = train(mm.Objective(), data=dark, optimiser=optax.sgd(0.05))
    np.testing.assert_allclose(got.history.loss, by_hand.history.loss, rtol=1e-4)
    assert "halved" in got.history.attrs["objective_defence"]
    compiled = train_steps._cache_size()
    train(mm.Objective(0.3, defence=halved), optimiser=optax.sgd(0.05))  # a new optimiser, but no new defence
    assert train_steps._cache_size() == compiled + 1


class Smoothed:
    """Label smoothing, as a pytree of one number."""

    def __init__(self, share):
        self.share = share

    def __call__(self, model, images, labels, progress, key):
        logits = model(images)
        soft = optax.smooth_labels(jax.nn.one_hot(labels, 10), self.share)
        loss = optax.softmax_cross_entropy(logits, soft).mean()
        return Measured(loss, cross_entropy(logits, labels), (logits.argmax(-1) == labels).mean())


jax.tree_util.register_pytree_node(
    Smoothed, lambda one: ((one.share,), None), lambda _, leaves: Smoothed(*leaves)
)


def test_a_pytree_is_a_defence_and_its_leaves_are_traced():
    first = train(mm.Objective(defence=Smoothed(0.1)))
    compiled = train_steps._cache_size()
    other = train(mm.Objective(defence=Smoothed(0.5)))
    assert train_steps._cache_size() == compiled
    assert (first.history.loss > first.history.cross_entropy).any()
    assert not same_weights(first.model, other.model)


@pytest.mark.parametrize(
    ("defence", "words"),
    [
        (0.3, ["defence is 0.3", "mm.defences.Adversarial"]),
        ("pgd", ["defence is 'pgd'"]),
        (Adversarial, ["defence is <class", "mm.defences.Adversarial(eps=0.3)"]),
    ],
)
def test_what_cannot_be_called_is_no_defence(defence, words):
    with refuses(*words, error=TypeError):
        mm.Objective(defence=defence)


def test_a_defence_without_a_hash_is_refused():
    class Listed:
        __hash__ = None

        def __call__(self, *_):
            pass

    with refuses("no hash", error=TypeError):
        mm.Objective(defence=Listed())


@pytest.mark.parametrize("start", [train, lambda objective: sweep(objectives=[objective])])
def test_a_defence_that_gives_no_three_numbers_is_refused(start):
    def two(model, images, labels, progress, key):
        loss = cross_entropy(model(images), labels)
        return loss, loss

    def rows(model, images, labels, progress, key):
        logits = model(images)
        return logits.sum(), logits.sum(), logits[:, 0]

    for defence in (two, rows):
        with refuses(f"{defence.__name__}", "three numbers", error=TypeError):
            start(mm.Objective(defence=defence))


def test_a_model_that_bounds_cannot_go_through_is_refused_before_training():
    with refuses("model", "LeNet", error=TypeError):
        train(mm.Objective(defence=IBP(0.1)))


def test_objectives_read_as_before_without_a_defence():
    """Folders of sweeps tell by it what they hold."""
    assert repr(mm.Objective(0.5)) == (
        "Objective(strength=0.5, reading='layer', membership='signed', measure='entropy', p=3.0, bound=None, "
        "layers=None, l1=0.0, l2=0.0)"
    )
    assert repr(ADVERSARIAL).endswith(f"l2=0.0, defence={ADVERSARIAL.defence!r})")
