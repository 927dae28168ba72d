"""Bounds through the layers of a LeNet: sound, exact where they can be, CROWN's inside intervals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from certify.nets import EPS, VARIANTS, around, net, photos
from helpers.filled import filled
from minmax_jax.certify.bounds import Bounds, least
from minmax_jax.certify.linear import Convolution, Dense, Flatten, MeanPool
from minmax_jax.certify.network import box, layers_of
from minmax_jax.certify.passes import backward, forward, refined
from minmax_jax.tiles import from_tiles

pytestmark = pytest.mark.slow


def normal(rng, *shape):
    return jnp.asarray(rng.normal(size=shape), jnp.float32)


@pytest.fixture(scope="module")
def linear():
    """A network without activations, bounds of its input, and random functions of its output."""
    rng = np.random.default_rng(0)
    layers = (
        Convolution(normal(rng, 3, 3, 2, 4), normal(rng, 4)),
        MeanPool(),
        Convolution(normal(rng, 2, 2, 4, 3), normal(rng, 3)),
        Flatten(2, 3),
        Dense(normal(rng, 18, 7), normal(rng, 7)),
        Dense(normal(rng, 7, 5), normal(rng, 5)),
    )
    middle, radius = normal(rng, 2, 2, 2, 4, 5, 3), jnp.abs(normal(rng, 2, 2, 2, 4, 5, 3))
    return layers, Bounds(middle - radius, middle + radius), normal(rng, 5, 6, 1)


def test_on_a_linear_network_a_backward_pass_is_exact(linear):
    layers, inputs, coefficients = linear

    @jax.jit
    def network(x):  # one image, from its values to the six functions
        for layer in layers:
            x = layer.weigh(x) + layer.shift
        return (coefficients[..., 0] * x).sum(0)

    @jax.jit
    def both(inputs):
        bounds = forward(layers, inputs)
        return bounds, backward(layers, bounds[:-1], coefficients, jnp.zeros((6, 1)))

    slopes = jax.jit(jax.jacobian(network))
    bounds, got = both(inputs)
    for image in range(3):
        centre, radius = (np.asarray(end[..., image : image + 1]) for end in (inputs.centre, inputs.radius))
        slope = np.asarray(slopes(jnp.asarray(centre)))
        worst = centre[None] - radius[None] * np.sign(slope)
        exact = [network(jnp.asarray(one))[i] for i, one in enumerate(worst)]
        np.testing.assert_allclose(got[:, image], exact, rtol=1e-4, atol=1e-3)
    by_intervals = least(coefficients, bounds[-1])
    assert (got >= by_intervals - 1e-3).all()
    assert (got > by_intervals + 1).any()  # intervals forget what values have in common


@pytest.fixture(scope="module", params=VARIANTS)
def bounded(request):
    """A LeNet's layers but for the last, what it is given, and bounds by intervals and by CROWN."""
    model = net(request.param)
    images, _ = photos()
    layers = layers_of(model)[:-1]
    inputs = box(model, images - EPS[request.param], images + EPS[request.param])
    return (
        model,
        layers,
        images,
        jax.jit(lambda x: forward(layers, x))(inputs),
        jax.jit(lambda x: refined(layers, x))(inputs),
    )


def activations(model, images):
    """What conv1, conv2, dense1 and dense2 give, from the plain layers of the model."""
    pool = nnx.max_pool if model.variant == "modern" else nnx.avg_pool
    found, hidden = [], images
    for conv in (model.conv1, model.conv2):
        found.append(conv(hidden))
        hidden = pool(model._activate(found[-1]), (2, 2), strides=(2, 2))
    hidden = hidden.reshape(len(hidden), -1)
    for dense in (model.dense1, model.dense2):
        found.append(dense(hidden))
        hidden = model._activate(found[-1])
    return found


def test_bounds_between_layers_hold_true_values(bounded):
    model, layers, images, *both = bounded
    linear = [i + 1 for i, layer in enumerate(layers) if isinstance(layer, Convolution | Dense)]
    sampled = around(images, EPS[model.variant], 200)
    run = jax.jit(lambda x: activations(model, x))
    values = [np.stack(part) for part in zip(*(run(jnp.asarray(x)) for x in sampled), strict=True)]
    assert len(linear) == len(values) == 4
    for bounds in both:
        for place, true in zip(linear, values, strict=True):
            low, high = bounds[place]
            if low.ndim == 6:
                low, high = (from_tiles(end, *true.shape[2:4]) for end in (low, high))
            else:
                low, high = low.T, high.T
            low, high = np.asarray(low), np.asarray(high)
            assert (true >= low - 1e-4).all() and (true <= high + 1e-4).all()


def test_crown_between_layers_is_inside_intervals(bounded):
    *_, intervals, crown = bounded
    tighter = False
    for one, other in zip(intervals, crown, strict=True):
        assert (other.low >= one.low - 1e-5).all() and (other.high <= one.high + 1e-5).all()
        tighter |= bool(((other.high - other.low) < 0.8 * (one.high - one.low)).any())
    assert tighter


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
