"""Statistics of kernels whose answers are counted by hand."""

import numpy as np
import pytest
import scipy.stats

from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import MEMBERSHIPS, READINGS, initial_bound
from minmax_jax.study.experiments.statistics import course, ends, spread

# Four weights of a filter at three times: two leave the centre, the third nears it, the last rests.
FIRST, MIDDLE, LAST = [-0.5, 0.25, 1.0, -1.0], [-0.75, 0.5, 0.5, -1.0], [-1.0, 0.75, 0.25, -1.0]
C = initial_bound((2, 2, 1, 1))
ROWS = np.array([FIRST, MIDDLE, LAST], np.float32).reshape(3, 2, 2, 1, 1)


def at(reading: str, membership: str) -> tuple[int, int]:
    return READINGS.index(reading), MEMBERSHIPS.index(membership)


def test_a_course_is_by_reading_membership_and_measure_at_some_of_the_times():
    found = course(ROWS, every=2)
    kinds = len(READINGS), len(MEMBERSHIPS)
    assert found["fuzziness"].shape == (2, *kinds, len(MEASURES))
    assert found["moved_away"].shape == (2, *kinds)
    # In the fixed interval [-c, c] linear f is 1 - |w| / c.
    place = (*at("fixed", "signed"), list(MEASURES).index("linear"))
    fuzziness = [found["fuzziness"][time][place] for time in (0, 1)]
    np.testing.assert_allclose(fuzziness, [1 - np.abs(row).mean() / C for row in (FIRST, LAST)], atol=1e-6)
    moved = [found["moved_away"][time][at("fixed", "signed")] for time in (0, 1)]
    assert moved == [0.5, 0.625]  # those that rest count half


def test_weights_that_ended_farther_and_nearer_are_counted():
    found = ends(ROWS)
    assert found["away"][at("fixed", "signed")] == 2 and found["towards"][at("fixed", "signed")] == 1
    # By magnitude the centre is c / 2 = 0.57: from 0.5 to 1 is away, 0.25 to 0.75 and 1 to 0.25 towards it.
    assert found["away"][at("fixed", "magnitude")] == 1 and found["towards"][at("fixed", "magnitude")] == 2


def test_spread_needs_no_interval():
    found = spread(ROWS)
    assert found["near_zero"].shape == found["kurtosis"].shape == (3,)
    expected = [scipy.stats.kurtosis(row) for row in (FIRST, MIDDLE, LAST)]
    np.testing.assert_allclose(found["kurtosis"], expected, rtol=1e-4)
    small = np.array([[0.05, -0.05, 1.0, 0.5]]).reshape(1, 2, 2, 1, 1)
    assert spread(small)["near_zero"][0] == pytest.approx(0.5)
