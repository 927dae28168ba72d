"""Auto-PGD's steps and their schedule, on values worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from helpers.linear import batch
from minmax_jax.attacks.apgd_steps import (
    Dense,
    Sparse,
    SparseMemory,
    clip_to_ball,
    dense_checks,
    schedule,
    sparse_checks,
)
from minmax_jax.attacks.ball import size

DENSE, SPARSE = Dense("linf", 0.75), Sparse()


def image(*pixels):
    return jnp.asarray(pixels, jnp.float32).reshape(1, 1, -1, 1)


def dense_memory(stride=1.0, rises=0, steps=4, loss=0.0, halved=False):
    begun = DENSE.begin(image(0, 0), 0.5)
    return begun._replace(
        stride=jnp.full(1, stride),
        rises=jnp.full(1, rises, jnp.int32),
        steps=jnp.full(1, steps, jnp.int32),
        loss=jnp.full(1, loss),
        halved=jnp.full(1, halved),
    )


def test_the_first_step_is_twice_the_radius_and_without_momentum():
    centre, start = image(0.5, 0.5), image(0.4, 0.6)
    begun = DENSE.begin(start - centre, 0.2)
    assert begun.stride == pytest.approx(0.4)
    moved = DENSE.move(begun, start, start, image(2, -3), centre, 0.2)
    np.testing.assert_allclose(moved, image(0.7, 0.3), atol=1e-6)
    risen = begun._replace(rises=jnp.full(1, 4), steps=jnp.full(1, 4))
    assert not DENSE.check(risen, image(0, 0), jnp.zeros(1), 0.2)[
        1
    ]  # no gain is no reason at the first check


def test_a_later_step_is_three_quarters_new_and_a_quarter_the_last():
    centre, previous, point = image(0.5, 0.5), image(0.4, 0.5), image(0.48, 0.5)
    later = DENSE.note(dense_memory(stride=0.1), jnp.ones(1, bool), jnp.asarray(True))
    moved = DENSE.move(later, point, previous, image(1, -1), centre, 0.3)
    np.testing.assert_allclose(moved, image(0.48 + 0.75 * 0.1 + 0.25 * 0.08, 0.5 - 0.75 * 0.1), atol=1e-6)


def test_only_steps_count_and_only_rises_count_as_rises():
    start = dense_memory(steps=0)
    for rose, stepped, steps, rises in [(True, False, 0, 0), (True, True, 1, 1), (False, True, 1, 0)]:
        noted = DENSE.note(start, jnp.full(1, rose), jnp.asarray(stepped))
        assert (noted.steps[0], noted.rises[0]) == (steps, rises)


@pytest.mark.parametrize(
    ("rises", "loss", "halved", "halves"),
    [
        (3, 0.0, False, True),  # three of four rose, no more than 0.75 of them
        (4, 0.0, False, False),
        (4, 1.0, False, True),  # no gain since the last check, which left the step size as it was
        (4, 1.0, True, False),  # no gain, but the step size has just been halved
    ],
)
def test_the_step_size_is_halved_under_either_condition(rises, loss, halved, halves):
    before = dense_memory(rises=rises, loss=loss, halved=halved)
    after, back = DENSE.check(before, image(0, 0), jnp.ones(1), 0.5)
    assert bool(back[0]) == halves
    assert after.stride == (0.5 if halves else 1.0)
    assert (after.steps[0], after.rises[0], after.loss[0], bool(after.halved[0])) == (0, 0, 1.0, halves)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_clipped_points_are_in_ball_and_box_and_points_there_stay(norm):
    images, _ = batch(0, 1)
    away = images + 2 * (batch(0, 1, seed=3)[0] - 0.5)
    moved = clip_to_ball(away, images, 0.3, norm)
    assert moved.min() >= 0 and moved.max() <= 1
    assert (size(moved - images, norm) <= 0.3 + 1e-6).all()
    np.testing.assert_allclose(clip_to_ball(moved, images, 0.3, norm), moved, atol=1e-6)
    np.testing.assert_array_equal(clip_to_ball(images, images, 0.0, norm), images)


def sparse_memory(stride=0.4, changed=3):
    return SparseMemory(jnp.full(1, stride), jnp.full(1, changed, jnp.int32))


def test_a_run_begins_with_the_radius_and_the_values_that_its_start_changes():
    begun = SPARSE.begin(image(0.1, 0, -0.1, 0.2), 0.6)
    assert begun.stride == pytest.approx(0.6)
    assert begun.support[0] == 3


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (4, (0.7, 0.5, 0.3, 0.5)),  # two thirds, rounded down, are two
        (3, (0.7, 0.5, 0.3, 0.5)),
        (2, (0.9, 0.5, 0.5, 0.5)),
        (0, (0.9, 0.5, 0.5, 0.5)),
    ],
)
def test_a_step_changes_two_thirds_as_many_values_as_the_best_point(changed, expected):
    point = image(0.5, 0.5, 0.5, 0.5)
    moved = SPARSE.move(sparse_memory(changed=changed), point, point, image(3, -0.1, -2, 1), point, 1.0)
    np.testing.assert_allclose(moved, image(*expected), atol=1e-6)


def test_a_step_stays_in_the_ball_and_in_zero_one():
    point = image(0.9, 0.5, 0.5, 0.5)
    moved = SPARSE.move(sparse_memory(stride=2.0), point, point, image(3, -0.1, -2, 1), point, 0.3)
    assert moved.max() <= 1
    assert jnp.abs(moved - point).sum() <= 0.3 + 1e-6
    np.testing.assert_allclose(moved, image(1, 0.5, 0.3, 0.5), atol=1e-5)


def test_a_pixel_without_a_known_gradient_stays():
    point = image(0.5, 0.5)
    moved = SPARSE.move(sparse_memory(), point, point, image(np.nan, 1), point, 1.0)
    np.testing.assert_allclose(moved, image(0.5, 0.9), atol=1e-6)
    np.testing.assert_array_equal(SPARSE.move(sparse_memory(), point, point, image(0, 0), point, 1.0), point)


def test_where_the_change_is_sparser_the_run_restarts_from_its_best():
    after, back = SPARSE.check(sparse_memory(stride=0.1, changed=4), image(0.3, 0, 0.3, 0), jnp.ones(1), 0.6)
    assert back[0]
    assert after.stride == pytest.approx(0.6)
    assert after.support[0] == 2


def test_elsewhere_the_step_size_falls_to_no_less_than_a_tenth():
    change = image(0.3, 0.1, 0.3, 0.2)
    for stride, expected in [(0.6, 0.4), (0.07, 0.06)]:
        after, back = SPARSE.check(sparse_memory(stride=stride, changed=4), change, jnp.ones(1), 0.6)
        assert not back[0]
        assert after.stride == pytest.approx(expected)


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
    plan = schedule(100, norm)
    assert len(plan.begins) == 101  # the start is evaluated too
    np.testing.assert_array_equal(np.flatnonzero(plan.begins), [0])
    np.testing.assert_array_equal(np.flatnonzero(plan.checks), PUBLISHED)
    assert (plan.scales == 1).all()


def test_l1_has_three_phases_of_falling_radius():
    plan = schedule(100, "l1")
    np.testing.assert_array_equal(np.flatnonzero(plan.begins), [0, 31, 62])
    np.testing.assert_array_equal(plan.scales, np.repeat([3, 2, 1], [31, 31, 41]).astype(np.float32))
    # Of 30 and of 40 steps, 4 % is one step, so that each is followed by a check.
    np.testing.assert_array_equal(plan.checks, ~plan.begins)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 10, 37])
def test_all_steps_are_used_and_the_last_are_in_the_attacks_own_ball(norm, steps):
    plan = schedule(steps, norm)
    assert (~plan.begins).sum() == steps
    assert plan.begins[0]
    assert plan.scales[-1] == 1
    assert not plan.begins[-1]
    assert (np.diff(plan.scales) <= 0).all()
    assert not (plan.begins & plan.checks).any()
