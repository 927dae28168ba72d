"""Bootstrap intervals, against scipy's and against the closed form for shares."""

import numpy as np
import pytest
from scipy import stats

from minmax_jax.robustness import bootstrap_interval


def hits(n, shares, seed=3):
    return np.random.default_rng(seed).random((len(shares), n)) < np.array(shares)[:, None]


@pytest.mark.parametrize(("n", "resamples", "level"), [(70, 300, 0.95), (70, 300, 0.8), (400_000, 7, 0.8)])
def test_the_interval_is_that_of_scipy_with_the_same_generator(n, resamples, level):
    """The last case is drawn in several blocks."""
    values = hits(n, [0.1, 0.5, 0.97]).astype(float)
    expected = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        axis=-1,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    got = bootstrap_interval(values, resamples, seed=5, level=level)
    np.testing.assert_allclose(got, [expected.low, expected.high], rtol=1e-12)


def test_with_many_resamples_it_is_the_binomial_quantiles():
    """The number of hits in a resample of k hits in n is binomial: n draws, each a hit with k / n."""
    n, values = 200, hits(200, [0.05, 0.4, 0.9])
    got = bootstrap_interval(values, 20_000)
    exact = stats.binom.ppf([[0.025], [0.975]], n, values.mean(-1)) / n
    np.testing.assert_allclose(got, exact, atol=1.01 / n)  # the next count may be the quantile of a sample


def test_rows_share_their_resamples_the_seed_decides_and_shapes_are_kept():
    """So a row that is never below another has ends that are never below either."""
    low = hits(60, [0.5])[0]
    high = low | hits(60, [0.2], seed=4)[0]
    values = np.stack([low, high, ~low, low, np.ones(60, bool), np.zeros(60, bool)]).reshape(2, 3, 60)
    ends, other = bootstrap_interval(values), bootstrap_interval(values, seed=1)
    assert ends.shape == (2, 2, 3) and (ends != other).any()
    assert (ends[:, 0, 1] >= ends[:, 0, 0]).all()
    np.testing.assert_allclose(ends[:, 0, 2], 1 - ends[::-1, 0, 0], atol=1e-12)
    np.testing.assert_array_equal(ends[:, 1, 0], bootstrap_interval(low))
    np.testing.assert_array_equal(ends[:, 1, 1:], [[1, 0], [1, 0]])  # no variation, no width
    np.testing.assert_array_equal(bootstrap_interval(np.ones((2, 1), bool)), np.ones((2, 2)))
