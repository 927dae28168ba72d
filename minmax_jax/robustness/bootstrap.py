"""Bootstrap intervals of a mean over images."""

import numpy as np
from jaxtyping import Bool, Float

from minmax_jax.checks import check_count, check_number

RESAMPLES = 1000
LEVEL = 0.95
BLOCK = 2**20  # draws held in memory at a time


def bootstrap_interval(
    values: Bool[np.ndarray, "*rows n"] | Float[np.ndarray, "*rows n"],
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Float[np.ndarray, "2 *rows"]:
    """Percentile bootstrap interval of each row's mean.

    Each resample draws n of the n columns with replacement, the same for all rows, so that rows can be
    compared. The ends are the (1 - level)/2 and (1 + level)/2 quantiles of the resampled means. Where all
    values of a row are equal, the interval has no width: even if none of n images fails, up to about 3/n of
    all images may do so.

    Args:
        values: what is averaged, along the last axis.
        resamples: how many resamples are drawn, at least 1.
        seed: of NumPy's random generator.
        level: share of the resampled means that the interval covers, in (0, 1).

    Returns:
        The lower ends of all rows, then the upper ends.

    Raises:
        ValueError: for ``resamples`` or ``level`` out of range, or without values.

    Source: Efron and Tibshirani 1993, chapter 13.
    Identity: ``scipy.stats.bootstrap(method="percentile")`` with the same generator, which however needs two
    values or more in a row.
    """
    resamples = check_count("resamples", resamples)
    level = check_number("level", level, "in (0, 1)", lambda share: 0 < share < 1)
    n = np.shape(values)[-1]
    if not n:
        raise ValueError(f"values must not be empty, got shape {np.shape(values)}")
    flat = np.asarray(values, np.float64).reshape(-1, n)
    generator = np.random.default_rng(seed)
    means = np.empty((len(flat), resamples))
    block = max(1, BLOCK // n)
    for start in range(0, resamples, block):
        stop = min(start + block, resamples)
        draws = generator.integers(0, n, (stop - start, n))
        # How often each column was drawn: one product with the counts gives the means of all rows.
        counts = np.stack([np.bincount(draw, minlength=n) for draw in draws])
        means[:, start:stop] = flat @ counts.T / n
    ends = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=-1)
    return ends.reshape(2, *np.shape(values)[:-1])
