"""When a run has diverged, and at which step."""

import numpy as np
import pytest

from minmax_jax.train_step import Measured
from minmax_jax.training.trainer import first_bad


def measured(*losses):
    values = np.array(losses, np.float32)
    return Measured(values, values, np.zeros_like(values))


@pytest.mark.parametrize(
    ("losses", "after", "expected"),
    [
        ([2.3, 2.0], 1.9, None),
        ([2.3, np.nan, 2.0], 1.9, 1),
        ([2.3, 2.0], np.inf, 2),
        ([np.inf], 1.0, 0),
        ([2.3, 50 * np.log(10) * 1.01], 1.0, 1),
        ([2.3, 50 * np.log(10) * 0.99], 1.0, None),
    ],
)
def test_first_bad_step(losses, after, expected):
    last = Measured(*(np.float32(after),) * 3)
    assert first_bad(measured(*losses), last, classes=10) == expected


def test_a_penalty_may_be_large_but_not_infinite():
    """Divergence is judged by cross-entropy; the whole objective only has to be finite."""
    fine = Measured(np.array([1e6]), np.array([1.0]), np.array([0.5]))
    last = Measured(np.float32(1e6), np.float32(1), np.float32(0.5))
    assert first_bad(fine, last, 10) is None
    assert first_bad(fine._replace(loss=np.array([np.nan])), last, 10) == 0
