"""The fast gradient sign method: in the ball, and exact on a linear model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.filled import filled
from helpers.linear import Curved, batch, linear_model, margins, worst_in_box
from helpers.refusal import refuses
from minmax_jax.attacks import fgsm
from minmax_jax.attacks.ball import NORMS, size
from minmax_jax.attacks.losses import cross_entropy

LINEAR, W = linear_model()
jitted = jax.jit(fgsm, static_argnames=("model", "norm"))


def losses(model, images, labels):
    return cross_entropy(model(images), labels)


@given(st.floats(0, 1, width=32), st.integers(0, 5), st.sampled_from(NORMS))
@settings(max_examples=30)
def test_the_result_is_in_the_ball_and_in_zero_one_and_never_worse_than_no_attack(eps, seed, norm):
    images, labels = batch(0, 1, seed=seed)
    got = jitted(LINEAR, images, labels, eps, norm=norm)
    assert got.min() >= 0
    assert got.max() <= 1
    assert (size(got - images, norm) <= eps * (1 + 1e-5) + 1e-6).all()
    assert (losses(LINEAR, got, labels) >= losses(LINEAR, images, labels)).all()


@pytest.mark.parametrize("norm", NORMS)
def test_a_radius_of_zero_gives_the_images_back(norm):
    images, labels = batch(0, 1)
    np.testing.assert_array_equal(fgsm(LINEAR, images, labels, 0.0, norm=norm), images)


def test_a_radius_of_one_reaches_every_corner():
    images, labels = batch(0, 1)
    got = fgsm(LINEAR, images, labels, 1.0)
    assert set(np.unique(got)) == {0, 1}


@pytest.mark.parametrize("eps", [0.05, 0.2])
def test_away_from_the_box_the_margin_of_a_linear_model_falls_by_eps_times_the_l1_norm(eps):
    model, w = linear_model()
    images, labels = batch(0.3, 0.7)
    got = fgsm(model, images, labels, eps)
    worst = margins(images, labels, w) - eps * np.abs(w).sum()
    np.testing.assert_allclose(margins(got, labels, w), worst, atol=1e-4)
    np.testing.assert_allclose(losses(model, got, labels), np.log1p(np.exp(-worst)), rtol=1e-4)


def test_by_l2_the_margin_of_a_linear_model_falls_by_eps_times_the_l2_norm():
    images, labels = batch(0.3, 0.7)
    got = fgsm(LINEAR, images, labels, 0.25, norm="l2")
    worst = margins(images, labels, W) - 0.25 * np.sqrt(np.square(W).sum())
    np.testing.assert_allclose(margins(got, labels, W), worst, atol=1e-4)


@pytest.mark.parametrize("eps", [0.1, 2.0, 7.5, 24.0])
def test_by_l1_the_margin_of_a_linear_model_falls_by_the_largest_weights_that_the_box_lets_move(eps):
    images, labels = batch(0, 1)
    got = fgsm(LINEAR, images, labels, eps, norm="l1")
    for i, sign in enumerate(2 * np.asarray(labels) - 1):
        x, w, left, fall = np.float64(images[i]).ravel(), sign * np.float64(W).ravel(), eps, 0.0
        for pixel in np.argsort(-np.abs(w)):
            moved = min(left, x[pixel] if w[pixel] > 0 else 1 - x[pixel])
            left, fall = left - moved, fall + moved * abs(w[pixel])
        before, after = (margins(one[i : i + 1], labels[i : i + 1], W)[0] for one in (images, got))
        np.testing.assert_allclose(after, before - fall, atol=1e-4)


def test_by_l1_away_from_the_box_it_is_the_largest_weight_alone():
    images, labels = batch(0.3, 0.7)
    got = fgsm(LINEAR, images, labels, 0.25, norm="l1")
    worst = margins(images, labels, W) - 0.25 * np.abs(W).max()
    np.testing.assert_allclose(margins(got, labels, W), worst, atol=1e-4)
    assert (np.count_nonzero(np.asarray(got - images), axis=(1, 2, 3)) == 1).all()


@pytest.mark.parametrize("norm", NORMS)
def test_of_two_classes_towards_the_target_is_away_from_the_label(norm):
    images, labels = batch(0, 1)
    away = fgsm(LINEAR, images, labels, 0.2, norm=norm)
    towards = fgsm(LINEAR, images, labels, 0.2, norm=norm, targets=1 - labels)
    np.testing.assert_allclose(towards, away, atol=1e-5)


def test_towards_targets_their_loss_falls():
    model = filled(Curved)
    images, _ = batch(0, 1, n=16, shape=(5, 5, 1))
    guesses = model(images).argmax(-1)
    targets = (guesses + 1) % 4
    got = fgsm(model, images, guesses, 0.02, targets=targets)
    before, after = (losses(model, x, targets) for x in (images, got))
    assert (after <= before).all()
    assert (after < before - 1e-3).mean() > 0.9


def test_a_step_that_overshoots_is_not_taken():
    """In a narrow pit of confidence: the slope leads over the other side, where the loss is lower."""

    def model(images):  # right in a band around 0.5, less so towards 0.55
        value = images.mean((1, 2, 3))
        sure = 1 - 50 * jnp.maximum(value - 0.5, 0) * (value < 0.55) + 5 * (value > 0.55)
        return jnp.stack([sure, jnp.zeros_like(sure)], axis=1)

    images, labels = jnp.full((1, 2, 2, 1), 0.51), jnp.zeros(1, jnp.int32)
    np.testing.assert_array_equal(fgsm(model, images, labels, 0.2), images)
    assert (fgsm(model, images, labels, 0.03) > images).all()


def test_a_misclassified_image_is_not_mended():
    def model(images):  # wrong at the image, with a slope that leads to where the model is right
        value = images.mean((1, 2, 3))
        right = jnp.where(value < 0.6, -1 - value, 3.0)
        return jnp.stack([right, jnp.zeros_like(right)], axis=1)

    images, labels = jnp.full((1, 2, 2, 1), 0.5), jnp.zeros(1, jnp.int32)
    assert model(images).argmax(-1) != labels
    assert model(images + 0.2).argmax(-1) == labels
    np.testing.assert_array_equal(fgsm(model, images, labels, 0.2), images)


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
    with refuses("labels hold values outside 0 to 1"):
        fgsm(model, images, labels + 1, 0.1)
    with refuses("targets hold values outside 0 to 1"):
        fgsm(model, images, labels, 0.1, targets=labels - 1)
    with refuses("norm is 'l0'"):
        fgsm(model, images, labels, 0.1, norm="l0")
