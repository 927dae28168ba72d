"""What our side times is the difference that it says it is."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from minmax_jax.benchmark import jax_side as ours
from minmax_jax.benchmark.rows import Size
from minmax_jax.kernels import kernels


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on only where a test says so."""
    now = [0.0]
    monkeypatch.setattr(ours, "perf_counter", lambda: now[0])

    def pass_(seconds):
        now[0] += seconds

    return pass_


def test_a_step_is_timed_without_what_a_run_costs_once(clock):
    starts = iter([9.0, 2.0, 2.0])  # compilation, and what every run costs
    result = ours.per_step(lambda epochs: clock(next(starts) + epochs * 50 * 0.25), epochs=3, steps=50)
    assert result.seconds == pytest.approx(0.25) and result.first == pytest.approx(7)


def test_a_call_is_the_median_of_those_after_the_first(clock):
    calls = iter([5.0, 1.0, 3.0, 2.0])
    result = ours.repeated(lambda: clock(next(calls)), 3)
    assert result == (2.0, 3.0, "")


def test_two_convolutions_have_so_many_times_the_channels():
    model = ours.Plain(2, rngs=nnx.Rngs(0))
    assert {n: k.shape for n, k in kernels(model).items()} == {
        "conv1": (5, 5, 1, 12),
        "conv2": (5, 5, 12, 32),
    }
    assert model(jnp.zeros((3, 28, 28, 1))).shape == (3, 10)


def test_calls_take_some_time_and_the_first_more():
    size = Size(runs=1, images=256, epochs=2, repeats=1)
    for name, case in {"evaluation": 300, "pgd": 16}.items():
        result = ours.MEASURES[name](case, size)
        assert np.isfinite(result.seconds) and result.first > 0
