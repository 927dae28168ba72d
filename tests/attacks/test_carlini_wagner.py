"""The attack of Carlini and Wagner: the known distance on a linear model, the nearest image on any."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.attacked import broken, curved, right
from helpers.linear import batch, linear_model, margins
from minmax_jax.attacks import carlini_wagner
from minmax_jax.attacks.ball import size
from minmax_jax.attacks.losses import margin

LINEAR, W = linear_model()
STATIC = ("model", "norm", "binary_search_steps", "steps", "abort_early")
attack = jax.jit(carlini_wagner, static_argnames=STATIC)
COUNTS = {"binary_search_steps": 5, "steps": 60}
QUICK = {**COUNTS, "learning_rate": 0.05, "initial_constant": 0.1}


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


def test_inside_the_box_the_change_is_the_distance_from_a_linear_boundary():
    """The boundary runs close to the middle of the box; images lie 0.3 away from it, straight across."""
    model, w = linear_model(3)
    length = np.sqrt(np.square(w).sum())
    near, labels = batch(0.45, 0.55, n=12)
    sign, off = 2 * np.asarray(labels) - 1, margins(near, labels, w) / length
    images = near + jnp.asarray((sign * (0.3 - off) / length)[:, None, None, None] * w[None], jnp.float32)
    got = attack(model, images, labels, None)
    assert broken(model, got, labels).all()
    np.testing.assert_allclose(size(got - images, "l2"), 0.3, rtol=0.015)


@pytest.mark.parametrize(("low", "confidence"), [(0, 0.0), (0.35, 0.5), (0.35, 2.0)])
def test_a_confidence_is_reached_at_the_least_distance_in_the_box(low, confidence):
    images, labels = right(LINEAR, low, 1 - low, n=12)
    got = attack(LINEAR, images, labels, None, confidence=confidence)
    assert (margin(LINEAR(got), labels) >= confidence).all() and broken(LINEAR, got, labels).all()
    distance, expected = np.asarray(size(got - images, "l2")), nearest(images, labels, confidence)
    assert (distance >= expected - 1e-5).all()
    np.testing.assert_allclose(distance, expected, rtol=0.015)


@pytest.mark.slow
def test_every_image_is_brought_to_the_boundary_and_a_target_is_no_nearer():
    """A little less of the same change is not adversarial any more."""
    net, images, labels = curved()
    got = attack(net, images, labels, None)
    assert broken(net, got, labels).all()
    assert (size(got - images, "l2")[:-1] > 0).all()
    less = images + 0.97 * (got - images)
    assert (~broken(net, less, labels))[:-1].mean() > 0.9
    targets = (labels + 2) % 4
    aimed = attack(net, images, labels, None, targets=targets)
    assert (net(aimed).argmax(-1) == targets).all()
    assert np.mean(size(aimed - images, "l2") >= size(got - images, "l2") - 1e-3) > 0.8


@pytest.mark.slow
def test_more_constants_and_more_steps_for_one_constant_are_never_worse():
    net, images, labels = curved()

    def distance(**options):
        got = attack(net, images, labels, None, **QUICK | options)
        return np.where(broken(net, got, labels), size(got - images, "l2"), np.inf)

    few, many = (distance(binary_search_steps=count) for count in (2, 6))
    assert (many <= few).all() and (many < few).any()
    short, long = (
        distance(binary_search_steps=1, steps=n, initial_constant=1.0, abort_early=False) for n in (20, 80)
    )
    assert (long <= short).all() and (long < short).any()


@pytest.mark.slow
def test_aborting_early_saves_steps_and_costs_little():
    net, images, labels = curved()
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


@pytest.mark.slow
def test_numbers_can_be_traced_and_their_change_compiles_nothing_anew():
    net, images, labels = curved()
    traces = []

    @jax.jit
    def traced(confidence, learning_rate, constant):
        traces.append(1)
        numbers = {"learning_rate": learning_rate, "initial_constant": constant}
        return carlini_wagner(net, images, labels, 2.0, confidence=confidence, **COUNTS, **numbers)

    for confidence, rate in ((0.0, 0.05), (0.3, 0.02)):
        got = traced(confidence, rate, 0.1)
        numbers = {"confidence": confidence, "learning_rate": rate, "initial_constant": 0.1}
        expected = attack(net, images, labels, 2.0, **COUNTS, **numbers)
        np.testing.assert_allclose(got, expected, atol=1e-5)
    assert len(traces) == 1
