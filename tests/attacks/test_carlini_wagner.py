"""The attack of Carlini and Wagner: the known distance on a linear model, the nearest image kept on any."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.filled import filled
from helpers.linear import Curved, batch, linear_model, margins
from helpers.refusal import refuses
from minmax_jax.attacks.ball import size
from minmax_jax.attacks.carlini_wagner import carlini_wagner
from minmax_jax.attacks.losses import margin

LINEAR, W = linear_model()
STATIC = ("model", "norm", "binary_search_steps", "steps", "abort_early")
attack = jax.jit(carlini_wagner, static_argnames=STATIC)
QUICK = {"binary_search_steps": 5, "steps": 60, "learning_rate": 0.05, "initial_constant": 0.1}


@pytest.fixture(scope="module")
def net():
    return filled(Curved)


@pytest.fixture(scope="module")
def photos(net):
    """Images that the curved model classifies as labelled, but for the last."""
    images, _ = batch(0, 1, n=16, shape=(5, 5, 1))
    labels = net(images).argmax(-1)
    return images, labels.at[-1].set((labels[-1] + 1) % 4)


def right(low, high):
    """Images that the linear model classifies as labelled."""
    images, _ = batch(low, high, n=12)
    return images, LINEAR(images).argmax(-1)


def nearest(images, labels, excess=0.0):
    """Distance of the nearest image in [0, 1] whose margin is ``-excess``, by halving its multiplier."""
    images = np.asarray(images, np.float64)
    sign = (2 * np.asarray(labels) - 1)[:, None, None, None]
    low, high = np.zeros(len(images)), np.full(len(images), 100.0)
    for _ in range(100):
        middle = (low + high) / 2
        moved = np.clip(images - sign * middle[:, None, None, None] * W, 0, 1)
        far = margins(moved, labels, W) < -excess
        low, high = np.where(far, low, middle), np.where(far, middle, high)
    assert high.max() < 99
    return np.sqrt(np.square(moved - images).sum((1, 2, 3)))


def test_inside_the_box_the_change_of_a_linear_model_is_the_distance_from_its_boundary():
    """Its boundary runs close to the middle of the box; images lie 0.3 away from it, straight across."""
    model, w = linear_model(3)
    length = np.sqrt(np.square(w).sum())
    near, labels = batch(0.45, 0.55, n=12)
    sign, off = 2 * np.asarray(labels) - 1, margins(near, labels, w) / length
    images = near + jnp.asarray((sign * (0.3 - off) / length)[:, None, None, None] * w[None], jnp.float32)
    got = attack(model, images, labels, None)
    assert (model(got).argmax(-1) != labels).all()
    np.testing.assert_allclose(size(got - images, "l2"), 0.3, rtol=0.015)


def test_on_a_linear_model_the_change_is_the_nearest_one_of_the_box():
    images, labels = right(0, 1)
    expected = nearest(images, labels)
    got = attack(LINEAR, images, labels, None)
    assert (LINEAR(got).argmax(-1) != labels).all()
    distance = np.asarray(size(got - images, "l2"))
    assert (distance >= expected - 1e-5).all()
    np.testing.assert_allclose(distance, expected, rtol=0.015)


@pytest.mark.parametrize("confidence", [0.5, 2.0])
def test_a_confidence_is_reached_at_the_least_distance_that_gives_it(confidence):
    images, labels = right(0.35, 0.65)
    got = attack(LINEAR, images, labels, None, confidence=confidence)
    assert (margin(LINEAR(got), labels) >= confidence).all()
    distance = size(got - images, "l2")
    np.testing.assert_allclose(distance, nearest(images, labels, confidence), rtol=0.015)


@given(st.floats(0, 3, width=32), st.integers(0, 9))
@settings(max_examples=8)
def test_the_result_is_in_the_ball_and_in_zero_one_and_adversarial_or_the_image(eps, seed):
    images, labels = batch(0, 1, seed=seed)
    got = attack(LINEAR, images, labels, eps, **QUICK)
    assert got.min() >= 0
    assert got.max() <= 1
    assert (size(got - images, "l2") <= eps).all()
    same = (got == images).all((1, 2, 3))
    assert (same | (LINEAR(got).argmax(-1) != labels)).all()


def test_a_limit_of_the_distance_only_sorts_out(net, photos):
    images, labels = photos
    free = attack(net, images, labels, None, **QUICK)
    distance = size(free - images, "l2")
    eps = float(np.median(distance))
    got = attack(net, images, labels, eps, **QUICK)
    kept = distance <= eps
    assert 0 < kept.sum() < len(kept)
    np.testing.assert_array_equal(got, np.where(kept[:, None, None, None], free, images))
    np.testing.assert_array_equal(attack(net, images, labels, 0.0, **QUICK), images)


def test_without_a_limit_every_image_of_a_curved_model_is_misclassified(net, photos):
    images, labels = photos
    got = attack(net, images, labels, None)
    assert (net(got).argmax(-1) != labels).all()
    np.testing.assert_array_equal(got[-1], images[-1])
    assert (size(got - images, "l2")[:-1] > 0).all()


def test_no_change_along_the_gradient_is_nearer(net, photos):
    """The result lies on the boundary: a little less of the same change is not adversarial any more."""
    images, labels = photos
    got = attack(net, images, labels, None)
    less = images + 0.97 * (got - images)
    held = np.asarray(net(less).argmax(-1) == labels)
    assert held[:-1].mean() > 0.9


def test_where_nothing_is_found_the_image_comes_back(photos):
    def stubborn(images):
        return jnp.broadcast_to(jnp.array([[1.0, 0.0]]), (len(images), 2))

    images, _ = photos
    got = attack(stubborn, images, jnp.zeros(len(images), int), None, **QUICK)
    np.testing.assert_array_equal(got, images)


def test_with_targets_the_attack_reaches_them(net, photos):
    images, labels = photos
    targets = (labels + 2) % 4
    got = attack(net, images, labels, None, targets=targets)
    assert (net(got).argmax(-1) == targets).all()
    free = attack(net, images, labels, None)
    assert np.mean(size(got - images, "l2") >= size(free - images, "l2") - 1e-3) > 0.8


def test_the_least_distance_to_a_target_of_two_classes_is_that_to_the_other_class():
    images, labels = right(0, 1)
    plain = attack(LINEAR, images, labels, None, **QUICK)
    aimed = attack(LINEAR, images, labels, None, targets=1 - labels, **QUICK)
    np.testing.assert_allclose(aimed, plain, atol=1e-5)


def test_more_constants_and_more_steps_for_one_constant_are_never_worse(net, photos):
    images, labels = photos

    def distance(**options):
        got = attack(net, images, labels, None, **QUICK | options)
        found = net(got).argmax(-1) != labels
        return np.where(found, size(got - images, "l2"), np.inf)

    few, many = (distance(binary_search_steps=count) for count in (2, 6))
    assert (many <= few).all()
    assert (many < few).any()
    short, long = (
        distance(binary_search_steps=1, steps=n, initial_constant=1.0, abort_early=False) for n in (20, 80)
    )
    assert (long <= short).all()
    assert (long < short).any()


def test_aborting_early_saves_steps_and_costs_little(net, photos):
    images, labels = photos
    calls = []

    def counted(images):
        jax.debug.callback(lambda: calls.append(1))
        return net(images)

    counts, distances = [], []
    for abort_early in (True, False):
        calls.clear()
        got = jax.jit(partial(carlini_wagner, counted, abort_early=abort_early))(images, labels)
        jax.block_until_ready(got)
        jax.effects_barrier()
        counts.append(len(calls))
        distances.append(np.median(size(got - images, "l2")))
    assert counts[0] < 0.9 * counts[1]
    assert 9 * 1000 <= counts[1] <= 9 * 1000 + 2
    assert distances[0] <= 1.02 * distances[1]


def test_images_do_not_depend_on_those_beside_them(net, photos):
    images, labels = photos
    others_done = ((labels + 1) % 4).at[0].set(labels[0])
    one, other = (attack(net, images, y, None, **QUICK) for y in (labels, others_done))
    np.testing.assert_array_equal(one[0], other[0])


def test_it_is_deterministic_and_the_key_does_not_matter(net, photos):
    images, labels = photos
    one, two = (
        carlini_wagner(net, images, labels, None, key=key, **QUICK) for key in (None, jax.random.key(7))
    )
    np.testing.assert_array_equal(one, two)


def test_eps_and_the_numbers_can_be_traced_and_their_change_compiles_nothing_anew(net, photos):
    images, labels = photos
    traces = []
    counts = {"binary_search_steps": 5, "steps": 60}

    @jax.jit
    def traced(eps, confidence, learning_rate, constant):
        traces.append(1)
        numbers = {"learning_rate": learning_rate, "initial_constant": constant}
        return carlini_wagner(net, images, labels, eps, confidence=confidence, **counts, **numbers)

    for eps, confidence, rate in ((0.5, 0.0, 0.05), (2.0, 0.3, 0.02)):
        numbers = {"confidence": confidence, "learning_rate": rate, "initial_constant": 0.1}
        got = traced(eps, confidence, rate, 0.1)
        expected = attack(net, images, labels, eps, **counts, **numbers)
        np.testing.assert_allclose(got, expected, atol=1e-5)
    assert len(traces) == 1


def test_bad_settings_are_refused():
    images, labels = batch(0, 1)
    for norm in ("linf", "l1"):
        with refuses(f"norm is '{norm}'", "l2"):
            carlini_wagner(LINEAR, images, labels, None, norm=norm)
    for name in ("steps", "binary_search_steps"):
        with refuses(f"{name} is 0", "at least 1"):
            carlini_wagner(LINEAR, images, labels, None, **{name: 0})
    for name in ("learning_rate", "initial_constant"):
        for got in (0.0, -1.0, np.nan, np.inf):
            with refuses(f"{name} is {got}", "> 0"):
                carlini_wagner(LINEAR, images, labels, None, **{name: got})
    for got in (-1.0, np.nan, np.inf):
        with refuses(f"confidence is {got}", ">= 0"):
            carlini_wagner(LINEAR, images, labels, None, confidence=got)


def test_bad_images_labels_and_eps_are_refused():
    images, labels = batch(0, 1)
    with refuses("images hold values outside [0, 1]"):
        carlini_wagner(LINEAR, images - 0.5, labels, None)
    for eps in (-0.1, np.nan, np.inf):
        with refuses("eps is", eps, "[0, inf)"):
            carlini_wagner(LINEAR, images, labels, eps)
    with refuses("labels hold values outside 0 to 1"):
        carlini_wagner(LINEAR, images, labels + 1, None)
    with refuses("targets hold values outside 0 to 1"):
        carlini_wagner(LINEAR, images, labels, None, targets=labels - 1)
    with refuses("images have shape", images[0].shape, "(n, h, w, c)"):
        carlini_wagner(LINEAR, images[0], labels, None)
