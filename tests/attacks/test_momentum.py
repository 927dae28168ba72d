"""MI-FGSM: exact on linear models, PGD without its memory, and the paper's update step by step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.filled import filled
from helpers.linear import Curved, batch, linear_model, margins, worst_in_box
from helpers.refusal import refuses
from minmax_jax.attacks import fgsm, pgd
from minmax_jax.attacks.ball import size
from minmax_jax.attacks.losses import cross_entropy
from minmax_jax.attacks.momentum import NORMS, momentum

LINEAR, W = linear_model()
jitted = jax.jit(momentum, static_argnames=("model", "norm", "steps"))


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
    """Images that the linear model classifies as labelled: the others are left as they are."""
    images, _ = batch(low, high)
    return images, LINEAR(images).argmax(-1)


@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.floats(0, 3), st.sampled_from(NORMS))
@settings(max_examples=30)
def test_the_result_is_in_the_ball_and_in_zero_one_whatever_the_step_and_decay(eps, stride, decay, norm):
    images, labels = batch(0, 1)
    got = jitted(LINEAR, images, labels, eps, norm=norm, steps=3, step_size=stride, decay=decay)
    assert got.min() >= 0
    assert got.max() <= 1
    assert (size(got - images, norm) <= eps * (1 + 1e-5) + 1e-6).all()
    before, after = (cross_entropy(LINEAR(x), labels) for x in (images, got))
    assert (after >= before - 1e-6).all()


@pytest.mark.parametrize("norm", NORMS)
def test_a_radius_of_zero_gives_the_images_back(norm):
    images, labels = batch(0, 1)
    np.testing.assert_array_equal(jitted(LINEAR, images, labels, 0.0, norm=norm, steps=3), images)


@pytest.mark.parametrize("eps", [0.2, 1.0])
def test_on_a_linear_model_each_pixel_goes_as_far_as_it_can(eps):
    images, labels = right(0, 1)
    expected = worst_in_box(images, labels, W, eps)
    np.testing.assert_allclose(jitted(LINEAR, images, labels, eps), expected, atol=1e-6)


def test_by_l2_the_margin_of_a_linear_model_falls_by_eps_times_the_l2_norm():
    images, labels = right(0.3, 0.7)
    got = jitted(LINEAR, images, labels, 0.25, norm="l2", steps=3)
    fall = margins(images, labels, W) - margins(got, labels, W)
    np.testing.assert_allclose(fall, 0.25 * np.linalg.norm(W.ravel()), rtol=1e-4)


def written_out(net, images, labels, eps, stride, decay, steps):
    """Algorithm 1 of the paper, image by image, in NumPy but for the gradient."""
    slope = jax.jit(jax.grad(lambda x, y: cross_entropy(net(x[None]), y[None]).sum()))
    found = []
    for x0, y in zip(np.asarray(images), np.asarray(labels), strict=True):
        x, memory = x0, np.zeros_like(x0)
        for _ in range(steps):
            gradient = np.asarray(slope(x, y))
            memory = decay * memory + gradient / np.abs(gradient).sum()
            x = np.clip(np.clip(x + stride * np.sign(memory), x0 - eps, x0 + eps), 0, 1)
        found.append(x)
    return np.stack(found)


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_it_is_the_papers_algorithm_where_that_is_a_gain(net, photos, decay):
    images, labels = photos
    expected = written_out(net, images, labels, 0.1, 0.025, decay, steps=4)
    reached = net(jnp.asarray(expected)).argmax(-1) != labels
    before, after = (cross_entropy(net(jnp.asarray(x)), labels) for x in (images, expected))
    gained = (reached | (after > before)) & (net(images).argmax(-1) == labels)
    expected = np.where(gained[:, None, None, None], expected, images)
    got = jitted(net, images, labels, 0.1, steps=4, step_size=0.025, decay=decay)
    assert np.mean(np.abs(got - expected) > 1e-5) < 0.01  # a slope near zero may change sign
    assert gained.sum() > 8


@pytest.mark.parametrize("norm", NORMS)
def test_without_memory_it_is_pgd_from_the_image(net, photos, norm):
    images, labels = photos
    ours = jitted(net, images, labels, 0.1, norm=norm, steps=4, decay=0.0)
    options = {"norm": norm, "steps": 4, "step_size": 0.025, "random_start": False}
    assert np.mean(np.abs(ours - pgd(net, images, labels, 0.1, **options)) > 1e-5) < 0.01


def test_one_step_is_fgsm_where_the_image_is_right(net, photos):
    images, labels = (x[:-1] for x in photos)
    got, expected = momentum(net, images, labels, 0.05, steps=1), fgsm(net, images, labels, 0.05)
    assert np.mean(np.abs(got - expected) > 1e-6) < 0.01


def test_memory_changes_where_the_steps_lead(net, photos):
    images, labels = photos
    none, some = (jitted(net, images, labels, 0.1, steps=4, decay=decay) for decay in (0.0, 1.0))
    assert np.abs(none - some).max() > 0.01


@pytest.mark.parametrize("scale", [1e-3, 1.0])
def test_the_scale_of_the_gradient_does_not_matter(scale):
    """The paper divides by its size so that early and late gradients count alike."""

    def model(images):
        y = (images * W[None]).sum((1, 2, 3)) - 0.5
        return scale * jnp.stack([-y, y], axis=1)

    images, labels = right(0, 1)
    expected = worst_in_box(images, labels, W, 0.1)
    np.testing.assert_allclose(jitted(model, images, labels, 0.1, steps=3), expected, atol=1e-6)


def test_an_image_that_is_misclassified_already_is_left_as_it_is(net, photos):
    images, labels = photos
    got = jitted(net, images, labels, 0.05, steps=4)
    np.testing.assert_array_equal(got[-1], images[-1])
    assert not np.array_equal(got[0], images[0])


@pytest.mark.parametrize("norm", NORMS)
def test_targets_are_reached_or_come_closer(net, photos, norm):
    images, labels = photos
    targets = (net(images).argmax(-1) + 1) % 4
    eps = {"linf": 0.2, "l2": 0.8}[norm]
    got = jitted(net, images, labels, eps, norm=norm, targets=targets, steps=10)
    reached = net(got).argmax(-1) == targets
    assert (reached | (cross_entropy(net(got), targets) <= cross_entropy(net(images), targets))).all()
    assert reached.mean() > 0.4


def test_the_key_does_not_matter_and_eps_can_be_traced():
    images, labels = right(0, 1)
    for eps in (0.1, 0.3):
        one, two = (jitted(LINEAR, images, labels, eps, key=jax.random.key(i)) for i in (0, 1))
        np.testing.assert_array_equal(one, two)
        np.testing.assert_allclose(one, worst_in_box(images, labels, W, eps), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, ["steps is 0", "at least 1"]),
        ({"step_size": -0.1}, ["step_size is -0.1", ">= 0"]),
        ({"step_size": float("nan")}, ["step_size is nan"]),
        ({"decay": -1.0}, ["decay is -1.0", ">= 0"]),
        ({"decay": float("inf")}, ["decay is inf"]),
        ({"norm": "l1"}, ["norm is 'l1'", "linf", "l2"]),
        ({"eps": 1.5}, ["eps is 1.5", "[0, 1]"]),
        ({"targets": jnp.full(6, 2)}, ["targets hold values outside 0 to 1"]),
    ],
)
def test_bad_settings_are_refused(options, words):
    images, labels = batch(0, 1)
    with refuses(*words):
        momentum(LINEAR, images, labels, **{"eps": 0.1} | options)


def test_bad_images_and_labels_are_refused():
    images, labels = batch(0, 1)
    with refuses("images hold values outside [0, 1]"):
        momentum(LINEAR, images + 1, labels, 0.1)
    with refuses("labels hold values outside 0 to 1"):
        momentum(LINEAR, images, labels + 1, 0.1)
    with refuses("logits that are NaN"):
        momentum(lambda x: LINEAR(x) / 0, images, labels, 0.1)
