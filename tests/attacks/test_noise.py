"""Random noise: in the ball and the box, no worse than no attack, and no stronger than chance."""

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
from minmax_jax.attacks.noise import noise

LINEAR, W = linear_model()
jitted = jax.jit(noise, static_argnames=("model", "norm", "tries"))


@pytest.mark.parametrize(("norm", "largest"), [("linf", 1), ("l2", 5), ("l1", 20)])
@given(share=st.floats(0, 1, width=32), seed=st.integers(0, 9))
@settings(max_examples=10)
def test_the_result_is_in_the_ball_and_in_zero_one_and_never_worse(norm, largest, share, seed):
    images, _ = batch(0, 1, seed=seed)
    labels, eps = LINEAR(images).argmax(-1), share * largest
    got = jitted(LINEAR, images, labels, eps, norm=norm, tries=3, key=jax.random.key(seed))
    assert got.min() >= 0 and got.max() <= 1
    assert (size(got - images, norm) <= eps * (1 + 1e-5) + 1e-6).all()
    assert (margins(got, labels, W) <= margins(images, labels, W) + 1e-5).all()


def test_it_is_the_worst_of_its_tries():
    """On a linear model a random sign vector moves the margin by eps <w, signs>; the worst of many counts."""
    images, _ = batch(0.4, 0.6, n=40)
    labels, eps = LINEAR(images).argmax(-1), 0.01
    one, many = (jitted(LINEAR, images, labels, eps, tries=tries) for tries in (1, 200))
    drops = [(margins(images, labels, W) - margins(x, labels, W)) / eps for x in (one, many)]
    assert (drops[1] >= drops[0] - 1e-3).all()
    assert drops[1].mean() > 2 * np.linalg.norm(W)  # the largest of 200 normal numbers is near 2.7
    assert (drops[1] < np.abs(W).sum()).all()
    moved = np.abs(np.asarray(many - images))[drops[1] > 0]
    np.testing.assert_allclose(moved, eps, atol=1e-6)  # signs: every pixel goes to an end


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_its_points_are_on_the_surface_of_the_ball(norm):
    images, _ = batch(0.4, 0.6)
    got = jitted(LINEAR, images, LINEAR(images).argmax(-1), 0.05, norm=norm, tries=20)
    np.testing.assert_allclose(size(got - images, norm), 0.05, rtol=1e-4)


def test_misclassified_images_are_left_alone_and_targets_are_looked_for():
    model = filled(Curved)
    images, _ = batch(0, 1, n=30, shape=(5, 5, 1))
    answers = model(images).argmax(-1)
    wrong = (answers + 1) % 4
    np.testing.assert_array_equal(noise(model, images, wrong, 0.3, tries=3), images)
    found = model(noise(model, images, answers, 0.3, targets=wrong, tries=30)).argmax(-1)
    assert 0 < (found == wrong).sum() < 30


def test_the_key_decides():
    images, _ = batch(0, 1)
    labels = LINEAR(images).argmax(-1)
    none, zero, one = (
        jitted(LINEAR, images, labels, 0.1, key=k) for k in (None, *map(jax.random.key, (0, 1)))
    )
    np.testing.assert_array_equal(none, zero)
    assert not np.array_equal(zero, one)


def test_bad_input_is_refused():
    images, labels = batch(0, 1)
    with refuses("tries must be at least 1, got 0"):
        noise(LINEAR, images, labels, 0.1, tries=0)
    with refuses("labels hold values outside 0 to 1"):
        noise(LINEAR, images, jnp.full(6, 2), 0.1)
