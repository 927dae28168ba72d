"""The order of batches, and the scan over them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minmax_jax as mm
from helpers.small import digits, lenet
from minmax_jax.train_step import epoch_order, initial_state, train_steps
from minmax_jax.training import ADAM


@given(st.integers(0, 2**31 - 1), st.integers(0, 1000))
def test_an_epoch_visits_each_image_at_most_once(seed, epoch):
    order = np.asarray(epoch_order(jax.random.key(seed), epoch, 103, 10))
    assert order.shape == (10, 10)
    assert len(np.unique(order)) == 100 and order.min() >= 0 and order.max() < 103


def test_the_order_is_that_of_the_folded_key():
    key = jax.random.key(4)
    order = epoch_order(key, 3, 20, 5)
    expected = jax.random.permutation(jax.random.fold_in(key, 3), 20).reshape(4, 5)
    np.testing.assert_array_equal(order, expected)
    assert not np.array_equal(order, epoch_order(key, 4, 20, 5))


def test_steps_are_recorded_in_their_slots():
    """Slot i of the snapshots holds the kernels after the step that was given it."""
    data = digits()
    images, labels = jnp.asarray(data.train.images), jnp.asarray(data.train.labels)
    order = np.arange(64).reshape(4, 16)
    definition, start = initial_state(lenet(), ADAM, points=2)

    def after(steps, slots):
        state, *_ = train_steps(
            definition, ADAM, mm.Objective(), start, images, labels, order[:steps], np.array(slots)
        )
        return state

    whole, two = after(4, [2, 1, 2, 2]), after(2, [2, 2])
    kernel = mm.kernels(two.params)["conv1"]
    np.testing.assert_allclose(whole.snapshots["conv1"][1], kernel, atol=1e-7)
    np.testing.assert_array_equal(whole.snapshots["conv1"][0], mm.kernels(lenet())["conv1"])
    np.testing.assert_array_equal(whole.snapshots["conv1"][2], mm.kernels(whole.params)["conv1"])


@pytest.mark.parametrize("strength", [0.0, 2.0])
def test_the_last_batch_is_measured_again_after_its_update(strength):
    data = digits()
    images, labels = jnp.asarray(data.train.images), jnp.asarray(data.train.labels)
    definition, start = initial_state(lenet(), ADAM, points=1)
    objective = mm.Objective(strength=strength)
    order = np.tile(np.arange(16), (2, 1))  # twice the same batch
    slots = np.array([1, 1])
    _, measured, _ = train_steps(definition, ADAM, objective, start, images, labels, order, slots)
    _, first, after = train_steps(definition, ADAM, objective, start, images, labels, order[:1], slots[:1])
    assert float(after.loss) == pytest.approx(float(measured.loss[1]), rel=1e-5)
    assert float(first.loss[0]) == pytest.approx(float(measured.loss[0]), rel=1e-6)
    penalty = strength * float(mm.fuzziness(lenet()))
    assert float(first.loss[0] - first.cross_entropy[0]) == pytest.approx(penalty, abs=1e-5)
