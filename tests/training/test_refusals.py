"""What nothing can be trained with is refused by name."""

import jax.numpy as jnp
import optax
import pytest
from flax import linen, nnx

import minmax_jax as mm
from helpers.refusal import refuses
from helpers.small import lenet, train


def broken() -> mm.LeNet:
    model = lenet()
    model.dense1.bias[...] = model.dense1.bias[...].at[3].set(jnp.nan)
    return model


def flat() -> nnx.Module:
    return nnx.Sequential(lambda x: x.reshape(len(x), -1), nnx.Linear(784, 10, rngs=nnx.Rngs(0)))


def two_numbers(model, images, labels, progress, key):
    return jnp.zeros(()), jnp.zeros(())


LAYERS = "record must be names out of ['conv1', 'conv2', 'dense1', 'dense2', 'dense3']"
NO_LAYERS = [], ["conv9"], ["conv1", "conv1"], "conv1", ["dense1.bias"]
REFUSED = [
    ({"epochs": 0}, ValueError, "epochs must be at least 1, got 0"),
    ({"snapshots": 0}, ValueError, "snapshots must be at least 1, got 0"),
    ({"segments": 0}, ValueError, "segments must be at least 1, got 0"),
    ({"seed": -1}, ValueError, "seed must be in [0, 2147483647], got -1"),
    ({"batch_size": 651}, ValueError, "batch_size must be at most the 650 training images, got 651"),
    ({"model": mm.LeNet(classes=7, rngs=nnx.Rngs(0))}, ValueError, "model must give one logit for each"),
    (
        {"model": nnx.Linear(1, 10, rngs=nnx.Rngs(0))},
        ValueError,
        "one array of logits of shape (1, two or more",
    ),
    (
        {"model": nnx.Sequential(lenet(), lambda x: (x, x))},
        TypeError,
        "got a tuple of 2; give lambda x: model",
    ),
    (
        {"model": linen.Conv(2, (3, 3))},
        TypeError,
        "give nnx.bridge.ToNNX(module, rngs=nnx.Rngs(0)).lazy_init(",
    ),
    ({"model": mm.LeNet}, TypeError, "got the class LeNet; make one, such as LeNet(rngs=nnx.Rngs(0))"),
    ({"model": mm.LeNet((32, 32, 3), rngs=nnx.Rngs(0))}, ValueError, "images"),
    ({"model": len}, TypeError, "model must be a flax.nnx.module.Module, got a builtin_function"),
    ({"model": broken()}, ValueError, "finite weights, got NaN or infinite ones in dense1.bias"),
    ({"model": flat()}, ValueError, "must hold a convolution kernel"),
    ({"data": 3}, TypeError, "data must be a minmax_jax.data.dataset.Dataset, got an int"),
    ({"objective": 0.1}, TypeError, "objective must be a minmax_jax.objective.Objective, got a float"),
    ({"objective": mm.Objective(layers=("conv9",))}, ValueError, "conv9"),
    ({"objective": mm.Objective(defence=two_numbers)}, TypeError, "defence must give three numbers"),
    ({"optimiser": 0.1}, TypeError, "optimiser must be an optax._src.base.GradientTransformation"),
    ({"optimiser": optax.adam}, TypeError, "got a function; give one such as optax.adam(1e-3)"),
    ({"optimiser": optax.MultiSteps(optax.adam(1e-3), 2)}, TypeError, "give its .gradient_transformation()"),
    ({"optimiser": nnx.Optimizer(lenet(), optax.adam(1e-3), wrt=nnx.Param)}, TypeError, "give its .tx"),
    (
        {"optimiser": optax.contrib.sophia(1e-3)},
        TypeError,
        "optimiser must update by gradients, weights, and value, grad and value_fn of the loss alone; its",
    ),
    *[({"record": one}, ValueError, LAYERS) for one in NO_LAYERS],
    ({"checkpoint": 3}, TypeError, "checkpoint must be the name of a folder, or None, got 3"),
    ({"checkpoint": __file__}, ValueError, "checkpoint must be a folder, got the file"),
    *[({"devices": one}, TypeError, "devices must be a sequence such as") for one in ([], ["cpu"], len)],
]


@pytest.mark.parametrize(("options", "error", "words"), REFUSED)
def test_unfit_arguments_are_named(options, error, words):
    with refuses(words, error=error):
        train(**options)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "15").mkdir()
    (tmp_path / "thesis.tex").touch()
    with refuses("checkpoint must be new, empty, or that of a run", "'15'"):
        train(checkpoint=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_projection_takes_a_bound_and_weights():
    for bound in (0, -1.0, float("inf"), float("nan")):
        with refuses(f"bound must be a finite number > 0, got {bound}"):
            mm.keep_in_interval(bound)
    with refuses("params must be the weights"):
        mm.keep_in_interval().update({}, optax.EmptyState())


def test_frozen_layers_have_to_be_there():
    for layers in ("conv1", [], [1], None):
        with refuses("layers must be names such as ['conv1'], got"):
            mm.frozen(optax.adam(1e-3), layers)
    with refuses("optimiser must be", error=TypeError):
        mm.frozen(optax.adam, ["conv1"])
    words = "layers must be names out of ['conv1', 'conv2', 'dense1', 'dense2', 'dense3']", "got 'conv9'"
    with refuses(*words):
        mm.frozen(optax.adam(1e-3), ["conv1", "conv9"]).init(nnx.state(lenet(), nnx.Param))
    with refuses("got 'conv9'", error=TypeError):
        train(optimiser=mm.frozen(optax.adam(1e-3), ["conv9"]))
