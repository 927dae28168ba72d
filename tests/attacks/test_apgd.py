"""Auto-PGD: exact on linear models, and stronger than plain steps of the same number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.attacked import broken, curved, right
from helpers.linear import SHAPE, batch, linear_model, margins, worst_in_box
from minmax_jax.attacks import apgd, apgd_targeted, pgd
from minmax_jax.attacks.apgd_run import leg_ends
from minmax_jax.attacks.ball import NORMS

pytestmark = pytest.mark.slow

LINEAR, W = linear_model()
DUAL = {"linf": np.abs(W).sum(), "l2": np.sqrt(np.square(W).sum()), "l1": np.abs(W).max()}
FOUR = np.random.default_rng(5).normal(size=(*SHAPE, 4)).astype(np.float32)
FOUR -= FOUR.mean((0, 1, 2), keepdims=True)  # so that grey images lean to no class

attack = jax.jit(apgd, static_argnames=("model", "norm", "loss", "steps", "restarts"))
attack_targets = jax.jit(apgd_targeted, static_argnames=("model", "norm", "target_classes", "steps"))


def four(images):
    """A linear model of four classes."""
    return jnp.einsum("nhwc,hwck->nk", images, FOUR)


def near(low=0.1, high=1.0, n=12):
    """Images away from the box, of margins from low to high under the linear model, and their labels."""
    images, labels = batch(0.45, 0.55, n=n)
    wanted = (2 * np.asarray(labels) - 1) * np.linspace(low, high, n)
    shift = (wanted - (np.float64(images) * W).sum((1, 2, 3)) + 0.5) / np.abs(W).sum()
    return (images + shift[:, None, None, None] * np.sign(W)).astype(jnp.float32), labels


@pytest.mark.parametrize("norm", NORMS)
def test_it_is_exact_on_a_linear_model_away_from_the_box(norm):
    images, labels = near()
    eps = 0.4 / DUAL[norm]  # takes that much off the margin
    assert eps < min(images.min(), 1 - images.max())
    worst = margins(images, labels, W) - 0.4
    got = attack(LINEAR, images, labels, eps, norm=norm, steps=100)
    found = broken(LINEAR, got, labels)
    np.testing.assert_array_equal(found, worst < 0)
    assert 0 < found.sum() < 12
    np.testing.assert_allclose(margins(got, labels, W)[~found], worst[~found], atol=1e-3)


@pytest.mark.parametrize("eps", [0.15, 0.3])
def test_at_the_box_each_pixel_goes_as_far_as_it_can(eps):
    images, labels = right(LINEAR, n=40)
    worst = worst_in_box(images, labels, W, eps)
    found = margins(worst, labels, W) < 0
    assert 0 < found.sum() < 40
    got = attack(LINEAR, images, labels, eps, steps=10)
    np.testing.assert_array_equal(broken(LINEAR, got, labels), found)
    np.testing.assert_allclose(got[~found], worst[~found], atol=1e-6)


def tied():
    """Images for which the linear model of four classes all but ties the other three, and their labels."""
    images, _ = batch(0.4, 0.6, n=24)
    w = np.float64(FOUR).reshape(-1, 4)
    rng = np.random.default_rng(7)
    wanted = rng.uniform(-0.02, 0, (24, 4))
    wanted[np.arange(24), np.arange(24) % 4] = rng.uniform(0.05, 0.25, 24)
    flat = np.asarray(images, np.float64).reshape(24, -1)
    moved = flat + (wanted - flat @ w) @ np.linalg.pinv(w)
    return jnp.asarray(moved.reshape(images.shape), jnp.float32), jnp.asarray(wanted.argmax(1))


def test_towards_each_class_in_turn_is_exact_on_a_linear_model_of_four():
    images, labels = tied()
    eps = 0.006
    assert eps < min(images.min(), 1 - images.max())
    w = np.float64(FOUR).reshape(-1, 4)
    logits = np.asarray(images, np.float64).reshape(24, -1) @ w
    own = np.arange(24), np.asarray(labels)
    worst = logits[own][:, None] - logits - eps * np.abs(w[:, own[1]].T[:, :, None] - w[None]).sum(1)
    worst[own] = np.inf
    got = attack_targets(four, images, labels, eps, steps=20)
    found = broken(four, got, labels)
    np.testing.assert_array_equal(found, worst.min(1) < 0)
    assert 0 < found.sum() < 24
    np.testing.assert_array_equal(got[~found], images[~found])
    one = broken(four, attack_targets(four, images, labels, eps, steps=20, target_classes=1), labels)
    assert (found >= one).all()
    assert found.sum() > one.sum()


def test_with_targets_it_goes_on_until_it_is_there():
    net, images, labels = curved()
    targets = (labels + 2) % 4
    got = attack(net, images, labels, 0.4, loss="dlr", targets=targets, steps=10)
    assert (net(got).argmax(-1) == targets).mean() > 0.8


def test_it_beats_plain_steps_of_the_same_number():
    net, images, labels = curved()
    plain = jax.jit(pgd, static_argnames=("model", "steps"))(net, images, labels, 0.05, steps=10)
    auto = attack(net, images, labels, 0.05, steps=10)
    assert broken(net, auto, labels).sum() >= broken(net, plain, labels).sum()


def test_legs_double_until_all_evaluations_are_done():
    assert [leg_ends(n).tolist() for n in (1, 2, 3, 20)] == [[0, 1], [0, 2], [0, 2, 3], [0, 2, 4, 8, 16, 20]]
