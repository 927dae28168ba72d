"""Projected gradient descent: in the ball, never worse than no attack, at least as strong as FGSM."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from helpers.filled import filled
from helpers.linear import Curved, batch, linear_model, margins, worst_in_box
from helpers.refusal import refuses
from minmax_jax.attacks import fgsm, pgd
from minmax_jax.attacks.ball import NORMS, size
from minmax_jax.attacks.losses import climbed, cross_entropy


@pytest.fixture(scope="module")
def net():
    return filled(Curved)


@pytest.fixture(scope="module")
def photos(net):
    """Images that the curved model classifies as labelled, but for the last."""
    images, _ = batch(0, 1, n=16, shape=(5, 5, 1))
    labels = net(images).argmax(-1)
    return images, labels.at[-1].set((labels[-1] + 1) % 4)


def losses(model, images, labels):
    return cross_entropy(model(images), labels)


def quality(model, images, labels):
    """What an attack is ranked by: misclassified first, then the cross-entropy."""
    wrong = model(images).argmax(-1) != labels
    return np.where(wrong, np.inf, losses(model, images, labels))


STATIC = ("model", "norm", "loss", "steps", "restarts", "random_start")
jitted = jax.jit(pgd, static_argnames=STATIC)


@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.integers(0, 9), st.sampled_from(NORMS))
@settings(max_examples=30)
def test_the_result_is_in_the_ball_and_in_zero_one_for_any_step_size(eps, step_size, seed, norm):
    images, labels = batch(0, 1, seed=seed)
    options = {"step_size": step_size, "key": jax.random.key(seed)}
    got = jitted(LINEAR, images, labels, eps, norm=norm, steps=3, restarts=2, **options)
    assert got.min() >= 0
    assert got.max() <= 1
    assert (size(got - images, norm) <= eps * (1 + 1e-5) + 1e-6).all()
    assert (quality(LINEAR, got, labels) >= quality(LINEAR, images, labels) - 1e-6).all()


LINEAR, W = linear_model()


@pytest.mark.parametrize("norm", NORMS)
def test_a_radius_of_zero_gives_the_images_back(norm):
    images, labels = batch(0, 1)
    np.testing.assert_array_equal(jitted(LINEAR, images, labels, 0.0, norm=norm, steps=3, restarts=2), images)


@pytest.mark.parametrize("random_start", [True, False])
def test_away_from_the_box_the_margin_of_a_linear_model_falls_by_eps_times_the_l1_norm(random_start):
    images, labels = right(0.3, 0.7)
    got = jitted(LINEAR, images, labels, 0.1, steps=10, random_start=random_start)
    worst = margins(images, labels, W) - 0.1 * np.abs(W).sum()
    np.testing.assert_allclose(margins(got, labels, W), worst, atol=1e-4)


@pytest.mark.parametrize("eps", [0.2, 1.0])
def test_at_the_box_each_pixel_of_a_linear_model_goes_as_far_as_it_can(eps):
    images, labels = right(0, 1)
    expected = worst_in_box(images, labels, W, eps)
    np.testing.assert_allclose(jitted(LINEAR, images, labels, eps, steps=10), expected, atol=1e-6)


@pytest.mark.parametrize(("norm", "dual"), [("l2", np.linalg.norm), ("l1", lambda w: np.abs(w).max())])
def test_from_the_image_away_from_the_box_the_margin_falls_by_eps_times_the_dual_norm(norm, dual):
    images, labels = right(0.3, 0.7)
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
    images, labels = right(0, 1)
    step_size = {"l2": eps, "l1": 0.01 * eps}[norm]
    got = jitted(LINEAR, images, labels, eps, norm=norm, steps=400, step_size=step_size)
    before, after, best = (margins(x, labels, W) for x in (images, got, worst(images, labels, eps)))
    assert (after >= best - 1e-4).all()
    np.testing.assert_allclose(before - after, before - best, rtol={"l2": 1e-3, "l1": 0.02}[norm])


def right(low, high):
    """Images that the linear model classifies as labelled: the others are left as they are."""
    images, _ = batch(low, high)
    return images, LINEAR(images).argmax(-1)


def test_an_image_that_is_misclassified_already_is_left_as_it_is(net, photos):
    images, labels = photos
    got = jitted(net, images, labels, 0.05, steps=2)
    np.testing.assert_array_equal(got[-1], images[-1])
    assert not np.array_equal(got[0], images[0])


def test_one_step_from_the_image_is_fgsm_where_that_raises_the_loss_else_the_image(net, photos):
    images, labels = photos
    eps = 0.3
    one_step = jitted(net, images, labels, eps, steps=1, step_size=eps, random_start=False)
    sign_step = jax.jit(fgsm, static_argnames="model")(net, images, labels, eps)
    raised = quality(net, sign_step, labels) > quality(net, images, labels)
    expected = np.where(raised[:, None, None, None], sign_step, images)
    assert np.mean(np.abs(one_step - expected) > 1e-6) < 0.01  # a slope near zero may change sign
    assert raised.any()
    assert not raised[-1]


def test_never_worse_than_no_attack_whatever_the_steps(net, photos):
    images, labels = photos
    before = quality(net, images, labels)
    for step_size in (0.0, 0.01, 0.8):  # the last overshoots
        got = jitted(net, images, labels, 0.4, steps=2, step_size=step_size)
        assert (quality(net, got, labels) >= before - 1e-5).all()


def test_more_restarts_are_never_worse_for_the_same_key(net, photos):
    images, labels = photos
    few, many = (quality(net, jitted(net, images, labels, 0.05, steps=2, restarts=n), labels) for n in (1, 4))
    assert (many >= few - 1e-5).all()
    assert (many > few + 1e-5).any()


def test_more_steps_than_one_beat_fgsm_on_a_curved_model(net, photos):
    images, labels = photos
    eps = 0.1
    sign_step = jax.jit(fgsm, static_argnames="model")(net, images, labels, eps)
    attacked = jitted(net, images, labels, eps, steps=20, random_start=False)
    after, fgsm_after = (losses(net, x, labels)[:-1].mean() for x in (attacked, sign_step))
    assert after > fgsm_after > losses(net, images, labels)[:-1].mean()


def test_the_same_key_gives_the_same_result_and_another_key_another():
    images, labels = right(0, 1)
    none, zero, again, one = (
        jitted(LINEAR, images, labels, 0.3, steps=1, step_size=0.01, key=key)
        for key in (None, *map(jax.random.key, (0, 0, 1)))
    )
    np.testing.assert_array_equal(none, zero)
    np.testing.assert_array_equal(again, zero)
    assert not np.array_equal(zero, one)


def test_without_a_random_start_the_key_does_not_matter():
    images, labels = right(0, 1)
    options = {"steps": 5, "random_start": False}
    one, two = (jitted(LINEAR, images, labels, 0.1, key=jax.random.key(i), **options) for i in (0, 1))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("loss", ["ce", "dlr", "margin"])
@pytest.mark.parametrize("norm", NORMS)
def test_every_loss_is_raised_in_every_norm_and_fools_the_model(net, photos, loss, norm):
    images, labels = photos
    eps = {"linf": 0.1, "l2": 0.4, "l1": 1.5}[norm]
    got = jitted(net, images, labels, eps, norm=norm, loss=loss, steps=10, restarts=4)
    climb = climbed(loss, labels, None)
    before, after = (climb(net(x)) for x in (images, got))
    reached = net(got).argmax(-1) != labels
    assert ((after >= before) | reached).all()
    assert ((after > before) | reached).mean() > 0.9
    assert reached[:-1].mean() > 0.5


@pytest.mark.parametrize("loss", ["ce", "dlr", "margin"])
def test_targets_are_reached_or_come_closer(net, photos, loss):
    images, labels = photos
    targets = (net(images).argmax(-1) + 1) % 4
    got = jitted(net, images, labels, 0.2, loss=loss, targets=targets, steps=10, restarts=4)
    climb = climbed(loss, labels, targets)
    reached = net(got).argmax(-1) == targets
    assert (reached | (climb(net(got)) >= climb(net(images)))).all()
    assert reached.mean() > 0.5


def test_an_image_that_is_the_target_already_is_left_as_it_is(net, photos):
    images, labels = photos
    guesses = net(images).argmax(-1)
    np.testing.assert_array_equal(jitted(net, images, labels, 0.1, targets=guesses, steps=2), images)


def standing(net, photos, eps, **options):
    """How many images withstand the attack of four restarts."""
    images, labels = photos
    got = jitted(net, images, labels, eps, restarts=4, **options)
    return int((net(got).argmax(-1) == labels).sum())


@pytest.mark.parametrize("norm", NORMS)
def test_fewer_images_stand_the_larger_the_ball(net, photos, norm):
    size_of = {"linf": 1.0, "l2": 5.0, "l1": 15.0}[norm]
    shares = (0, 0.01, 0.03, 0.1)
    found = [standing(net, photos, share * size_of, norm=norm, steps=10) for share in shares]
    assert found == sorted(found, reverse=True)
    assert found[0] == 15 and found[-1] < 8


def test_fewer_images_stand_the_more_the_steps(net, photos):
    found = [standing(net, photos, 0.03, norm="linf", steps=steps) for steps in (1, 3, 10)]
    assert found == sorted(found, reverse=True) and found[0] < 15


def test_random_starts_are_drawn_evenly_from_the_ball():
    """Steps of size zero give the start away; a model without a gradient is never fooled."""
    images, labels = jnp.full((50, 8, 8, 1), 0.5), jnp.zeros(50, jnp.int32)

    def model(images):  # right everywhere, but less sure away from the centre of the ball
        distance = jnp.square(images - 0.5).sum((1, 2, 3))
        return jnp.stack([10 - distance, jnp.zeros_like(distance)], axis=-1)

    got = pgd(model, images, labels, 0.25, steps=1, step_size=0.0)
    noise = np.sort(np.asarray(got - images).ravel()) / 0.25
    assert np.abs(noise - np.linspace(-1, 1, noise.size)).max() < 0.06


def test_eps_can_be_traced_and_its_change_compiles_nothing_anew():
    images, labels = right(0, 1)
    traces = []

    @jax.jit
    def attack(eps):  # images known outside the jitted function
        traces.append(1)
        return pgd(LINEAR, images, labels, eps, steps=4)

    for eps in (0.1, 0.3):
        expected = worst_in_box(images, labels, W, eps)
        np.testing.assert_allclose(attack(eps), expected, atol=1e-6)
    assert len(traces) == 1


def test_the_step_size_is_two_and_a_half_radii_shared_among_the_steps_unless_told():
    images, labels = right(0.3, 0.7)
    options = {"steps": 5, "random_start": False}
    default = jitted(LINEAR, images, labels, 0.1, **options)
    np.testing.assert_array_equal(default, jitted(LINEAR, images, labels, 0.1, step_size=0.05, **options))
    short = jitted(LINEAR, images, labels, 0.1, step_size=0.01, **options)
    np.testing.assert_allclose(np.abs(short - images), 0.05, atol=1e-6)


@pytest.mark.parametrize("count", [0, -3])
def test_counts_below_one_are_refused(count):
    images, labels = batch(0, 1)
    for name in ("steps", "restarts"):
        with refuses(f"{name} is {count}", "at least 1"):
            pgd(LINEAR, images, labels, 0.1, **{name: count})


@pytest.mark.parametrize("step_size", [-0.1, np.nan])
def test_a_step_downhill_is_refused(step_size):
    images, labels = batch(0, 1)
    with refuses("step_size is", step_size, ">= 0"):
        pgd(LINEAR, images, labels, 0.1, step_size=step_size)


def test_bad_images_labels_and_eps_are_refused():
    images, labels = batch(0, 1)
    with refuses("images hold values outside [0, 1]"):
        pgd(LINEAR, images - 0.5, labels, 0.1)
    with refuses("images hold", "NaN"):
        pgd(LINEAR, images.at[0].set(jnp.nan), labels, 0.1)
    for eps in (-0.1, 1.5, np.nan):
        with refuses("eps is", eps, "[0, 1]"):
            pgd(LINEAR, images, labels, eps)
    with refuses("images have shape", images[..., 0].shape, "(n, h, w, c)"):
        pgd(LINEAR, images[..., 0], labels, 0.1)
    with refuses("labels hold values outside 0 to 1"):
        pgd(LINEAR, images, labels + 1, 0.1)
    with refuses("logits that are NaN"):
        pgd(lambda x: LINEAR(x) * jnp.nan, images, labels, 0.1)


def test_unknown_norms_and_losses_and_too_few_classes_are_refused():
    images, labels = batch(0, 1)
    with refuses("norm is 'l0'"):
        pgd(LINEAR, images, labels, 0.1, norm="l0")
    with refuses("loss is 'hinge'", "'dlr'"):
        pgd(LINEAR, images, labels, 0.1, loss="hinge")
    with refuses("model has 2 classes", "at least 3"):
        pgd(LINEAR, images, labels, 0.1, loss="dlr")
    with refuses("model has 2 classes", "at least 4"):
        pgd(LINEAR, images, labels, 0.1, loss="dlr", targets=labels)
