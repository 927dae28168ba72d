"""Bootstrap intervals of a mean over images."""

import numpy as np
from jaxtyping import Bool, Float

from minmax_jax.checks import check_count

RESAMPLES = 1000
LEVEL = 0.95
BLOCK = 2**20  # draws held in memory at a time


def interval(
    values: Bool[np.ndarray, "*rows n"] | Float[np.ndarray, "*rows n"],
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Float[np.ndarray, "2 *rows"]:
    """Percentile bootstrap interval of each row's mean: its lower ends, then its upper ends.

    Each of ``resamples`` draws n of the n columns with replacement, the same for all rows, so that rows can
    be compared. The ends are the (1 - level)/2 and (1 + level)/2 quantiles of the resampled means. Where all
    values of a row are equal the interval has no width: with no failure in n images, up to about 3/n of all
    images could fail all the same.
    Raises ValueError for resamples < 1, a level outside (0, 1), or no values.
    Source: Efron and Tibshirani 1993, chapter 13.
    Identity: ``scipy.stats.bootstrap(method="percentile")`` with the same generator.
    """
    check_count("resamples", resamples)
    if not 0 < level < 1:
        raise ValueError(f"level must be a number in (0, 1), got {level}")
    n = np.shape(values)[-1]
    if not n:
        raise ValueError("values are none; an interval takes the results of one image or more")
    flat = np.asarray(values, np.float64).reshape(-1, n)
    generator = np.random.default_rng(seed)
    means = np.empty((len(flat), resamples))
    block = max(1, BLOCK // n)
    for start in range(0, resamples, block):
        stop = min(start + block, resamples)
        draws = generator.integers(0, n, (stop - start, n))
        counts = np.stack([np.bincount(draw, minlength=n) for draw in draws])
        means[:, start:stop] = flat @ counts.T / n
    ends = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=-1)
    return ends.reshape(2, *np.shape(values)[:-1])
