"""Convolution kernels are found in any Flax model, by their rank."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from helpers.filled import fill, filled
from helpers.refusal import refuses
from minmax_jax import Conv, LeNet, kernels
from minmax_jax.kernels import RANKS, is_array


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
    model = lenet
    same(kernels(model), {"conv1": model.conv1.kernel[...], "conv2": model.conv2.kernel[...]})


def test_of_a_nested_model_by_path_and_by_rank(net):
    model = net
    stem = model.stem.layers[0].kernel[...]
    expected = {"block.inner": model.block.inner.kernel[...], "stem.layers.0": stem}
    same(kernels(model), expected)
    same(kernels(nnx.state(model, nnx.Param)), expected)
    same(kernels(nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat))), expected)
    same(kernels(nnx.to_pure_dict(nnx.state(model, nnx.Param))), expected)
    same(kernels(model, rank=3), {"line": model.line.kernel[...]})
    same(kernels(model, rank=5), {"volume": model.volume.kernel[...]})
    same(kernels(model, rank=2), {"head": model.head.kernel[...]})


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


@pytest.mark.parametrize("model", ["lenet", "net"])
def test_kernels_of_kernels_are_themselves(model, request):
    found = kernels(request.getfixturevalue(model))
    same(kernels(found), found)


def test_layers_selects_by_name_in_the_order_asked_for(lenet):
    model = lenet
    found = kernels(model)
    same(kernels(model, ["conv2"]), {"conv2": found["conv2"]})
    same(kernels(model, ("conv2", "conv1")), {name: found[name] for name in ("conv2", "conv1")})


def test_works_inside_jit_and_grad(lenet):
    params = nnx.state(lenet, nnx.Param)
    gradient = jax.jit(jax.grad(lambda p: kernels(p)["conv1"].sum()))(params)
    np.testing.assert_array_equal(gradient["conv1"]["kernel"][...], jnp.ones((5, 5, 1, 6)))
    np.testing.assert_array_equal(gradient["conv2"]["kernel"][...], jnp.zeros((5, 5, 6, 16)))


@pytest.mark.parametrize("layers", [["conv3"], ["conv1", "dense1"], [], "conv1", ["conv1.kernel"], ["conv"]])
def test_an_unknown_layer_is_refused(layers, lenet):
    with refuses("layers is", repr(layers), "conv1", "conv2"):
        kernels(lenet, layers)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: nnx.Linear(2, 3, rngs=nnx.Rngs(0)), ["(2, 3)"]),
        (lambda: {}, ["[]"]),
        (lambda: [jnp.ones((2, 2))], ["(2, 2)"]),
        (lambda: jnp.ones(3), ["(3,)"]),
        (lambda: nnx.Conv(1, 1, (3,), rngs=nnx.Rngs(0)), ["(3, 1, 1)"]),
    ],
)
def test_a_model_without_convolution_kernels_is_refused(build, words):
    with refuses("weights hold no convolution kernel", "rank 4", *words):
        kernels(build())


def test_kernels_of_several_ranks_are_found_together(lenet):
    names = ["conv1", "conv2", "dense1", "dense2", "dense3"]
    assert list(kernels(lenet, rank=RANKS)) == list(kernels(lenet, rank=(4, 2))) == names
    assert list(kernels(lenet, ["dense2", "conv1"], RANKS)) == ["dense2", "conv1"]
    with refuses("rank 3 or 5"):
        kernels(lenet, rank=(3, 5))


def test_one_kernel_is_told_from_a_pytree_of_kernels():
    array = jnp.ones((1, 1, 1, 1))
    assert all(is_array(one) for one in (array, np.ones(2), nnx.Param(array)))
    model = nnx.Linear(1, 1, rngs=nnx.Rngs(0))
    assert not any(is_array(many) for many in ([array], {"a": array}, model, nnx.state(model)))


def test_two_layers_of_one_name_are_refused() -> None:
    kernel = np.ones((1, 1, 1, 1), np.float32)
    with refuses("weights have two layers named 'a.b'"):
        kernels({"a.b": kernel, "a": {"b": kernel}})
