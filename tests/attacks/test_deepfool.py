"""DeepFool: the known distance on a linear model, and nothing further than a radius on any."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.attacked import broken, curved, right
from helpers.faces import linear_classes, nearest
from helpers.linear import batch
from minmax_jax.attacks.ball import size
from minmax_jax.attacks.deepfool import NUDGE, deepfool

pytestmark = pytest.mark.slow

jitted = jax.jit(deepfool, static_argnames=("model", "norm", "steps", "candidates"))
NORMS = pytest.mark.parametrize("norm", ["l2", pytest.param("linf", marks=pytest.mark.slow)])
LINEAR, KERNELS = linear_classes()


@NORMS
@pytest.mark.parametrize("classes", [5, 2])
def test_the_change_is_the_overshot_distance_to_the_nearest_face(norm, classes):
    model, kernels = linear_classes(classes=classes)
    images, labels = right(model, 0.4, 0.6)
    expected = nearest(images, labels, kernels, norm)
    for overshoot in (0.02, 0.1):
        got = jitted(model, images, labels, None, norm=norm, overshoot=overshoot)
        nudged = (1 + overshoot) * (expected + NUDGE)
        np.testing.assert_allclose(size(got - images, norm), nudged, rtol=1e-4, atol=1e-6)
        assert broken(model, got, labels).all()


@NORMS
def test_at_the_box_the_change_is_no_less_than_the_least_distance(norm):
    images, _ = right(LINEAR)
    images = jnp.round(2 * images) / 2  # most pixels at an end of the box
    labels = LINEAR(images).argmax(-1)
    got = jitted(LINEAR, images, labels, None, norm=norm)
    assert broken(LINEAR, got, labels).all()
    assert got.min() >= 0
    assert got.max() <= 1
    assert (size(got - images, norm) >= 0.999 * nearest(images, labels, KERNELS, norm)).all()


@NORMS
def test_a_radius_only_sorts_out(norm):
    net, images, labels = curved()
    eps = {"linf": 0.06, "l2": 0.25}[norm]  # some images are broken within it, some are not
    free = jitted(net, images, labels, None, norm=norm)
    sizes = size(free - images, norm)
    assert broken(net, free, labels).mean() > 0.9
    got = jitted(net, images, labels, eps, norm=norm)
    kept = np.asarray(sizes <= eps)
    assert 1 < kept.sum() < 15
    np.testing.assert_allclose(got, jnp.where(kept[:, None, None, None], free, images), atol=1e-6)


def test_an_image_that_one_step_has_broken_does_not_move_on():
    net, images, labels = curved()
    one, many = (jitted(net, images, labels, None, steps=n) for n in (1, 50))
    done = np.asarray((one != images).any((1, 2, 3)))
    assert 0 < done.sum() < 15
    np.testing.assert_allclose(one[done], many[done], atol=1e-6)
    assert broken(net, many, labels).sum() > done.sum()


def test_two_candidates_are_the_label_and_the_class_next_to_it():
    images, labels = right(LINEAR, 0.4, 0.6)
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
