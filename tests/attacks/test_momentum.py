"""MI-FGSM: exact on linear models, PGD without its memory, and the paper's update step by step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.attacked import curved, right, scores
from helpers.linear import batch, linear_model, margins, worst_in_box
from minmax_jax.attacks import fgsm, pgd
from minmax_jax.attacks.ball import size
from minmax_jax.attacks.losses import cross_entropy
from minmax_jax.attacks.momentum import NORMS, momentum

pytestmark = pytest.mark.slow

LINEAR, W = linear_model()
jitted = jax.jit(momentum, static_argnames=("model", "norm", "steps"))


@pytest.mark.slow
@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.floats(0, 3), st.sampled_from(NORMS))
@settings(max_examples=15)
def test_any_step_and_decay_stay_in_ball_and_box_and_do_no_harm(eps, stride, decay, norm):
    images, labels = batch(0, 1)
    got = jitted(LINEAR, images, labels, eps, norm=norm, steps=3, step_size=stride, decay=decay)
    assert got.min() >= 0
    assert got.max() <= 1
    assert (size(got - images, norm) <= eps * (1 + 1e-5) + 1e-6).all()
    assert (scores(LINEAR, got, labels) >= scores(LINEAR, images, labels) - 1e-6).all()


@pytest.mark.parametrize("eps", [0.2, 1.0])
def test_on_a_linear_model_each_pixel_goes_as_far_as_it_can(eps):
    images, labels = right(LINEAR)
    expected = worst_in_box(images, labels, W, eps)
    np.testing.assert_allclose(jitted(LINEAR, images, labels, eps), expected, atol=1e-6)


def test_in_l2_a_margin_falls_by_eps_times_the_l2_norm():
    images, labels = right(LINEAR, 0.3, 0.7)
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
def test_it_is_the_papers_algorithm_where_that_is_a_gain(decay):
    net, images, labels = curved()
    expected = written_out(net, images, labels, 0.1, 0.025, decay, steps=4)
    before, after = (scores(net, jnp.asarray(x), labels) for x in (images, expected))
    gained = after > before
    expected = np.where(gained[:, None, None, None], expected, images)
    got = jitted(net, images, labels, 0.1, steps=4, step_size=0.025, decay=decay)
    assert np.mean(np.abs(got - expected) > 1e-5) < 0.01  # a slope near zero may change sign
    assert gained.sum() > 8


@pytest.mark.parametrize("norm", NORMS)
def test_without_memory_it_is_pgd_from_the_image_and_with_it_is_not(norm):
    net, images, labels = curved()
    none, some = (jitted(net, images, labels, 0.1, norm=norm, steps=4, decay=decay) for decay in (0.0, 1.0))
    options = {"norm": norm, "steps": 4, "step_size": 0.025, "random_start": False}
    assert np.mean(np.abs(none - pgd(net, images, labels, 0.1, **options)) > 1e-5) < 0.01
    assert np.abs(none - some).max() > {"linf": 0.01, "l2": 0.001}[norm]


def test_one_step_is_fgsm_where_the_image_is_right():
    net, images, labels = curved()
    got, expected = (
        attack(net, images[:-1], labels[:-1], 0.05, **options)
        for attack, options in ((momentum, {"steps": 1}), (fgsm, {}))
    )
    assert np.mean(np.abs(got - expected) > 1e-6) < 0.01


@pytest.mark.parametrize("scale", [1e-3, 1.0])
def test_the_scale_of_the_gradient_does_not_matter(scale):
    """The paper divides by its size so that early and late gradients count alike."""

    def model(images):
        y = (images * W[None]).sum((1, 2, 3)) - 0.5
        return scale * jnp.stack([-y, y], axis=1)

    images, labels = right(LINEAR)
    expected = worst_in_box(images, labels, W, 0.1)
    np.testing.assert_allclose(jitted(model, images, labels, 0.1, steps=3), expected, atol=1e-6)
