"""What a sweep leaves: its labels, its table in a file, and its models."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from flax import nnx

import minmax_jax as mm
from helpers.small import Norm, digits, same_weights
from helpers.sweeping import Tiny, assert_equal, of_tiny, sweep
from minmax_jax.storage.trees import to_array
from minmax_jax.sweeps.results import WEIGHT, name_weights

pytestmark = pytest.mark.versions


@cache
def of_objectives() -> mm.Sweep:
    return sweep(objectives=[0.0, mm.Objective(0.5, measure="linear")], seeds=[3], epochs=1)


def test_the_results_are_labelled():
    results = of_tiny().results
    axes = ("strength", "seed", "epoch")
    for name in ("loss", "cross_entropy", "train_accuracy", "test_accuracy"):
        assert results[name].dims == axes and results[name].attrs["long_name"]
    assert results.fuzziness.dims == (*axes, "layer", "reading", "membership", "measure")
    assert results.outcome.dims == axes[:2]
    assert results.strength.values.tolist() == [0.0, 0.5] and results.seed.values.tolist() == [0, 3]
    assert results.epoch.values.tolist() == [0, 1, 2] and results.layer.values.tolist() == ["conv"]
    assert results.reading.values.tolist() == ["layer", "filter", "fixed"]
    assert results.membership.values.tolist() == ["signed", "magnitude"]
    assert results.measure.values.tolist() == ["entropy", "quadratic", "linear", "yager"]
    attributes = results.attrs  # what all models have in common
    assert attributes["dataset"] == "digits" and attributes["model"] == "Tiny"
    assert attributes["epochs"] == 2 and attributes["batch_size"] == 128
    assert attributes["objective_reading"] == "layer" and "objective_strength" not in attributes
    assert {"minmax_jax", "jax", "flax", "optax"} <= set(attributes)


def test_objectives_that_differ_in_more_than_strength_have_their_own_axis():
    results = of_objectives().results
    assert results.loss.dims == ("objective", "seed", "epoch")
    assert results.objective_strength.values.tolist() == [0.0, 0.5]
    assert results.objective_measure.values.tolist() == ["entropy", "linear"]
    assert not any(name.startswith("objective") for name in results.attrs)


@pytest.mark.parametrize("made", [of_tiny, of_objectives])
def test_the_results_survive_a_file(tmp_path, made):
    results = made().results
    assert not any(array.dtype.hasobject for array in results.variables.values())
    results.to_netcdf(tmp_path / "results.nc", engine="scipy")
    again = xr.load_dataset(tmp_path / "results.nc", engine="scipy")
    xr.testing.assert_equal(again, results)
    assert again.attrs == results.attrs


def test_a_model_has_its_own_weights_and_is_a_copy():
    done = of_tiny()
    assert {name: array.shape for name, array in done.weights.items()} == {
        "conv.bias": (2, 2, 2),
        "conv.kernel": (2, 2, 5, 5, 1, 2),
        "dense.bias": (2, 2, 10),
        "dense.kernel": (2, 2, 98, 10),
    }
    for i, strength in enumerate((0.0, 0.5)):
        for j, seed in enumerate((0, 3)):
            model = done.model(strength=strength, seed=seed)
            assert isinstance(model, Tiny)
            for name, part in (("conv", model.conv), ("dense", model.dense)):
                np.testing.assert_array_equal(part.kernel[...], done.weights[f"{name}.kernel"][i, j])
                np.testing.assert_array_equal(part.bias[...], done.weights[f"{name}.bias"][i, j])
            model.dense.bias[...] = model.dense.bias[...] + 1
            again = done.model(strength=strength, seed=seed)
            assert not np.array_equal(model.dense.bias[...], again.dense.bias[...])
    model = of_objectives().model(objective=1, seed=3)
    np.testing.assert_array_equal(model.conv.kernel[...], of_objectives().weights["conv.kernel"][1, 0])


class Half(nnx.Module):
    """With weights of a type that NumPy's files do not know."""

    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 2, (5, 5), strides=4, param_dtype=jnp.bfloat16, rngs=rngs)
        self.dense = nnx.Linear(98, 10, rngs=rngs)

    def __call__(self, images):
        return self.dense(nnx.relu(self.conv(images)).reshape(len(images), -1))


@pytest.mark.slow
def test_weights_of_other_types_survive_a_folder(tmp_path):
    first = sweep(Half, objectives=[0.5], seeds=[3], epochs=1, folder=tmp_path)
    again = sweep(Half, objectives=[0.5], seeds=[3], epochs=1, folder=tmp_path)
    assert_equal(first, again)
    model = again.model(strength=0.5, seed=3)
    run = mm.fit(Half(nnx.Rngs(3)), digits(), mm.Objective(0.5), seed=3, progress=False)
    assert model.conv.kernel.dtype == jnp.bfloat16 and same_weights(model, run.model)
    again.results.to_netcdf(tmp_path / "results.nc")


class Deep(nnx.Module):
    """More than ten layers of a list, whose order by number is not that by name."""

    def __init__(self, rngs):
        self.layers = nnx.Sequential(*[nnx.Linear(2, 2, rngs=rngs) for _ in range(12)])
        self.norm = Norm(rngs)


def test_weights_are_named_in_the_order_of_the_leaves():
    state = nnx.split(Deep(nnx.Rngs(0)), nnx.Param, ...)[1:]
    named, leaves = name_weights(state), jax.tree.leaves(tuple(state))
    assert len(named) == len(leaves) > 30 and all(name.startswith(WEIGHT) for name in named)
    assert "weight layers.layers.11.kernel" in named and "weight norm.dropout.rngs.count" in named
    for array, leaf in zip(named.values(), leaves, strict=True):
        np.testing.assert_array_equal(array, to_array(leaf))
