"""Bounds through layers: they hold true values, exactly where they can, and CROWN's are inside intervals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from certify.nets import EPS, VARIANTS, around, net, photos
from minmax_jax.certify.bounds import Bounds, least
from minmax_jax.certify.linear import Convolution, Dense, Flatten, MeanPool
from minmax_jax.certify.network import box, layers_of
from minmax_jax.certify.passes import backward, forward, refined


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


def test_one_linear_layer_is_exact_by_intervals_too(linear):
    layers, inputs, _ = linear
    first = layers[0]
    low, high = first.forward(inputs)
    place = (1, 0, 2, 1, 1)
    one = jnp.zeros((*low.shape[:-1], 1, 1)).at[place].set(1)
    for sign, end in ((1.0, low), (-1.0, -high)):
        back, constant = first.backward(sign * one, inputs)
        got = least(back, inputs) + constant
        np.testing.assert_allclose(got[0], end[place], rtol=1e-4, atol=1e-4)


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
    from minmax_jax.tiles import from_tiles

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
            assert (true >= low - 1e-4).all()
            assert (true <= high + 1e-4).all()


def test_crown_between_layers_is_inside_intervals(bounded):
    *_, intervals, crown = bounded
    tighter = False
    for one, other in zip(intervals, crown, strict=True):
        assert (other.low >= one.low - 1e-5).all()
        assert (other.high <= one.high + 1e-5).all()
        tighter |= bool(((other.high - other.low) < 0.8 * (one.high - one.low)).any())
    assert tighter
