"""What a sweep, its grid and its results refuse, each with an error that says why."""

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.refusal import refuses
from helpers.small import digits, lenet
from helpers.sweeping import Tiny, of_tiny, sweep


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model": lenet()}, TypeError, ["model must be a function of rngs, such as mm.LeNet, got a LeNet"]),
        ({"model": 3}, TypeError, ["model must be a function of rngs", "got a int"]),
        ({"model": lambda rngs: 3}, TypeError, ["model must be a flax", "got an int"]),
        ({"model": lambda rngs: mm.LeNet(classes=7, rngs=rngs)}, ValueError, ["logits of shape (1, 7)"]),
        ({"data": "mnist"}, TypeError, ["data must be", "got a str"]),
        ({"objectives": []}, ValueError, ["objectives must hold one or more, got none"]),
        ({"objectives": [0.5, 0.1, 0.5]}, ValueError, ["objectives must differ", "0.5", "twice, at 0 and 2"]),
        ({"objectives": "0.5"}, TypeError, ["objectives must be a sequence, such as a list, got '0.5'"]),
        ({"objectives": mm.Objective()}, TypeError, ["objectives must be a sequence", "got Objective("]),
        ({"objectives": ["0.5"]}, TypeError, ["strength must be", "'0.5'"]),
        ({"objectives": [mm.Objective(jnp.ones(2))]}, ValueError, ["objectives must have one number"]),
        ({"objectives": [0.0, mm.Objective(1.0, layers=["conv9"])]}, ValueError, ["layers must", "conv9"]),
        ({"seeds": []}, ValueError, ["seeds must hold one or more, got none"]),
        ({"seeds": [1, 2, 1]}, ValueError, ["seeds must differ, got 1 twice, at 0 and 2"]),
        ({"seeds": [-1]}, ValueError, ["seeds must be in [0, 2147483647], got -1"]),
        ({"seeds": [True]}, TypeError, ["seeds must be an int, got True"]),
        ({"seeds": 3}, TypeError, ["seeds must be a sequence", "got 3"]),
        ({"epochs": 0}, ValueError, ["epochs must be at least 1, got 0"]),
        ({"batch_size": 651}, ValueError, ["batch_size must be at most the 650 training images, got 651"]),
        ({"optimiser": 0.1}, TypeError, ["optimiser must be", "got a float"]),
        ({"group": 0}, ValueError, ["group must be at least 1, got 0"]),
        ({"folder": 3}, TypeError, ["folder must be the name of a folder, or None, got 3"]),
        ({"folder": ""}, ValueError, ["folder must be the name of a folder, or None, got an empty one"]),
        ({"devices": []}, ValueError, ["devices must be one or more of this process", "got []"]),
    ],
)
def test_unfit_arguments_are_named(options, error, words):
    trained = []
    with refuses(*words, error=error):
        sweep(**options, progress=trained.append)
    assert not trained


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"strength": 0.2, "seed": 0}, ["strength must be one of [0.0, 0.5], got 0.2"]),
        ({"strength": 0.5, "seed": 7}, ["seed must be one of [0, 3], got 7"]),
        ({"objective": 0, "seed": 0}, ["must be named by strength= and seed=, got ['objective', 'seed']"]),
        ({"seed": 0}, ["must be named by strength= and seed=, got ['seed']"]),
        ({"strength": 0.5, "reading": "layer", "seed": 0}, ["got ['strength', 'reading', 'seed']"]),
    ],
)
def test_models_that_the_grid_does_not_hold_are_named(asked, words):
    with refuses(*words):
        of_tiny().model(**asked)


@pytest.fixture(scope="module")
def kept_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    sweep(folder=folder)
    return folder


class Other(Tiny):
    """Of another name, and the same otherwise."""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seeds": [0, 4]}, ["its seeds is [0, 3], and in this call it is [0, 4]"]),
        ({"objectives": [0.0, 0.6]}, ["its objectives is"]),
        ({"objectives": [0.1, 0.5]}, ["its objective.strength is 0.0, and in this call it is 0.1"]),
        ({"epochs": 3}, ["its epochs is 2, and in this call it is 3. A sweep keeps no state of"]),
        ({"batch_size": 64}, ["its batch_size is 128"]),
        ({"group": 2}, ["its group is 1, and in this call it is 2"]),
        ({"optimiser": optax.adam(2e-3)}, ["optimiser"]),
        ({"model": Other}, ["model", "'Tiny'", "'Other'"]),
        ({"model": lambda rngs: nnx.Sequential(Tiny(rngs))}, ["model"]),
        ({"model": lambda rngs: Tiny(nnx.Rngs(7))}, ["model at the start"]),
        (
            {"data": mm.Dataset("digits", digits().train[1:], digits().test, digits().class_names)},
            ["data.train.images"],
        ),
    ],
)
def test_the_folder_of_another_sweep_is_refused(kept_folder, options, words):
    before = {file: file.stat().st_mtime_ns for file in kept_folder.iterdir()}
    with refuses(kept_folder, "belongs to another sweep", *words):
        sweep(**options, folder=kept_folder)
    assert before == {file: file.stat().st_mtime_ns for file in kept_folder.iterdir()}


def test_devices_of_another_process_are_refused():
    class Elsewhere:
        process_index = jax.process_index() + 1

    with refuses("devices must be one or more of this process"):
        sweep(devices=[Elsewhere()])
