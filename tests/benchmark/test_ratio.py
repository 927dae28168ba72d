"""Ratios are computed right from given numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minmax_jax.benchmark.ratio import ratio, spread

TIMES = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=9)


def test_numbers_worked_out_by_hand():
    assert spread([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)
    assert ratio([1.0, 2.0, 4.0], [4.0, 4.0, 4.0]) == (2.0, 1.0, 4.0)


@given(TIMES)
def test_equal_sides_are_equally_fast(times):
    assert ratio(times, times) == (1, 1, 1)


@given(TIMES, st.floats(0.1, 10))
def test_a_side_so_many_times_as_slow_gives_that_ratio_in_every_pair(times, factor):
    assert ratio(times, [factor * one for one in times]) == pytest.approx((factor,) * 3)


@given(st.lists(st.tuples(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3)), min_size=1, max_size=9))
def test_exchanging_the_sides_gives_reciprocals(pairs):
    ours, theirs = zip(*pairs, strict=True)
    there, back = ratio(ours, theirs), ratio(theirs, ours)
    assert (1 / there.middle, 1 / there.high, 1 / there.low) == pytest.approx(back)


def test_runs_without_a_partner_are_an_error():
    with pytest.raises(ValueError):
        ratio([1.0, 2.0], [1.0])
