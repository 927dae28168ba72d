"""Pytrees become named arrays and come back bit for bit, random keys too; digests tell arrays apart."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.arrays import same
from helpers.refusal import refuses
from helpers.small import Norm, lenet
from minmax_jax.storage import archive
from minmax_jax.storage.digests import difference, digest
from minmax_jax.storage.trees import from_arrays, is_key, named_leaves, to_array, to_arrays

pytestmark = pytest.mark.versions


def test_a_state_comes_back_through_a_file(tmp_path):
    model = Norm(nnx.Rngs(0))
    params = nnx.state(model, nnx.Param)
    keys = jax.random.split(jax.random.key(3, impl="rbg"), 2)
    tree = {"model": nnx.state(model), "adam": optax.adam(1e-3).init(params), "keys": keys, "n": 3}
    tree["half"] = jnp.array([1.5, jnp.inf, -0.0, 3e-40], jnp.bfloat16)
    tree["float16"] = jnp.array([1.5, jnp.inf, -0.0, 6e-8], jnp.float16)
    tree["float8"] = jnp.array([1.5, -0.0, 2e-3], jnp.float8_e4m3fn)
    assert {array.dtype.itemsize for name, array in to_arrays(tree).items() if name not in "n"} == {4}
    archive.write(tmp_path / "tree.npz", to_arrays(tree))
    arrays, _ = archive.read(tmp_path / "tree.npz")
    back = from_arrays(arrays | {"another": np.zeros(1)}, tree)
    assert jax.tree.structure(back) == jax.tree.structure(tree)
    for one, other in zip(jax.tree.leaves(back), jax.tree.leaves(tree), strict=True):
        assert is_key(one) == is_key(other) and (one.dtype == jnp.asarray(other).dtype)
        assert digest(to_array(one)) == digest(to_array(jnp.asarray(other)))
    np.testing.assert_array_equal(jax.random.normal(back["keys"][0]), jax.random.normal(keys[0]))
    with pytest.raises(KeyError, match=r"adam\.0\.count"):
        from_arrays({}, tree)


def test_leaves_are_named_by_their_path():
    layers = ("conv1", "conv2", "dense1", "dense2", "dense3")
    parts = [f"{layer}.{part}" for layer in layers for part in ("bias", "kernel")]
    assert list(named_leaves(nnx.state(lenet()))) == parts
    shapes = nnx.state(nnx.eval_shape(lambda: mm.LeNet(rngs=nnx.Rngs(0))))
    assert same(
        to_arrays(from_arrays(to_arrays(nnx.state(lenet(1))), shapes)), to_arrays(nnx.state(lenet(1)))
    )
    with refuses("names of leaves must differ, got 'a.b' twice"):
        named_leaves({"a": {"b": 1}, "a.b": 2, "c": 3})


def test_digests_tell_type_shape_and_content():
    zeros = np.zeros((2, 3), np.float32)
    assert digest(zeros) == "float32[2,3] with checksum 9d908ecfb6b256de"
    others = [zeros.astype(np.int32), zeros.T, zeros + 1, -zeros]
    assert len({digest(array) for array in [zeros, *others]}) == 5
    assert digest(zeros[:, ::2]) == digest(zeros[:, ::2].copy())
    assert digest(jnp.zeros(2, jnp.bfloat16).__array__()).startswith("bfloat16[2]")


def test_the_first_difference_is_named():
    assert difference({"a": 1, "b": [2]}, {"b": [2], "a": 1}) is None
    assert difference({"a": 1, "b": 2}, {"b": 3}) == ("a", 1, None)
    assert difference({"b": 2}, {"b": 2, "c": 3, "d": 4}) == ("c", None, 3)
