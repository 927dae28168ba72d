"""Projected gradient descent: exact on a linear model, at least as strong as FGSM on a curved one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from helpers.attacked import broken, curved, right, scores
from helpers.linear import batch, linear_model, margins, worst_in_box
from minmax_jax.attacks import fgsm, pgd
from minmax_jax.attacks.ball import NORMS, size
from minmax_jax.attacks.losses import Aim, cross_entropy
from minmax_jax.attacks.pgd import ascend

LINEAR, W = linear_model()
STATIC = ("model", "norm", "loss", "steps", "restarts", "random_start")
jitted = jax.jit(pgd, static_argnames=STATIC)
sign_step = jax.jit(fgsm, static_argnames="model")


def test_no_steps_lead_nowhere():
    images, labels = right(LINEAR)
    loss = Aim(labels).loss("ce")
    got = ascend(LINEAR, images, images, 0.1, "linf", loss, steps=0, step_size=1.0)
    np.testing.assert_array_equal(got, images)


@pytest.mark.slow
@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.integers(0, 9), st.sampled_from(NORMS))
@settings(max_examples=15)
def test_any_step_size_stays_in_ball_and_box_and_does_no_harm(eps, step_size, seed, norm):
    images, labels = batch(0, 1, seed=seed)
    options = {"step_size": step_size, "key": jax.random.key(seed)}
    got = jitted(LINEAR, images, labels, eps, norm=norm, steps=3, restarts=2, **options)
    assert got.min() >= 0
    assert got.max() <= 1
    assert (size(got - images, norm) <= eps * (1 + 1e-5) + 1e-6).all()
    assert (scores(LINEAR, got, labels) >= scores(LINEAR, images, labels) - 1e-6).all()


@pytest.mark.parametrize("random_start", [True, False])
def test_away_from_the_box_a_margin_falls_by_eps_times_the_l1_norm(random_start):
    images, labels = right(LINEAR, 0.3, 0.7)
    got = jitted(LINEAR, images, labels, 0.1, steps=10, random_start=random_start)
    worst = margins(images, labels, W) - 0.1 * np.abs(W).sum()
    np.testing.assert_allclose(margins(got, labels, W), worst, atol=1e-4)


@pytest.mark.parametrize("eps", [0.2, 1.0])
def test_at_the_box_each_pixel_goes_as_far_as_it_can(eps):
    images, labels = right(LINEAR)
    expected = worst_in_box(images, labels, W, eps)
    np.testing.assert_allclose(jitted(LINEAR, images, labels, eps, steps=10), expected, atol=1e-6)


@pytest.mark.parametrize(("norm", "dual"), [("l2", np.linalg.norm), ("l1", lambda w: np.abs(w).max())])
def test_from_the_image_a_margin_falls_by_eps_times_the_dual_norm(norm, dual):
    images, labels = right(LINEAR, 0.3, 0.7)
    got = jitted(LINEAR, images, labels, 0.25, norm=norm, steps=5, random_start=False)
    fall = margins(images, labels, W) - margins(got, labels, W)
    np.testing.assert_allclose(fall, 0.25 * dual(W.ravel()), rtol=1e-4)


def worst_by_l2(images, labels, eps):
    """The worst images of an l2 ball and the box: the share of w that fits, found by Brent's method."""
    found = []
    for x, sign in zip(np.float64(images), 2 * np.asarray(labels) - 1, strict=True):

        def change(share, x=x, sign=sign):
            return np.clip(x - share * sign * W, 0, 1) - x

        share = brentq(lambda share: np.linalg.norm(change(share)) - eps, 0, 1e3)
        found.append(x + change(share))
    return np.stack(found)


def worst_by_l1(images, labels, eps):
    """Likewise by l1: the largest weights first, each pixel as far as it can go."""
    return np.asarray(fgsm(LINEAR, images, labels, eps, norm="l1"))  # tested against the closed form


@pytest.mark.parametrize(("norm", "eps", "worst"), [("l2", 1.0, worst_by_l2), ("l1", 4.0, worst_by_l1)])
def test_at_the_box_the_margin_falls_to_the_worst_of_ball_and_box(norm, eps, worst):
    """From any start in the ball: by l2 the steps lead there, by l1 within a step of there."""
    images, labels = right(LINEAR)
    step_size = {"l2": eps, "l1": 0.01 * eps}[norm]
    got = jitted(LINEAR, images, labels, eps, norm=norm, steps=400, step_size=step_size)
    before, after, best = (margins(x, labels, W) for x in (images, got, worst(images, labels, eps)))
    assert (after >= best - 1e-4).all()
    np.testing.assert_allclose(before - after, before - best, rtol={"l2": 1e-3, "l1": 0.02}[norm])


def test_one_step_from_the_image_is_fgsm_where_that_raises_the_loss():
    net, images, labels = curved()
    eps = 0.3
    one_step = jitted(net, images, labels, eps, steps=1, step_size=eps, random_start=False)
    sign = sign_step(net, images, labels, eps)
    raised = scores(net, sign, labels) > scores(net, images, labels)
    expected = np.where(raised[:, None, None, None], sign, images)
    assert np.mean(np.abs(one_step - expected) > 1e-6) < 0.01  # a slope near zero may change sign
    assert raised.any()
    assert not raised[-1]


def test_more_restarts_are_never_worse_for_the_same_key():
    net, images, labels = curved()
    few, many = (scores(net, jitted(net, images, labels, 0.05, steps=2, restarts=n), labels) for n in (1, 4))
    assert (many >= few - 1e-5).all()
    assert (many > few + 1e-5).any()


@pytest.mark.slow
def test_more_steps_beat_fewer_and_all_beat_fgsm():
    net, images, labels = curved()
    eps = 0.1
    attacked = jitted(net, images, labels, eps, steps=20, random_start=False)
    sign = sign_step(net, images, labels, eps)
    after, fgsm_after, before = (cross_entropy(net(x), labels)[:-1].mean() for x in (attacked, sign, images))
    assert after > fgsm_after > before
    fallen = [
        broken(net, jitted(net, images, labels, 0.03, steps=n, restarts=4), labels).sum() for n in (1, 3, 10)
    ]
    assert fallen == sorted(fallen) and fallen[0] > 1


def test_without_a_random_start_the_key_does_not_matter():
    images, labels = right(LINEAR)
    options = {"steps": 5, "random_start": False}
    one, two = (jitted(LINEAR, images, labels, 0.1, key=jax.random.key(i), **options) for i in (0, 1))
    np.testing.assert_array_equal(one, two)


@pytest.mark.slow
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("loss", ["ce", "dlr", "margin"])
@pytest.mark.parametrize("norm", NORMS)
def test_every_loss_is_raised_in_every_norm_and_fools_the_model(loss, norm, targeted):
    net, images, labels = curved()
    targets = (net(images).argmax(-1) + 1) % 4 if targeted else None
    eps = {"linf": 0.1, "l2": 0.4, "l1": 1.5}[norm] * (2 if targeted else 1)
    options = {"norm": norm, "loss": loss, "targets": targets, "steps": 10, "restarts": 4}
    got = jitted(net, images, labels, eps, **options)
    before, after = (scores(net, x, labels, targets, loss) for x in (images, got))
    assert (after >= before).all()
    assert ((after > before) | (after == np.inf)).mean() > 0.9
    assert (after[:-1] == np.inf).mean() > 0.5


def test_random_starts_are_drawn_evenly_from_the_ball():
    """Steps of size zero give the start away; a model without a gradient is never fooled."""
    images, labels = jnp.full((50, 8, 8, 1), 0.5), jnp.zeros(50, jnp.int32)

    def model(images):  # right everywhere, but less sure away from the centre of the ball
        distance = jnp.square(images - 0.5).sum((1, 2, 3))
        return jnp.stack([10 - distance, jnp.zeros_like(distance)], axis=-1)

    got = pgd(model, images, labels, 0.25, steps=1, step_size=0.0)
    noise = np.sort(np.asarray(got - images).ravel()) / 0.25
    assert np.abs(noise - np.linspace(-1, 1, noise.size)).max() < 0.06


def test_the_step_size_is_two_and_a_half_radii_over_the_steps_unless_told():
    images, labels = right(LINEAR, 0.3, 0.7)
    options = {"steps": 5, "random_start": False}
    default = jitted(LINEAR, images, labels, 0.1, **options)
    np.testing.assert_array_equal(default, jitted(LINEAR, images, labels, 0.1, step_size=0.05, **options))
    short = jitted(LINEAR, images, labels, 0.1, step_size=0.01, **options)
    np.testing.assert_allclose(np.abs(short - images), 0.05, atol=1e-6)
