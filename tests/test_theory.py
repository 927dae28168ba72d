"""The flow of fuzziness alone: its closed forms, and descent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.refusal import refuses
from minmax_jax.theory import CLOSED, closed_form, descend


def test_the_quadratic_flow_has_a_closed_form():
    mu = np.array([0.5, 0.51, 0.45, 0.9])
    found = descend(mu, "quadratic", 0.01, 20)
    np.testing.assert_allclose(found, np.clip(0.5 + (mu - 0.5) * 1.08**20, 0, 1), atol=1e-5)


def test_the_entropy_flow_goes_with_the_logit():
    """dmu = rate log2(mu / (1 - mu)) in a step, since f' = log2((1 - mu) / mu)."""
    mu = np.array([0.5, 0.3, 0.8, 0.99])
    expected = mu + 1e-3 * np.log2(mu / (1 - mu))
    np.testing.assert_allclose(descend(mu, "entropy", 1e-3, 1), expected, atol=1e-6)


def test_weights_that_meet_an_end_stay():
    found = descend(np.array([0.4, 0.6]), "quadratic", 0.5, 50)
    assert found.tolist() == [0, 1]


@pytest.mark.parametrize("measure", CLOSED)
@given(mu=st.floats(0, 1), time=st.floats(0, 0.3))
def test_descent_in_many_steps_is_the_closed_form(measure, mu, time):
    start = np.array([mu])
    found = descend(start, measure, time / 1000, 1000)
    exact = closed_form(start, measure, time)
    assert np.abs(found - exact).max() < 0.01 or abs(mu - 0.5) < 1e-6


def test_closed_forms_by_hand():
    mu = np.array([0.5, 0.6, 0.3])
    np.testing.assert_allclose(closed_form(mu, "linear", 0.1), [0.5, 0.8, 0.1])
    np.testing.assert_allclose(closed_form(mu, "quadratic", np.log(2) / 8), [0.5, 0.7, 0.1])
    np.testing.assert_array_equal(closed_form(mu, "linear", 0.0), mu)


def test_a_measure_without_a_closed_form_is_refused():
    with refuses("measure must be one of ('quadratic', 'linear'), got 'entropy'"):
        closed_form(np.array([0.3]), "entropy", 0.1)
    with refuses("steps must be at least 0, got -1"):
        descend(np.array([0.3]), "linear", 0.1, -1)
