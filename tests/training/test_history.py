"""Which steps are recorded, and the fuzziness of what was recorded."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minmax_jax as mm
from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import MEMBERSHIPS, READINGS, Interval
from minmax_jax.training.history import fuzziness_course, recording_steps


@given(st.integers(0, 5000), st.integers(1, 100))
def test_recorded_steps_run_from_start_to_end(steps, points):
    recorded = recording_steps(steps, points)
    assert recorded[0] == 0
    assert (np.diff(recorded) > 0).all() and len(recorded) <= points
    if points > 1:
        assert recorded[-1] == steps


def test_recorded_steps_are_even():
    assert recording_steps(12, 4).tolist() == [0, 4, 8, 12]
    assert recording_steps(2, 9).tolist() == [0, 1, 2]


def test_course_is_the_fuzziness_of_each_kernel():
    kernels = jax.random.normal(jax.random.key(0), (3, 2, 2, 1, 4)) / 10
    span = Interval(kernels.min(0), kernels.max(0))
    course = fuzziness_course(kernels, span)
    assert course.shape == (3, 4, 2, 4)
    for r, reading in enumerate(READINGS):
        for m, membership in enumerate(MEMBERSHIPS):
            for f, measure in enumerate(MEASURES):
                expected = mm.fuzziness(
                    kernels[1],
                    reading=reading,
                    membership=membership,
                    measure=measure,
                    extremes=span if reading == "trajectory" else None,
                )
                assert course[1, r, m, f] == pytest.approx(float(expected), abs=1e-6)
