"""Auto-PGD's steps by "l1", on values worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from minmax_jax.attacks.sparse import Memory, Sparse, support

RULE = Sparse()


def image(*pixels):
    return jnp.asarray(pixels, jnp.float32).reshape(1, 1, -1, 1)


def memory(stride=0.4, changed=3):
    return Memory(jnp.full(1, stride), jnp.full(1, changed, jnp.int32))


def test_a_climb_begins_with_the_radius_and_the_values_that_its_start_changes():
    begun = RULE.begin(image(0.1, 0, -0.1, 0.2), 0.6)
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
    moved = RULE.move(memory(changed=changed), point, point, image(3, -0.1, -2, 1), point, 1.0)
    np.testing.assert_allclose(moved, image(*expected), atol=1e-6)


def test_a_step_stays_in_the_ball_and_in_zero_one():
    point = image(0.9, 0.5, 0.5, 0.5)
    moved = RULE.move(memory(stride=2.0), point, point, image(3, -0.1, -2, 1), point, 0.3)
    assert moved.max() <= 1
    assert jnp.abs(moved - point).sum() <= 0.3 + 1e-6
    np.testing.assert_allclose(moved, image(1, 0.5, 0.3, 0.5), atol=1e-5)


def test_a_pixel_without_a_known_gradient_stays():
    point = image(0.5, 0.5)
    moved = RULE.move(memory(), point, point, image(np.nan, 1), point, 1.0)
    np.testing.assert_allclose(moved, image(0.5, 0.9), atol=1e-6)
    np.testing.assert_array_equal(RULE.move(memory(), point, point, image(0, 0), point, 1.0), point)


def test_where_the_change_has_become_sparser_the_climb_goes_back_and_starts_afresh():
    after, back = RULE.check(memory(stride=0.1, changed=4), image(0.3, 0, 0.3, 0), jnp.ones(1), 0.6)
    assert back[0]
    assert after.stride == pytest.approx(0.6)
    assert after.support[0] == 2


def test_elsewhere_the_step_size_falls_to_no_less_than_a_tenth():
    change = image(0.3, 0.1, 0.3, 0.2)
    for stride, expected in [(0.6, 0.4), (0.07, 0.06)]:
        after, back = RULE.check(memory(stride=stride, changed=4), change, jnp.ones(1), 0.6)
        assert not back[0]
        assert after.stride == pytest.approx(expected)


def test_support_counts_values_that_are_not_zero():
    assert support(image(0.1, 0, -1e-9, 0))[0] == 2
