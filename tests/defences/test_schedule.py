"""Ramps: from one value along a line to another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minmax_jax.defences.schedule import ramp

shares = st.floats(0, 1, width=32)
jitted = jax.jit(ramp)


@pytest.mark.parametrize(
    ("progress", "expected"), [(0.0, 0.1), (0.1, 0.15), (0.2, 0.2), (0.4, 0.3), (0.7, 0.3), (1.0, 0.3)]
)
def test_a_ramp_by_hand(progress, expected):
    assert float(ramp(0.1, 0.3, 0.4, progress)) == pytest.approx(expected)


@given(shares, shares, shares, shares)
@settings(max_examples=50)
def test_a_ramp_stays_between_its_ends_and_reaches_the_second_to_the_last_bit(start, stop, over, progress):
    value = float(jitted(start, stop, over, progress))
    assert min(start, stop) - 1e-6 <= value <= max(start, stop) + 1e-6
    if progress >= over:
        assert value == np.float32(stop)
    if progress == 0 < over:
        assert value == np.float32(start)


def test_without_a_warm_up_it_is_constant():
    values = jax.vmap(lambda progress: ramp(0.0, 0.3, 0.0, progress))(jnp.linspace(0, 1, 7))
    np.testing.assert_array_equal(values, np.float32(0.3))
    assert float(ramp(0.2, 0.2, 0.5, 0.3)) == np.float32(0.2)
