"""Accuracy over all images, for any model."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import minmax_jax as mm
from helpers.small import Norm, digits, lenet
from minmax_jax.evaluation import map_batches, share


@settings(max_examples=15)
@given(st.integers(1, 12), st.integers(1, 15))
def test_batches_count_every_row_once(rows, batch_size):
    x = jnp.arange(rows, dtype=jnp.float32)
    np.testing.assert_array_equal(map_batches(lambda a, b: a + b, batch_size, x, 2 * x), 3 * x)


def test_accuracy_is_the_share_of_right_answers():
    data = digits().test
    model = lenet()
    expected = (np.asarray(model(data.images)).argmax(-1) == data.labels).mean()
    assert mm.accuracy(model, data, batch_size=50) == pytest.approx(expected, abs=1e-7)
    assert mm.accuracy(model, data, batch_size=1000) == pytest.approx(expected, abs=1e-7)


def test_a_share_is_rounded_once_from_the_true_quotient():
    """103 / 203 is one of those that a device which multiplies by 1 / 203 rounds otherwise."""
    assert share(103, 203) == np.float32(103 / 203) != np.float32(103) * (np.float32(1) / np.float32(203))
    found = share(np.array([0, 103, 203]), 203)
    assert found.dtype == np.float32 and found.tolist() == [0, np.float32(103 / 203), 1]


def test_accuracy_of_a_plain_function():
    data = digits().test
    always_three = mm.accuracy(lambda x: jnp.tile(jnp.arange(10) == 3, (len(x), 1)), data)
    assert always_three == pytest.approx((data.labels == 3).mean())


def test_a_module_is_evaluated_in_evaluation_mode_and_keeps_its_own():
    model = Norm(nnx.Rngs(0))
    model.train()
    data = digits().test
    assert mm.accuracy(model, data) == mm.accuracy(model, data)
    assert not model.dropout.deterministic
    assert float(model.norm.mean[...].sum()) == 0.0  # no statistics were taken
