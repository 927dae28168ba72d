"""LeNet as layers: the same function, whatever the shape of the images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.filled import filled
from helpers.refusal import refuses
from minmax_jax.certify.network import box, layers_of
from minmax_jax.certify.passes import forward


@pytest.mark.parametrize("variant", ["modern", "classic"])
@pytest.mark.parametrize("shape", [(12, 12, 1), (15, 18, 3)])
@pytest.mark.parametrize("relaxation", ["joint", "separate"])
def test_points_come_out_as_logits(variant, shape, relaxation):
    model = filled(lambda rngs: mm.LeNet(shape, 3, variant, rngs=rngs))
    images = jnp.asarray(np.random.default_rng(0).uniform(size=(2, *shape)), jnp.float32)

    @jax.jit
    def run(x):
        return forward(layers_of(model, relaxation), box(model, x, x))[-1]

    expected = nnx.jit(lambda m, x: m(x))(model, images)
    for end in run(images):
        np.testing.assert_allclose(end.T, expected, rtol=1e-4, atol=1e-5)


def test_the_box_is_clipped_to_zero_one():
    model = filled(lambda rngs: mm.LeNet((12, 12, 1), rngs=rngs))
    images = jnp.asarray(np.random.default_rng(0).uniform(size=(2, 12, 12, 1)), jnp.float32)
    low, high = box(model, images - 0.7, images + 0.7)
    np.testing.assert_array_equal(low, box(model, jnp.maximum(images - 0.7, 0), images)[0])
    assert low.min() == 0
    assert high.max() == 1
    assert (low <= high).all()


def test_another_model_and_another_relaxation_are_refused():
    dense = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    with refuses("model is a Linear", "minmax_jax.lenet.LeNet", error=TypeError):
        layers_of(dense)
    with refuses("relaxation is 'tight'", "joint"):
        layers_of(filled(lambda rngs: mm.LeNet((12, 12, 1), rngs=rngs)), "tight")
