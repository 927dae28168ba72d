"""Auto-PGD: in the ball, never worse than no attack, exact on linear models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.filled import filled
from helpers.linear import SHAPE, Curved, batch, linear_model, margins, worst_in_box
from helpers.refusal import refuses
from minmax_jax.attacks.apgd import apgd, apgd_targeted
from minmax_jax.attacks.ball import NORMS, size
from minmax_jax.attacks.losses import LOSSES
from minmax_jax.attacks.pgd import pgd

LINEAR, W = linear_model()
DUAL = {"linf": np.abs(W).sum(), "l2": np.sqrt(np.square(W).sum()), "l1": np.abs(W).max()}
FOUR = np.random.default_rng(5).normal(size=(*SHAPE, 4)).astype(np.float32)
FOUR -= FOUR.mean((0, 1, 2), keepdims=True)  # so that grey images lean to no class
STATIC = ("model", "norm", "loss", "steps", "restarts")

attack = jax.jit(apgd, static_argnames=STATIC)
attack_targets = jax.jit(apgd_targeted, static_argnames=("model", "norm", "target_classes", "steps"))


def four(images):
    """A linear model of four classes."""
    return jnp.einsum("nhwc,hwck->nk", images, FOUR)


def right(model, low=0.0, high=1.0, n=6, shape=SHAPE):
    """Images that the model classifies as labelled."""
    images, _ = batch(low, high, n=n, shape=shape)
    return images, model(images).argmax(-1)


@pytest.fixture(scope="module")
def net():
    return filled(Curved)


@pytest.fixture(scope="module")
def photos(net):
    """Images that the curved model classifies as labelled, but for the last."""
    images, labels = right(net, n=16, shape=(5, 5, 1))
    return images, labels.at[-1].set((labels[-1] + 1) % 4)


def quality(model, images, labels, loss="ce", targets=None):
    """What an attack is ranked by: reached first, then the loss."""
    logits = model(images)
    found = logits.argmax(-1)
    if targets is None:
        return np.where(found != labels, np.inf, LOSSES[loss](logits, labels))
    return np.where(found == targets, np.inf, -LOSSES[loss](logits, targets))


@given(st.sampled_from(NORMS), st.floats(0, 1, width=32), st.integers(0, 9))
@settings(max_examples=20)
def test_the_result_is_in_the_ball_and_in_zero_one_and_no_worse_than_no_attack(norm, eps, seed):
    images, labels = batch(0, 1, seed=seed)
    got = attack(LINEAR, images, labels, eps, norm=norm, steps=4, key=jax.random.key(seed))
    assert got.min() >= 0
    assert got.max() <= 1
    assert (size(got - images, norm) <= eps + 1e-5).all()
    assert (quality(LINEAR, got, labels) >= quality(LINEAR, images, labels) - 1e-6).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("targeted", [False, True])
def test_on_a_curved_model_too(net, photos, norm, targeted):
    images, labels = photos
    targets = (labels + 1) % 4 if targeted else None
    got = attack(net, images, labels, 0.1, norm=norm, steps=10, targets=targets)
    assert got.min() >= 0
    assert got.max() <= 1
    assert (size(got - images, norm) <= 0.1 + 1e-5).all()
    before, after = (quality(net, x, labels, targets=targets) for x in (images, got))
    assert (after >= before - 1e-5).all()
    assert (after > before + 1e-3).mean() > 0.5


@pytest.mark.parametrize("norm", NORMS)
def test_a_radius_of_zero_gives_the_images_back(norm):
    images, labels = batch(0, 1)
    got = attack(LINEAR, images, labels, 0.0, norm=norm, steps=4, key=jax.random.key(0))
    np.testing.assert_allclose(got, images, atol=1e-7)


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
    broken = np.asarray(LINEAR(got).argmax(-1) != labels)
    np.testing.assert_array_equal(broken, worst < 0)
    assert 0 < broken.sum() < 12
    np.testing.assert_allclose(margins(got, labels, W)[~broken], worst[~broken], atol=1e-3)


@pytest.mark.parametrize("eps", [0.15, 0.3])
def test_at_the_box_each_pixel_of_a_linear_model_goes_as_far_as_it_can(eps):
    images, labels = right(LINEAR, n=40)
    worst = worst_in_box(images, labels, W, eps)
    broken = margins(worst, labels, W) < 0
    assert 0 < broken.sum() < 40
    got = attack(LINEAR, images, labels, eps, steps=10)
    np.testing.assert_array_equal(LINEAR(got).argmax(-1) != labels, broken)
    np.testing.assert_allclose(got[~broken], worst[~broken], atol=1e-6)


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
    broken = np.asarray(four(got).argmax(-1) != labels)
    np.testing.assert_array_equal(broken, worst.min(1) < 0)
    assert 0 < broken.sum() < 24
    np.testing.assert_array_equal(got[~broken], images[~broken])
    one = four(attack_targets(four, images, labels, eps, steps=20, target_classes=1)).argmax(-1) != labels
    assert (broken >= one).all()
    assert broken.sum() > one.sum()


def test_an_image_that_is_misclassified_already_is_left_as_it_is(net, photos):
    images, labels = photos
    for got in (
        attack(net, images, labels, 0.1, steps=10),
        attack_targets(net, images, labels, 0.1, steps=10),
    ):
        np.testing.assert_array_equal(got[-1], images[-1])
        assert not np.array_equal(got[0], images[0])


def test_with_targets_it_goes_on_until_it_is_there(net, photos):
    images, labels = photos
    targets = (labels + 2) % 4
    got = attack(net, images, labels, 0.4, loss="dlr", targets=targets, steps=10)
    assert (net(got).argmax(-1) == targets).mean() > 0.8


def test_more_restarts_are_never_worse_for_the_same_key(net, photos):
    images, labels = photos
    few, many = (
        quality(net, attack(net, images, labels, 0.01, steps=10, restarts=n), labels) for n in (1, 4)
    )
    assert (many >= few - 1e-5).all()
    assert (many > few + 1e-5).any()


def test_a_larger_radius_breaks_no_less_of_a_linear_model():
    images, labels = right(LINEAR, n=40)
    broken = [
        LINEAR(attack(LINEAR, images, labels, e, steps=10)).argmax(-1) != labels for e in (0.02, 0.1, 0.3)
    ]
    assert (broken[1] >= broken[0]).all()
    assert (broken[2] >= broken[1]).all()
    assert broken[0].sum() < broken[1].sum() < broken[2].sum()


def test_the_same_key_gives_the_same_result_and_another_key_another(net, photos):
    images, labels = photos
    none, zero, again, one = (
        attack(net, images, labels, 0.01, steps=10, key=key)
        for key in (None, *map(jax.random.key, (0, 0, 1)))
    )
    np.testing.assert_array_equal(none, zero)
    np.testing.assert_array_equal(again, zero)
    assert not np.array_equal(zero, one)


def test_an_image_fares_the_same_whatever_stands_beside_it(net, photos):
    """Other images, broken or not, are worked on in the same arrays."""
    images, labels = photos
    flipped = labels.at[::2].set((labels[::2] + 1) % 4)  # misclassified from the start
    some, all_ = (attack(net, images, y, 0.03, steps=10) for y in (flipped, labels))
    np.testing.assert_allclose(some[1::2], all_[1::2], atol=1e-6)


def test_eps_can_be_traced_and_its_change_compiles_nothing_anew():
    images, labels = right(LINEAR)
    traces = []

    @jax.jit
    def traced(eps):  # images known outside the jitted function
        traces.append(1)
        return apgd(LINEAR, images, labels, eps, steps=4)

    for eps in (0.01, 0.02):
        got = traced(eps)
        np.testing.assert_allclose(jnp.abs(got - images).max(), eps, atol=1e-6)
    assert len(traces) == 1


def test_it_beats_plain_steps_of_the_same_number(net, photos):
    images, labels = photos
    plain = jax.jit(pgd, static_argnames=("model", "steps"))(net, images, labels, 0.05, steps=10)
    auto = attack(net, images, labels, 0.05, steps=10)
    broken = [int((net(x).argmax(-1) != labels).sum()) for x in (plain, auto)]
    assert broken[1] >= broken[0]


@pytest.mark.parametrize("name", ["steps", "restarts"])
def test_counts_below_one_are_refused(name):
    images, labels = batch(0, 1)
    with refuses(f"{name} is 0", "at least 1"):
        apgd(LINEAR, images, labels, 0.1, **{name: 0})


def test_bad_input_is_refused():
    images, labels = batch(0, 1)
    with refuses("images hold values outside [0, 1]"):
        apgd(LINEAR, images - 0.5, labels, 0.1)
    with refuses("labels hold", "0 to 1"):
        apgd(LINEAR, images, labels + 1, 0.1)
    with refuses("eps is 1.5", "[0, 1]"):
        apgd(LINEAR, images, labels, 1.5)
    with refuses("rho is 1.5", "[0, 1]"):
        apgd(LINEAR, images, labels, 0.1, rho=1.5)
    with refuses("loss is 'mse'", "dlr"):
        apgd(LINEAR, images, labels, 0.1, loss="mse")
    with refuses("norm is 'l3'", "linf"):
        apgd(LINEAR, images, labels, 0.1, norm="l3")


def test_too_few_classes_are_refused():
    images, labels = batch(0, 1)
    with refuses("2 classes", "at least 3"):
        apgd(LINEAR, images, labels, 0.1, loss="dlr")
    with refuses("2 classes", "at least 4"):
        apgd(LINEAR, images, labels, 0.1, loss="dlr", targets=1 - labels)
    with refuses("2 classes", "at least 4"):
        apgd_targeted(LINEAR, images, labels, 0.1)
    with refuses("target_classes is 0", "at least 1"):
        apgd_targeted(four, images, labels, 0.1, target_classes=0)
