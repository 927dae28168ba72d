"""Models side by side: each as it would train alone, and none disturbed by another's divergence."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.small import Norm, digits
from helpers.sweeping import Tiny
from minmax_jax.storage.trees import to_array
from minmax_jax.sweeps.vmapped import Recipe, on_devices, stack, train_group, vmap
from minmax_jax.train_step import initial_state

pytestmark = pytest.mark.slow

SGD = optax.sgd(0.05)  # Adam would make big updates of the rounding in gradients that are zero
MEANS = ("loss", "cross_entropy", "train_accuracy")


def train(strengths, seeds, model=Tiny, optimiser=SGD, tell=lambda epoch: False):
    (device,) = jax.devices()
    starts = [initial_state(model(rngs=nnx.Rngs(seed)), optimiser, 0) for seed in seeds]
    recipe = Recipe(starts[0][0], optimiser, epochs=2, batch_size=128, classes=10)
    objectives = [mm.Objective(strength) for strength in strengths]
    data = on_devices(digits(), [device])[device]
    return train_group(recipe, data, objectives, [state for _, state in starts], seeds, tell)


def weights(state, number=...):
    """Parameters and other state of one model, or of all; random keys as the numbers that they are."""
    return [to_array(leaf)[number] for leaf in jax.tree.leaves((state.params, state.rest))]


def test_models_of_one_seed_start_alike_and_see_the_same_batches():
    """With objectives that are the same thing under different numbers, they stay alike."""
    state, arrays = train([0.0, -0.0, 0.5], [4, 4, 4])
    for one, other in zip(weights(state, 0), weights(state, 1), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in (*MEANS, "test_accuracy", "fuzziness"):
        np.testing.assert_array_equal(arrays[name][0], arrays[name][1])
    for name in ("test_accuracy", "fuzziness"):
        np.testing.assert_array_equal(arrays[name][0, 0], arrays[name][2, 0])  # before training
    assert not np.array_equal(weights(state, 0)[-1], weights(state, 2)[-1])


def test_batch_statistics_and_random_numbers_are_kept_with_the_weights():
    """A model with more than parameters, diverged in its first epoch: all of it is as at the start."""
    state, arrays = train([0.0, 1e38], [0, 1], Norm, optax.sgd(1e4))
    assert arrays["good_epochs"][1] == 0 and np.isnan(arrays["loss"][1]).all()
    assert np.isfinite(arrays["test_accuracy"][1, 0]) and np.isnan(arrays["test_accuracy"][1, 1:]).all()
    _, start = initial_state(Norm(rngs=nnx.Rngs(1)), SGD, 0)
    for one, other in zip(weights(state, 1), weights(start), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_true_answer_stops_the_group_unless_it_is_finished():
    told = []
    state, _ = train([0.0, 0.5, 1.0], [0, 0, 0], tell=lambda epoch: told.append(epoch) or epoch == 2)
    assert told == [1, 2] and state is not None
    assert train([0.0, 0.5, 1.0], [0, 0, 0], tell=lambda epoch: True) is None


@pytest.mark.parametrize("models", [1, 2])
def test_all_epochs_and_strengths_share_one_compilation(models):
    traced = []

    class Counted(Tiny):
        def __call__(self, images):
            traced.append(images.shape)
            return super().__call__(images)

    counts = []
    for strength in (0.0, 0.5):
        train([strength] * models, range(models), Counted, tell=lambda _: counts.append(len(traced)))
    assert counts[0] > 0 and set(counts) == {counts[0]}  # all in the first epoch


def test_one_model_runs_without_the_axis():
    seen = []

    def function(x, y):
        seen.append(x.shape)
        return x + y

    for models in (1, 3):
        given = jnp.arange(models * 2.0).reshape(models, 2)
        np.testing.assert_array_equal(vmap(function, given, given), 2 * given)
    assert seen == [(2,), (2,)]


def test_stacked_trees_have_models_first():
    trees = [{"a": 1.0, "b": np.arange(3)}, {"a": 2.0, "b": np.arange(3) + 1}]
    found = stack(trees)
    assert found["a"].tolist() == [1, 2] and found["b"].shape == (2, 3)
    keys = stack([jax.random.key(0), jax.random.key(1)])
    assert keys.shape == (2,) and keys[1] == jax.random.key(1)
