"""The fast gradient sign method: exact on a linear model, and no step that is a loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.linear import batch, linear_model, margins, worst_in_box
from minmax_jax.attacks import fgsm
from minmax_jax.attacks.ball import NORMS
from minmax_jax.attacks.losses import cross_entropy

pytestmark = pytest.mark.versions

LINEAR, W = linear_model()


def losses(model, images, labels):
    return cross_entropy(model(images), labels)


@pytest.mark.parametrize(
    ("norm", "eps", "dual"),
    [("linf", 0.05, 1), ("linf", 0.2, 1), ("l2", 0.25, 2), ("l1", 0.25, np.inf)],
)
def test_the_margin_of_a_linear_model_falls_by_eps_times_the_dual_norm(norm, eps, dual):
    """Away from the box; by l1 along the largest weight alone."""
    images, labels = batch(0.3, 0.7)
    got = fgsm(LINEAR, images, labels, eps, norm=norm)
    worst = margins(images, labels, W) - eps * np.linalg.norm(W.ravel(), dual)
    np.testing.assert_allclose(margins(got, labels, W), worst, atol=1e-4)
    np.testing.assert_allclose(losses(LINEAR, got, labels), np.log1p(np.exp(-worst)), rtol=1e-4)
    if norm == "l1":
        assert (np.count_nonzero(np.asarray(got - images), axis=(1, 2, 3)) == 1).all()


@pytest.mark.parametrize("eps", [0.1, 2.0, 7.5, 24.0])
def test_in_l1_the_largest_weights_with_room_come_first(eps):
    images, labels = batch(0, 1)
    got = fgsm(LINEAR, images, labels, eps, norm="l1")
    for i, sign in enumerate(2 * np.asarray(labels) - 1):
        x, w, left, fall = np.float64(images[i]).ravel(), sign * np.float64(W).ravel(), eps, 0.0
        for pixel in np.argsort(-np.abs(w)):
            moved = min(left, x[pixel] if w[pixel] > 0 else 1 - x[pixel])
            left, fall = left - moved, fall + moved * abs(w[pixel])
        before, after = (margins(one[i : i + 1], labels[i : i + 1], W)[0] for one in (images, got))
        np.testing.assert_allclose(after, before - fall, atol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
def test_of_two_classes_towards_the_target_is_away_from_the_label(norm):
    images, labels = batch(0, 1)
    away = fgsm(LINEAR, images, labels, 0.2, norm=norm)
    towards = fgsm(LINEAR, images, labels, 0.2, norm=norm, targets=1 - labels)
    np.testing.assert_allclose(towards, away, atol=1e-5)


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


def test_training_on_it_is_an_l1_penalty_on_a_linear_models_margin():
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
def test_at_the_box_each_pixel_goes_as_far_as_it_can(eps):
    images, labels = batch(0, 1)
    got = fgsm(LINEAR, images, labels, eps)
    np.testing.assert_allclose(got, worst_in_box(images, labels, W, eps), atol=1e-6)
    if eps == 1:
        assert set(np.unique(got)) == {0, 1}
