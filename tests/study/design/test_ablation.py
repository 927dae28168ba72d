"""Ablations keep what they say they keep, and take the rest; a transplant is the donor's layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from helpers.small import lenet, run
from minmax_jax.fuzziness import fuzziness_table
from minmax_jax.minmax import kurtosis, near_zero
from minmax_jax.study.design.ablation import ABLATIONS, transplanted

KEY = jax.random.key(3)
# Two filters of four weights, and their biases.
KERNEL = jnp.array([[0.1, -0.4], [-0.8, 0.05], [0.3, 0.4], [0.5, 0.0]], jnp.float32).reshape(2, 2, 1, 2)
BIAS = jnp.array([-0.5, 0.25], jnp.float32)


@pytest.mark.parametrize(
    ("name", "kernel", "bias"),
    [
        ("none", [[0.1, -0.4], [-0.8, 0.05], [0.3, 0.4], [0.5, 0]], [-0.5, 0.25]),
        ("largest tap", [[0, -0.4], [-0.8, 0], [0, 0], [0, 0]], [-0.5, 0.25]),  # of equals the first
        ("no bias", [[0.1, -0.4], [-0.8, 0.05], [0.3, 0.4], [0.5, 0]], [0, 0]),
        ("snapped", [[0, 0], [-0.8, 0], [0, 0], [0.8, 0]], [-0.5, 0.25]),  # 0.4 is half of 0.8
    ],
)
def test_ablations_by_hand(name, kernel, bias):
    found = ABLATIONS[name](KERNEL, BIAS, KEY)
    np.testing.assert_array_equal(found[0].reshape(4, 2), np.array(kernel, np.float32))
    np.testing.assert_array_equal(found[1], np.array(bias, np.float32))


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
@pytest.mark.parametrize(
    ("name", "readings"),
    [("permuted", ("layer", "fixed")), ("permuted in filters", ("layer", "fixed", "filter"))],
)
def test_permuted_weights_keep_their_values_and_lose_their_places(layer, name, readings):
    conv = getattr(run().model, layer)
    pair = conv.kernel[...], ABLATIONS[name](conv.kernel[...], conv.bias[...], KEY)[0]
    assert not np.array_equal(*pair)
    filters = pair[0].shape[-1] if "filter" in readings else 1
    values = [np.sort(np.moveaxis(np.asarray(k), -1, 0).reshape(filters, -1)) for k in pair]
    np.testing.assert_array_equal(*values)
    np.testing.assert_allclose(*(fuzziness_table(k, readings) for k in pair), atol=1e-6)
    for statistic in (near_zero, kurtosis):
        np.testing.assert_allclose(*(statistic(np.asarray(k)[None]) for k in pair), rtol=1e-4)


def test_other_kernels_keep_norms_of_filters():
    conv = run().model.conv2
    found, bias = ABLATIONS["other kernels"](conv.kernel[...], conv.bias[...], KEY)
    norms = [jnp.abs(k).sum((0, 1, 2)) for k in (conv.kernel[...], found)]
    np.testing.assert_allclose(*norms, rtol=1e-5)
    assert (bias == conv.bias[...]).all()
    assert abs(np.corrcoef(conv.kernel[...].ravel(), found.ravel())[0, 1]) < 0.1
    dead, _ = ABLATIONS["other kernels"](jnp.zeros((2, 2, 1, 2)), BIAS, KEY)
    assert (dead == 0).all()


@pytest.mark.parametrize("layers", [(), ("conv1",), ("conv1", "conv2")])
def test_a_transplant_is_the_donors_layers_and_else_the_recipient(layers):
    donor, recipient = run().model, lenet(5)
    before = nnx.state(nnx.clone(recipient))
    found = transplanted(donor, recipient, layers)
    for name in ("conv1", "conv2", "dense1", "dense3"):
        own = getattr(donor if name in layers else recipient, name)
        for part in ("kernel", "bias"):
            assert np.array_equal(getattr(getattr(found, name), part)[...], getattr(own, part)[...])
    kept = jax.tree.map(np.array_equal, before, nnx.state(recipient))
    assert all(jax.tree.leaves(kept)), "the recipient stays as it is"


def test_random_ablations_are_drawn_by_the_seed_and_apart_for_each_layer():
    donor, recipient = run().model, lenet(5)
    first, again, other = (
        transplanted(donor, recipient, ("conv1", "conv2"), "permuted", seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.conv2.kernel[...], again.conv2.kernel[...])
    assert not np.array_equal(first.conv1.kernel[...], other.conv1.kernel[...])
