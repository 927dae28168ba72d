"""When Auto-PGD begins, moves and checks."""

import numpy as np
import pytest

from minmax_jax.attacks.timeline import dense_checks, sparse_checks, timeline

# Of Croce and Hein 2020, section 4.1, worked out by hand.
PUBLISHED = [22, 41, 57, 70, 80, 87, 93, 99]


def test_checks_of_a_hundred_steps_are_the_published_ones():
    assert dense_checks(100) == PUBLISHED
    assert sparse_checks(100) == list(range(4, 101, 4))


def test_checks_of_few_steps_come_after_every_step():
    assert dense_checks(3) == [1, 2, 3]
    assert sparse_checks(3) == [1, 2, 3]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_dense_norms_have_one_phase(norm):
    plan = timeline(100, norm)
    assert len(plan.begins) == 101  # the start is evaluated too
    np.testing.assert_array_equal(np.flatnonzero(plan.begins), [0])
    np.testing.assert_array_equal(np.flatnonzero(plan.checks), PUBLISHED)
    assert (plan.scales == 1).all()


def test_l1_has_three_phases_of_falling_radius():
    plan = timeline(100, "l1")
    np.testing.assert_array_equal(np.flatnonzero(plan.begins), [0, 31, 62])
    np.testing.assert_array_equal(plan.scales, np.repeat([3, 2, 1], [31, 31, 41]).astype(np.float32))
    # Of 30 and of 40 steps, 4 % is one step, so that each is followed by a check.
    np.testing.assert_array_equal(plan.checks, ~plan.begins)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 10, 37])
def test_all_steps_are_used_and_the_last_are_in_the_attacks_own_ball(norm, steps):
    plan = timeline(steps, norm)
    assert (~plan.begins).sum() == steps
    assert plan.begins[0]
    assert plan.scales[-1] == 1
    assert not plan.begins[-1]
    assert (np.diff(plan.scales) <= 0).all()
    assert not (plan.begins & plan.checks).any()
