"""The group's setting: what is said of it, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.linear import batch, linear_model
from minmax_jax.models.pixels import OnPixels, Squashed, Standardised
from minmax_jax.study.design.fidelity import ARMS, EPS, FGSM, PLAIN, InTurn, Rebuilt, decaying, unclipped


def test_arms_are_named_apart_and_train_by_their_fields():
    names = [arm.name for arm in ARMS]
    assert len(set(names)) == len(names) == 18
    assert {"plain, 10 epochs", "fgsm, 30 epochs", "l1 - l2 1, both, tuned, 10 epochs"} < set(names)
    assert {arm.start for arm in ARMS if arm.tuned} == {PLAIN} and PLAIN.start is None
    assert (PLAIN.passes, FGSM.passes) == (10, 20)
    (term,) = Rebuilt("l1 - l2", 0.1, "both").training(100)["objective"].terms
    kernels = mm.kernels(PLAIN.model(0, small=True))
    assert term.strength == 0.1 and list(term.layers) == list(kernels)
    assert PLAIN.training(100)["objective"].terms == () and PLAIN.training(100)["objective"].defence is None
    defence = FGSM.training(100)["objective"].defence
    assert (defence.eps, defence.steps) == (EPS, 100) and pytest.approx(0.3 * 0.3081, abs=1e-4) == EPS


def test_the_network_is_the_groups_on_standardised_images():
    model, images = PLAIN.model(3, small=True), mm.load("mnist").test.images[:4]
    inner = mm.LeNet(initialiser="torch", rngs=nnx.Rngs(3))
    np.testing.assert_allclose(model(images), inner((images - 0.1307) / 0.3081), atol=1e-5)
    kernel = model.network.conv1.kernel[...]
    assert 0.19 < jnp.abs(kernel).max() <= 0.2
    squashed = OnPixels(inner, Squashed(20.0, 0.5))
    np.testing.assert_allclose(squashed(images), inner(1 / (1 + np.exp(-20 * (images - 0.5)))), atol=1e-5)
    assert hash(Standardised()) == hash(Standardised()) and "0.3081" in repr(Standardised())


def test_the_rate_falls_after_each_epoch_of_the_groups():
    """For a gradient that stays as it is, Adam's step is its rate."""
    for arm, epoch in ((PLAIN, 2), (FGSM, 4)):  # one of FGSM's has a clean and an attacked step a batch
        optimiser = arm.training(2 * arm.passes)["optimiser"]
        assert optimiser is decaying(epoch)
        state, steps = optimiser.init(jnp.zeros(1)), []
        for _ in range(2 * epoch + 1):
            update, state = optimiser.update(jnp.ones(1), state)
            steps.append(-float(update[0]))
        expected = 1e-3 * 0.95 ** (np.arange(2 * epoch + 1) // epoch)
        np.testing.assert_allclose(steps, expected, rtol=1e-4)


def test_clean_and_attacked_steps_come_in_turn():
    model, w = linear_model()
    images, labels = batch(0.0, 0.05)
    moved = unclipped(model, images, labels, EPS)
    away = np.where(np.asarray(labels)[:, None, None, None] == 1, -np.sign(w), np.sign(w))
    np.testing.assert_allclose(moved, images + EPS * away, atol=1e-6)
    assert moved.min() < 0  # it may leave the box
    steps = 2 * 30 * 859
    defence, key = InTurn(EPS, steps), jax.random.key(0)
    progress = np.arange(steps, dtype=np.float32) / np.float32(steps)
    assert (np.round(progress * steps) == np.arange(steps)).all()
    for step, seen in ((0, images), (1, moved), (steps - 2, images), (steps - 1, moved)):
        loss, fit, _ = defence(model, images, labels, jnp.float32(progress[step]), key)
        assert (
            float(loss)
            == float(fit)
            == pytest.approx(float(mm.objective.cross_entropy(model(seen), labels)), rel=1e-5)
        )
