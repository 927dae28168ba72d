"""Auto-PGD's steps by "linf" and "l2", on values worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from helpers.linear import batch
from minmax_jax.attacks.ball import size
from minmax_jax.attacks.dense import Dense, inside

RULE = Dense("linf", 0.75)


def image(*pixels):
    return jnp.asarray(pixels, jnp.float32).reshape(1, 1, -1, 1)


def memory(stride=1.0, rises=0, steps=4, height=0.0, halved=False):
    begun = RULE.begin(image(0, 0), 0.5)
    return begun._replace(
        stride=jnp.full(1, stride),
        rises=jnp.full(1, rises, jnp.int32),
        steps=jnp.full(1, steps, jnp.int32),
        height=jnp.full(1, height),
        halved=jnp.full(1, halved),
    )


def test_the_first_step_is_twice_the_radius_and_without_momentum():
    centre, start = image(0.5, 0.5), image(0.4, 0.6)
    begun = RULE.begin(start - centre, 0.2)
    assert begun.stride == pytest.approx(0.4)
    moved = RULE.move(begun, start, start, image(2, -3), centre, 0.2)
    np.testing.assert_allclose(moved, image(0.7, 0.3), atol=1e-6)


def test_a_later_step_goes_three_quarters_of_the_way_and_a_quarter_of_the_last_step():
    centre, previous, point = image(0.5, 0.5), image(0.4, 0.5), image(0.48, 0.5)
    later = RULE.note(memory(stride=0.1), jnp.ones(1, bool), jnp.asarray(True))
    moved = RULE.move(later, point, previous, image(1, -1), centre, 0.3)
    np.testing.assert_allclose(moved, image(0.48 + 0.75 * 0.1 + 0.25 * 0.08, 0.5 - 0.75 * 0.1), atol=1e-6)


def test_only_steps_count_and_only_rises_count_as_rises():
    start = memory(steps=0)
    for rose, stepped, steps, rises in [(True, False, 0, 0), (True, True, 1, 1), (False, True, 1, 0)]:
        noted = RULE.note(start, jnp.full(1, rose), jnp.asarray(stepped))
        assert (noted.steps[0], noted.rises[0]) == (steps, rises)


@pytest.mark.parametrize(
    ("rises", "height", "halved", "halves"),
    [
        (3, 0.0, False, True),  # three of four rose, no more than 0.75 of them
        (4, 0.0, False, False),
        (4, 1.0, False, True),  # no gain since the last check, which left the step size as it was
        (4, 1.0, True, False),  # no gain, but the step size has just been halved
    ],
)
def test_the_step_size_is_halved_under_either_condition(rises, height, halved, halves):
    before = memory(rises=rises, height=height, halved=halved)
    after, back = RULE.check(before, image(0, 0), jnp.ones(1), 0.5)
    assert bool(back[0]) == halves
    assert after.stride == (0.5 if halves else 1.0)
    assert (after.steps[0], after.rises[0], after.height[0], bool(after.halved[0])) == (0, 0, 1.0, halves)


def test_no_gain_is_no_reason_at_the_first_check():
    begun = RULE.begin(image(0, 0), 0.5)._replace(rises=jnp.full(1, 4), steps=jnp.full(1, 4))
    assert not RULE.check(begun, image(0, 0), jnp.zeros(1), 0.5)[1]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_inside_is_in_the_ball_and_in_zero_one_and_leaves_what_is_there(norm):
    images, _ = batch(0, 1)
    away = images + 2 * (batch(0, 1, seed=3)[0] - 0.5)
    moved = inside(away, images, 0.3, norm)
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert (size(moved - images, norm) <= 0.3 + 1e-6).all()
    np.testing.assert_allclose(inside(moved, images, 0.3, norm), moved, atol=1e-6)
    np.testing.assert_array_equal(inside(images, images, 0.0, norm), images)
