"""The fast gradient sign method: in the ball, and exact on a linear model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filled import filled
from linear import Curved, batch, linear_model, margins, worst_in_box
from minmax_jax.attacks import fgsm
from minmax_jax.attacks.ball import losses
from refusal import refuses


@given(st.floats(0, 1, width=32), st.integers(0, 5))
@settings(max_examples=20)
def test_the_result_is_in_the_ball_and_in_zero_one(eps, seed):
    model, _ = linear_model(seed)
    images, labels = batch(0, 1, seed=seed)
    got = np.asarray(fgsm(model, images, labels, eps))
    assert got.min() >= 0
    assert got.max() <= 1
    assert np.abs(got - images).max() <= eps + 1e-6


def test_a_radius_of_zero_gives_the_images_back():
    model, _ = linear_model()
    images, labels = batch(0, 1)
    np.testing.assert_array_equal(fgsm(model, images, labels, 0.0), images)


@pytest.mark.parametrize("eps", [0.05, 0.2])
def test_away_from_the_box_the_margin_of_a_linear_model_falls_by_eps_times_the_l1_norm(eps):
    model, w = linear_model()
    images, labels = batch(0.3, 0.7)
    got = fgsm(model, images, labels, eps)
    worst = margins(images, labels, w) - eps * np.abs(w).sum()
    np.testing.assert_allclose(margins(got, labels, w), worst, atol=1e-4)
    np.testing.assert_allclose(losses(model, got, labels), np.log1p(np.exp(-worst)), rtol=1e-4)


def test_training_on_the_attack_of_a_linear_model_is_an_l1_penalty_on_its_margin():
    """Identity 5 of the design: the gradient, too, is that of the closed form."""
    images, labels = batch(0.3, 0.7)
    sign, eps = jnp.where(labels == 1, 1.0, -1.0), 0.1
    w = jnp.asarray(np.random.default_rng(4).normal(size=images.shape[1:]), jnp.float32)

    def logits(w, images):
        y = (images * w[None]).sum((1, 2, 3))
        return jnp.stack([-y / 2, y / 2], axis=-1)

    def adversarial(w):
        fixed = jax.lax.stop_gradient(w)
        attacked = fgsm(lambda x: logits(fixed, x), images, labels, eps)
        return losses(lambda x: logits(w, x), attacked, labels).mean()

    def penalised(w):
        y = (images * w[None]).sum((1, 2, 3))
        return jax.nn.softplus(eps * jnp.abs(w).sum() - sign * y).mean()

    value, gradient = jax.value_and_grad(adversarial)(w)
    expected, expected_gradient = jax.value_and_grad(penalised)(w)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("eps", [0.1, 0.4, 1.0])
def test_at_the_box_each_pixel_of_a_linear_model_goes_as_far_as_it_can(eps):
    model, w = linear_model()
    images, labels = batch(0, 1)
    expected = worst_in_box(images, labels, w, eps)
    np.testing.assert_allclose(fgsm(model, images, labels, eps), expected, atol=1e-6)


def test_a_flax_model_is_attacked_and_jit_with_traced_eps_agrees_with_eager():
    model = filled(Curved)
    images, labels = batch(0, 1, shape=(5, 5, 1))
    attack = jax.jit(lambda images, eps: fgsm(model, images, labels, eps))
    before = losses(model, images, labels).mean()
    for eps in (0.0, 0.02):
        got = attack(images, eps)
        eager = fgsm(model, images, labels, eps)
        assert np.mean(np.abs(got - eager) > 1e-6) < 0.01  # a slope near zero may change sign
    assert losses(model, got, labels).mean() > before


def test_images_known_outside_a_jitted_function_can_be_attacked_inside_it():
    model, w = linear_model()
    images, labels = batch(0, 1)
    got = jax.jit(lambda eps: fgsm(model, images, labels, eps))(0.25)
    np.testing.assert_allclose(got, worst_in_box(images, labels, w, 0.25), atol=1e-6)


def test_bad_input_is_refused():
    model, _ = linear_model()
    images, labels = batch(0, 1)
    with refuses("images hold values outside [0, 1]"):
        fgsm(model, 255 * images, labels, 0.1)
    with refuses("images hold", "NaN"):
        fgsm(model, images.at[0].set(jnp.nan), labels, 0.1)
    for eps in (-0.1, 1.5, np.nan):
        with refuses("eps is", eps, "[0, 1]"):
            fgsm(model, images, labels, eps)
    with refuses("images have shape", images[0].shape, "(n, h, w, c)"):
        fgsm(model, images[0], labels, 0.1)
    with refuses("labels (5,)", "(n,)"):
        fgsm(model, images, labels[:5], 0.1)
