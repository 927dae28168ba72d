"""DeepFool: the known distance on a linear model, and nothing further than a radius on any."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.attacked import broken, curved, right
from helpers.faces import linear_classes, nearest
from minmax_jax.attacks.ball import size
from minmax_jax.attacks.deepfool import NUDGE, deepfool

pytestmark = pytest.mark.slow

jitted = jax.jit(deepfool, static_argnames=("model", "norm", "steps", "candidates"))
NORMS = pytest.mark.parametrize("norm", ["l2", "linf"])
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
    assert got.min() >= 0 and got.max() <= 1
    assert (size(got - images, norm) >= 0.999 * nearest(images, labels, KERNELS, norm)).all()


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
