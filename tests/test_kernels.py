"""Convolution kernels are found in any Flax model, by their name and rank."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from helpers.filled import fill, filled
from helpers.refusal import refuses
from minmax_jax import Conv, LeNet, fuzziness, kernels
from minmax_jax.kernels import RANKS

pytestmark = pytest.mark.versions


class Block(nnx.Module):
    def __init__(self, rngs):
        self.inner = nnx.Conv(2, 3, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(3, rngs=rngs)


class Net(nnx.Module):
    """Nested modules, a sequence, normalisation, dropout, and convolutions of one and three dimensions."""

    def __init__(self, rngs):
        self.block = Block(rngs)
        self.stem = nnx.Sequential(Conv(1, 2, (5, 5), rngs=rngs), nnx.Dropout(0.5, rngs=rngs))
        self.line = nnx.Conv(2, 2, (3,), rngs=rngs)
        self.volume = nnx.Conv(2, 2, (3, 3, 3), rngs=rngs)
        self.head = nnx.Linear(3, 4, rngs=rngs)


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.Conv(2, (3, 3), name="first")(x)
        x = linen.Conv(3, (2, 2))(x)
        return linen.Dense(2)(x)


@pytest.fixture(scope="module")
def lenet():
    return filled(LeNet)


@pytest.fixture(scope="module")
def net():
    return filled(Net)


def same(found, expected):
    assert list(found) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


def test_of_lenet_both_convolutions_in_order(lenet):
    same(kernels(lenet), {"conv1": lenet.conv1.kernel[...], "conv2": lenet.conv2.kernel[...]})


def test_of_a_nested_model_by_path_and_by_rank(net):
    same(kernels(kernels(net)), kernels(net))
    stem = net.stem.layers[0].kernel[...]
    expected = {"block.inner": net.block.inner.kernel[...], "stem.layers.0": stem}
    same(kernels(net), expected)
    same(kernels(nnx.state(net, nnx.Param)), expected)
    same(kernels(nnx.state(net, nnx.Any(nnx.Param, nnx.BatchStat))), expected)
    same(kernels(nnx.to_pure_dict(nnx.state(net, nnx.Param))), expected)
    same(kernels(net, rank=3), {"line": net.line.kernel[...]})
    same(kernels(net, rank=5), {"volume": net.volume.kernel[...]})
    same(kernels(net, rank=2), {"head": net.head.kernel[...]})


def test_of_linen_parameters():
    variables = fill(jax.eval_shape(LinenNet().init, jax.random.key(0), jnp.zeros((1, 4, 4, 1))))
    params = variables["params"]
    expected = {"Conv_0": params["Conv_0"]["kernel"], "first": params["first"]["kernel"]}
    same(kernels(params), expected)
    same(kernels(variables), {f"params.{name}": kernel for name, kernel in expected.items()})


def test_of_lists_and_tuples_of_arrays_and_of_one_array():
    first, second = np.ones((2, 2, 1, 1), np.float32), jnp.zeros((1, 1, 2, 2))
    same(kernels([first, {"deep": (second,)}]), {"0": first, "1.deep.0": second})
    same(kernels(first), {"kernel": first})
    same(kernels({"kernel": first, "bias": np.zeros(1)}), {"kernel": first})


def test_integers_of_the_right_rank_are_no_kernel():
    float_kernel = jnp.ones((1, 1, 1, 1))
    same(kernels({"a": jnp.ones((1, 1, 1, 1), jnp.int32), "b": float_kernel}), {"b": float_kernel})


def test_layers_selects_by_name_in_the_order_asked_for(lenet):
    found = kernels(lenet)
    same(kernels(lenet, ["conv2"]), {"conv2": found["conv2"]})
    same(kernels(lenet, ("conv2", "conv1")), {name: found[name] for name in ("conv2", "conv1")})


def test_works_inside_jit_and_grad(lenet):
    params = nnx.state(lenet, nnx.Param)
    gradient = jax.jit(jax.grad(lambda p: kernels(p)["conv1"].sum()))(params)
    np.testing.assert_array_equal(gradient["conv1"]["kernel"][...], jnp.ones((5, 5, 1, 6)))
    np.testing.assert_array_equal(gradient["conv2"]["kernel"][...], jnp.zeros((5, 5, 6, 16)))


def test_kernels_of_several_ranks_are_found_together(lenet):
    names = ["conv1", "conv2", "dense1", "dense2", "dense3"]
    assert list(kernels(lenet, rank=RANKS)) == list(kernels(lenet, rank=(4, 2))) == names
    assert list(kernels(lenet, ["dense2", "conv1"], RANKS)) == ["dense2", "conv1"]


class Mixed(nnx.Module):
    """Parameters of rank 4, of which some are no convolution's."""

    def __init__(self, rngs):
        self.attention = nnx.MultiHeadAttention(2, 4, rngs=rngs)
        self.convs = nnx.List([nnx.Conv(4, 4, (3, 3), feature_group_count=4, rngs=rngs)])
        self.head = nnx.LinearGeneral((28, 28), (2, 5), axis=(1, 2), rngs=rngs)
        self.own = Own(rngs)
        self.position = nnx.Param(jnp.linspace(-1, 1, 784).reshape(1, 28, 28, 1))
        self.product = nnx.Einsum("abcd,cdef->abef", (2, 3, 4, 5), rngs=rngs)
        self.up = nnx.ConvTranspose(3, 8, (2, 2), transpose_kernel=True, rngs=rngs)


class Own(nnx.Module):
    """A convolution of one's own."""

    def __init__(self, rngs):
        self.kernel = nnx.Param(jnp.ones((1, 2, 3, 4)))


def test_only_convolutions_count_and_dense_layers_of_their_rank_do_not():
    model = filled(Mixed)
    found = kernels(model)
    same(found, kernels(found))
    assert {name: kernel.shape for name, kernel in found.items()} == {
        "convs.0": (3, 3, 1, 4),
        "own": (1, 2, 3, 4),
        "up": (2, 2, 3, 8),  # the output channels last
    }
    assert not set(kernels(model, rank=RANKS)) & {"position"} and {"head", "product"} <= set(
        kernels(model, rank=RANKS)
    )
    with refuses("rank 3", "in a network it is a parameter named kernel"):
        kernels(model, rank=3)  # those of attention
    params = nnx.state(model, nnx.Param)  # which does not tell layers apart, but names
    for weights in (params, nnx.to_pure_dict(params)):
        assert list(kernels(weights)) == ["convs.0", "head", "own", "product", "up"]


def test_filters_of_a_transposed_convolution_are_its_output_channels():
    layer = filled(partial(nnx.ConvTranspose, 3, 2, (2, 2), transpose_kernel=True))
    turned = kernels(layer)["kernel"]
    plain = nnx.ConvTranspose(3, 2, (2, 2), rngs=nnx.Rngs(0))
    plain.kernel[...] = turned[::-1, ::-1]
    plain.bias[...] = layer.bias[...]
    images = jnp.linspace(0, 1, 48).reshape(1, 4, 4, 3)
    np.testing.assert_allclose(layer(images), plain(images), atol=1e-5)
    of_both = [float(fuzziness(one, reading="filter")) for one in (layer, plain)]
    assert of_both[0] == pytest.approx(of_both[1], rel=1e-6)
