"""DeepFool: the known distance on a linear model, in the ball and the box."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.faces import linear_classes, nearest
from helpers.filled import filled
from helpers.linear import Curved, batch
from helpers.refusal import refuses
from minmax_jax.attacks.ball import size
from minmax_jax.attacks.deepfool import deepfool

jitted = jax.jit(deepfool, static_argnames=("model", "norm", "steps", "candidates"))
NORMS = pytest.mark.parametrize("norm", ["l2", "linf"])
RADIUS = {"linf": 0.06, "l2": 0.25}  # some images of the curved model are broken, some not
LINEAR, KERNELS = linear_classes()
NET = filled(Curved)


def photos():
    """Images that the curved model classifies as labelled, but for the last."""
    images, _ = batch(0, 1, n=12, shape=(5, 5, 1))
    labels = NET(images).argmax(-1)
    return images, labels.at[-1].set((labels[-1] + 1) % 4)


def right(low, high):
    images, _ = batch(low, high)
    return images, LINEAR(images).argmax(-1)


@NORMS
def test_away_from_the_box_the_change_is_the_overshot_distance_to_the_nearest_face(norm):
    images, labels = right(0.4, 0.6)
    expected = nearest(images, labels, KERNELS, norm)
    for overshoot in (0.02, 0.1):
        got = jitted(LINEAR, images, labels, None, norm=norm, overshoot=overshoot)
        nudged = (1 + overshoot) * (expected + 1e-4)
        np.testing.assert_allclose(size(got - images, norm), nudged, rtol=1e-4, atol=1e-6)
        assert (LINEAR(got).argmax(-1) != labels).all()


@NORMS
def test_two_classes_do(norm):
    model, kernels = linear_classes(classes=2)
    images, _ = batch(0.4, 0.6)
    labels = model(images).argmax(-1)
    got = jitted(model, images, labels, None, norm=norm)
    nudged = 1.02 * (nearest(images, labels, kernels, norm) + 1e-4)
    np.testing.assert_allclose(size(got - images, norm), nudged, rtol=1e-4, atol=1e-6)


@NORMS
def test_at_the_box_the_class_changes_too_but_at_no_less_than_the_least_distance(norm):
    images, _ = right(0, 1)
    images = jnp.round(2 * images) / 2  # most pixels at an end of the box
    labels = LINEAR(images).argmax(-1)
    got = jitted(LINEAR, images, labels, None, norm=norm)
    assert (LINEAR(got).argmax(-1) != labels).all()
    assert got.min() >= 0
    assert got.max() <= 1
    assert (size(got - images, norm) >= 0.999 * nearest(images, labels, KERNELS, norm)).all()


@NORMS
def test_the_result_is_an_adversarial_image_in_the_ball_and_the_box_or_the_image_itself(norm):
    images, labels = photos()
    eps = RADIUS[norm]
    got = jitted(NET, images, labels, eps, norm=norm)
    assert got.min() >= 0
    assert got.max() <= 1
    assert size(got - images, norm).max() <= eps + 1e-6
    wrong = np.asarray(NET(got).argmax(-1) != labels)
    changed = np.asarray((got != images).any((1, 2, 3)))
    np.testing.assert_array_equal(wrong[:-1], changed[:-1])
    assert 0 < wrong[:-1].sum() < 11
    assert not changed[-1]  # misclassified to begin with


@NORMS
def test_without_a_radius_nearly_every_image_of_a_curved_model_is_broken_and_a_radius_keeps_the_nearest(norm):
    images, labels = photos()
    free = jitted(NET, images, labels, None, norm=norm)
    sizes = size(free - images, norm)
    assert (NET(free).argmax(-1) != labels).mean() > 0.9
    got = jitted(NET, images, labels, RADIUS[norm], norm=norm)
    kept = (sizes <= RADIUS[norm])[:, None, None, None]
    np.testing.assert_allclose(got, jnp.where(kept, free, images), atol=1e-6)


def test_an_image_that_one_step_has_broken_does_not_move_on():
    images, labels = photos()
    one, many = (jitted(NET, images, labels, None, steps=n) for n in (1, 50))
    done = np.asarray((one != images).any((1, 2, 3)))
    assert 0 < done.sum() < 11
    np.testing.assert_allclose(one[done], many[done], atol=1e-6)
    assert (NET(many).argmax(-1) != labels).sum() > done.sum()


def test_two_candidates_are_the_label_and_the_class_next_to_it():
    images, labels = right(0.4, 0.6)
    got = jitted(LINEAR, images, labels, None, candidates=2, steps=1)
    second = np.argsort(np.asarray(LINEAR(images)), axis=1)[:, -2]
    for x, moved, label, other in zip(images, got, labels, second, strict=True):
        along = KERNELS[other] - KERNELS[label]
        change = np.asarray(moved - x)
        np.testing.assert_allclose(change / np.linalg.norm(change), along / np.linalg.norm(along), atol=1e-3)


def test_on_a_model_without_a_gradient_the_images_come_back():
    images, labels = batch(0, 1, n=4)[0], jnp.zeros(4, jnp.int32)

    def flat(images):
        return jnp.stack([1 + 0 * images.sum((1, 2, 3)), 0 * images.sum((1, 2, 3))], axis=-1)

    np.testing.assert_array_equal(deepfool(flat, images, labels, None, steps=3), images)


def test_a_radius_of_zero_gives_the_images_back():
    images, labels = photos()
    np.testing.assert_array_equal(jitted(NET, images, labels, 0.0), images)


def test_the_key_does_not_matter_and_eps_can_be_traced():
    images, labels = photos()
    one, two = (jitted(NET, images, labels, 0.25, key=jax.random.key(i)) for i in (0, 1))
    np.testing.assert_array_equal(one, two)
    traces = []

    @jax.jit
    def attack(eps):  # images known outside the jitted function
        traces.append(1)
        return deepfool(NET, images, labels, eps)

    for eps in (0.1, 0.25):
        np.testing.assert_allclose(attack(eps), jitted(NET, images, labels, eps), atol=1e-3)
    assert len(traces) == 1


def test_bad_input_is_refused():
    images, labels = right(0, 1)
    with refuses("norm is 'l1'", "DeepFool", "linf"):
        deepfool(LINEAR, images, labels, 0.1, norm="l1")
    with refuses("images hold values outside [0, 1]"):
        deepfool(LINEAR, 2 * images, labels, 0.1)
    with refuses("labels hold values outside 0 to 4"):
        deepfool(LINEAR, images, labels - 5, 0.1)
    with refuses("eps is -1", "[0, inf)"):
        deepfool(LINEAR, images, labels, -1)
    with refuses("steps is 0", "at least 1"):
        deepfool(LINEAR, images, labels, 0.1, steps=0)
    with refuses("candidates is 1", "at least 2"):
        deepfool(LINEAR, images, labels, 0.1, candidates=1)
    with refuses("overshoot is -0.1", ">= 0"):
        deepfool(LINEAR, images, labels, 0.1, overshoot=-0.1)
