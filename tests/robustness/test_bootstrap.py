"""Bootstrap intervals, against scipy's and against the closed form for shares."""

import numpy as np
import pytest
from scipy import stats

from helpers.refusal import refuses
from minmax_jax.robustness import bootstrap


def hits(n, shares, seed=3):
    return np.random.default_rng(seed).random((len(shares), n)) < np.array(shares)[:, None]


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_the_interval_is_that_of_scipy_with_the_same_generator(level):
    values = hits(70, [0.1, 0.5, 0.97])
    expected = stats.bootstrap(
        (values.astype(float),),
        np.mean,
        n_resamples=300,
        axis=-1,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    got = bootstrap.interval(values, 300, seed=5, level=level)
    np.testing.assert_allclose(got, [expected.low, expected.high], rtol=1e-12)


def test_with_many_resamples_it_is_the_binomial_quantiles():
    """The number of hits in a resample of k hits in n is binomial: n draws, each a hit with k / n."""
    n, values = 200, hits(200, [0.05, 0.4, 0.9])
    got = bootstrap.interval(values, 20_000)
    exact = stats.binom.ppf([[0.025], [0.975]], n, values.mean(-1)) / n
    np.testing.assert_allclose(got, exact, atol=1.01 / n)  # the next count may be the quantile of a sample


def test_draws_in_blocks_are_the_same_draws(monkeypatch):
    values = hits(33, [0.3, 0.6])
    whole = bootstrap.interval(values, 101, seed=2)
    monkeypatch.setattr(bootstrap, "BLOCK", 33 * 7)
    np.testing.assert_array_equal(bootstrap.interval(values, 101, seed=2), whole)


def test_rows_share_their_resamples():
    """So a row that is never below another has ends that are never below either."""
    low = hits(60, [0.5])[0]
    high = low | hits(60, [0.2], seed=4)[0]
    ends = bootstrap.interval(np.stack([low, high, ~low]))
    assert (ends[:, 1] >= ends[:, 0]).all()
    np.testing.assert_allclose(ends[:, 2], 1 - ends[::-1, 0], atol=1e-12)


def test_the_seed_decides_and_shapes_are_kept():
    values = hits(50, [0.3] * 6).reshape(2, 3, 50)
    one, same, other = (bootstrap.interval(values, 99, seed=seed) for seed in (1, 1, 2))
    assert one.shape == (2, 2, 3)
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    np.testing.assert_array_equal(one[:, 1, 2], bootstrap.interval(values[1, 2], 99, seed=1))


def test_without_variation_the_interval_has_no_width():
    ends = bootstrap.interval(np.stack([np.ones(20, bool), np.zeros(20, bool)]), 50)
    np.testing.assert_array_equal(ends, [[1, 0], [1, 0]])


def test_unfit_arguments_are_named():
    values = hits(5, [0.5])
    with refuses("resamples must be at least 1, got 0"):
        bootstrap.interval(values, 0)
    with refuses("level must be a number in (0, 1), got 1"):
        bootstrap.interval(values, level=1)
    with refuses("values are none"):
        bootstrap.interval(np.zeros((2, 0), bool))
