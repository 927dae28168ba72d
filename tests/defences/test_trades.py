"""TRADES: the divergence, its closed form on a linear model, and what the loss adds up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import rel_entr, softmax

import minmax_jax as mm
from helpers.attacked import within
from helpers.defending import KEY, assert_close, curved, graded, straight
from helpers.small import Norm, digits
from minmax_jax.defences import TRADES
from minmax_jax.defences.trades import divergence

pytestmark = pytest.mark.slow

PLAIN = mm.Objective()
logits = hnp.arrays(np.float32, (4, 3), elements=st.floats(-20, 20, width=32))


def trades(*arguments, **options):
    return mm.Objective(defence=TRADES(*arguments, **options))


@given(logits, logits)
@settings(max_examples=30)
def test_the_divergence_is_that_of_the_definition(one, other):
    expected = rel_entr(softmax(one.astype(float), 1), softmax(other.astype(float), 1)).sum(1)
    got = divergence(jnp.asarray(one), jnp.asarray(other))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(divergence(jnp.asarray(one), jnp.asarray(one) + 1), 0, atol=1e-5)


def ends(params, image, eps):
    """Divergence of a two-class linear model's output at both ends of what a ball can do to its margin."""
    w = params["conv"]["kernel"][..., 1] - params["conv"]["kernel"][..., 0]
    margin = (image * w[None]).sum() + params["conv"]["bias"][1] - params["conv"]["bias"][0]
    two = jnp.stack([jnp.zeros(()), margin])[None]
    shift = eps * jnp.abs(w).sum()
    return [divergence(two, two + jnp.array([[0.0, 1.0]]) * end)[0] for end in (shift, -shift)]


def test_on_a_linear_model_the_divergence_is_that_of_an_end_of_the_margin():
    """Value and gradient of each image: the divergence is convex in the margin, so its maxima are ends."""
    model, images, labels = straight()
    params = nnx.to_pure_dict(nnx.state(model, nnx.Param))
    for row in range(len(images)):
        image, label = images[row : row + 1], labels[row : row + 1]
        got, gradient = graded(trades(0.1, beta=2.0, steps=5), model, image, label)
        extra = float(got.loss - got.cross_entropy) / 2
        values = [float(value) for value in ends(params, image, 0.1)]
        which = int(np.argmin([abs(value - extra) for value in values]))
        assert extra == pytest.approx(values[which], rel=1e-3, abs=1e-6)

        def whole(params, image=image, label=label, which=which):
            kernel, bias = params["conv"]["kernel"], params["conv"]["bias"]
            clean = jnp.einsum("nhwc,hwcf->nf", image, kernel) + bias[None]
            return mm.objective.cross_entropy(clean, label) + 2 * ends(params, image, 0.1)[which]

        assert_close(gradient, jax.grad(whole)(params), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_its_images_are_in_the_ball_and_diverge_more_than_random_ones(norm):
    model, images, labels = curved()
    seen = []

    def watched(x):
        seen.append(x)
        return model(x)

    eps = {"linf": 0.1, "l2": 0.5}[norm]
    got = TRADES(eps, norm=norm)(watched, images, labels, 0.0, KEY)
    clean, attacked = seen[-2:]
    np.testing.assert_array_equal(clean, images)
    assert within(attacked, images, eps, norm)
    noise = mm.attacks.ball.random_point(KEY, images, eps, norm)
    reached = divergence(model(images), model(attacked))
    assert (reached > divergence(model(images), model(noise))).all()
    assert float(got.loss - got.cross_entropy) == pytest.approx(6 * float(reached.mean()), rel=1e-4)
    assert got.accuracy == (model(attacked).argmax(-1) == labels).mean()


def test_the_model_is_called_twice_in_training_mode():
    images, labels = jnp.asarray(digits().train.images[:16]), jnp.asarray(digits().train.labels[:16])
    model = Norm(nnx.Rngs(0))
    model.train()
    TRADES(0.1, steps=2)(model, images, labels, 0.0, KEY)
    assert int(model.dropout.rngs.count[...]) == 2 and not model.dropout.deterministic
