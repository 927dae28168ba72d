"""Adversarial training: the worst case of a linear model, and what becomes of the model it attacks."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.attacked import within
from helpers.defending import KEY, assert_close, curved, graded, straight
from helpers.small import Norm, digits
from minmax_jax.attacks.ball import size
from minmax_jax.defences import TRADES, Adversarial, fast_adversarial
from minmax_jax.defences.adversarial import frozen

pytestmark = pytest.mark.slow

PLAIN = mm.Objective()


def adversarial(*arguments, **options):
    return mm.Objective(defence=Adversarial(*arguments, **options))


@pytest.mark.parametrize("make", [curved, straight])
@pytest.mark.parametrize(
    "defence", [Adversarial(0.0), Adversarial(0.0, random_start=False), TRADES(0.0), TRADES(0.1, beta=0.0)]
)
def test_a_radius_or_a_beta_of_zero_is_plain_training(defence, make):
    """``test_ibp`` says so of IBP."""
    (got, gradient), (plain, expected) = (
        graded(one, *make()) for one in (mm.Objective(defence=defence), PLAIN)
    )
    assert_close((got.loss, got.cross_entropy, gradient), (plain.loss, plain.cross_entropy, expected))


def closed_form(params, images, labels, eps, norm):
    """Mean cross-entropy of two classes at the margin less eps times the dual norm of w."""
    w = params["conv"]["kernel"][..., 1] - params["conv"]["kernel"][..., 0]
    shift = params["conv"]["bias"][1] - params["conv"]["bias"][0]
    sign = 2.0 * labels - 1
    margin = sign * ((images * w[None]).sum((1, 2, 3)) + shift)
    length = jnp.abs(w).sum() if norm == "linf" else jnp.sqrt(jnp.square(w).sum())
    return jax.nn.softplus(eps * length - margin).mean()


@pytest.mark.parametrize(
    ("defence", "norm", "eps"),
    [
        (Adversarial(0.1, steps=4), "linf", 0.1),
        (Adversarial(0.1, steps=4, random_start=False), "linf", 0.1),
        (fast_adversarial(0.1, stride=2.0), "linf", 0.1),  # across the ball, wherever it starts
        (Adversarial(0.2, steps=4, norm="l2", random_start=False), "l2", 0.2),
    ],
)
def test_on_a_linear_model_it_is_an_l1_penalty_on_the_margin(defence, norm, eps):
    """By "l2" an L2 penalty. Value and gradient: section 3.5 of the study's theory."""
    model, images, labels = straight()
    params = nnx.to_pure_dict(nnx.state(model, nnx.Param))
    value, gradient = jax.value_and_grad(closed_form)(params, images, labels, eps, norm)
    measured, got = graded(mm.Objective(defence=defence), model, images, labels)
    assert float(measured.loss) == pytest.approx(float(value), rel=1e-5)
    assert float(value) > float(graded(PLAIN, model, images, labels)[0].loss) + 0.01
    assert fast_adversarial(0.3) == Adversarial(0.3, steps=1, stride=1.25)
    assert_close(got, gradient, rtol=1e-3, atol=1e-5)


def seen_by(defence, model, images, labels, progress=0.0):
    """The images that the loss sees."""
    seen = []

    def watched(x):
        seen.append(x)
        return model(x)

    defence(watched, images, labels, progress, KEY)
    return seen[-1]  # the attack sees others before


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_the_images_are_in_the_ball_and_in_zero_one_and_all_are_attacked(norm):
    model, images, _ = curved()
    labels = (model(images).argmax(-1) + jnp.arange(8) % 2) % 4  # every second is misclassified already
    eps = {"linf": 0.1, "l2": 0.5, "l1": 2.0}[norm]
    got = seen_by(Adversarial(eps, norm=norm), model, images, labels)
    assert within(got, images, eps, norm) and (size(got - images, norm) > eps / 4).all()


def test_the_radius_warms_up():
    model, images, labels = straight()
    defence = Adversarial(0.2, start=0.05, warmup=0.5, steps=4)
    for progress, eps in [(0.0, 0.05), (0.25, 0.125), (0.5, 0.2), (0.9, 0.2)]:
        got = seen_by(defence, model, images, labels, progress)
        np.testing.assert_allclose(size(got - images, "linf"), eps, rtol=1e-5)
        params = nnx.to_pure_dict(nnx.state(model, nnx.Param))
        value = closed_form(params, images, labels, eps, "linf")
        measured, _ = graded(mm.Objective(defence=defence), model, images, labels, progress)
        assert float(measured.loss) == pytest.approx(float(value), rel=1e-5)


def test_the_gradient_takes_the_images_as_constants():
    model, images, labels = curved()
    defence = Adversarial(0.1, steps=3)
    attacked = seen_by(defence, model, images, labels)
    measured, gradient = graded(mm.Objective(defence=defence), model, images, labels)
    plain, of_attacked = graded(PLAIN, model, attacked, labels)
    assert_close(gradient, of_attacked, rtol=1e-4, atol=1e-5)
    assert measured.loss == measured.cross_entropy == pytest.approx(float(plain.loss), rel=1e-5)
    assert measured.accuracy == (model(attacked).argmax(-1) == labels).mean()


def test_the_attacked_model_is_the_one_in_evaluation_mode_and_the_trained_one_is_not():
    """Batch statistics and dropout's counter move as by one call of the model, not by those of the attack."""
    images, labels = jnp.asarray(digits().train.images[:16]), jnp.asarray(digits().train.labels[:16])
    models = [Norm(nnx.Rngs(0)) for _ in range(3)]
    for model in models:
        model.train()
    defence = Adversarial(0.1, steps=2, random_start=False)
    got = defence(models[0], images, labels, 0.0, KEY)
    quiet = frozen(models[1])
    np.testing.assert_array_equal(quiet(images), quiet(images))
    attacked = images
    for _ in range(2):
        gradient = jax.grad(lambda x: mm.objective.cross_entropy(quiet(x), labels))(attacked)
        attacked = jnp.clip(attacked + 0.125 * jnp.sign(gradient), images - 0.1, images + 0.1).clip(0, 1)
    by_hand = mm.objective.cross_entropy(models[2](attacked), labels)
    assert float(got.loss) == pytest.approx(float(by_hand), rel=1e-4)
    assert int(models[0].dropout.rngs.count[...]) == int(models[2].dropout.rngs.count[...]) == 1
    np.testing.assert_allclose(models[0].norm.mean[...], models[2].norm.mean[...], rtol=1e-4)
    assert not models[0].dropout.deterministic


def test_it_combines_with_strength_and_penalties():
    model, images, labels = curved()
    defended = adversarial(0.1)
    both = replace(defended, strength=2.0, l1=0.1, l2=0.3)
    penalty, of_penalty = jax.value_and_grad(both.penalty)(nnx.to_pure_dict(nnx.state(model, nnx.Param)))
    alone, gradient = graded(defended, model, images, labels)
    got, of_both = graded(both, model, images, labels)
    assert float(got.loss) == pytest.approx(float(alone.loss + penalty), rel=1e-5)
    assert (got.cross_entropy, got.accuracy) == (alone.cross_entropy, alone.accuracy)
    assert_close(of_both, jax.tree.map(jnp.add, gradient, of_penalty), rtol=1e-4, atol=1e-5)
