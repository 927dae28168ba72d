"""The moves of Square Attack: in the ball and the box, and nowhere but in the squares."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.linear import batch
from minmax_jax.attacks.ball import NORMS, size
from minmax_jax.attacks.moves import moves
from minmax_jax.attacks.squares import inside, odd_sides, sides

SHAPE, QUERIES, EPS = (9, 11, 2), 40, {"linf": 0.2, "l2": 1.5, "l1": 6.0}
FEW = {"linf": 0.02, "l2": 0.1, "l1": 0.3}  # radii that stay away from the box
N = 7


@cache
def jitted(norm, shape):
    """Start and proposal, compiled once for all radii."""
    start = jax.jit(lambda eps, *rest: moves(norm, shape, eps, QUERIES, 0.5).start(*rest))
    propose = jax.jit(lambda eps, *rest: moves(norm, shape, eps, QUERIES, 0.5).propose(*rest))
    return start, propose


def begin(norm, eps, low=0.0, high=1.0, shape=SHAPE):
    """Images, the points to begin with, what is tried after given points, and the numbers drawn for it."""
    images, _ = batch(low, high, n=N, shape=shape)
    start, propose = jitted(norm, shape)
    count = moves(norm, shape, eps, QUERIES, 0.5).draws

    def draws(number):
        return jax.random.uniform(jax.random.key(number), (N, count))

    def following(points, number):
        return propose(eps, images, points, jnp.int32(number), draws(number))

    return images, start(eps, jax.random.key(3), images), following, draws


def squares(draws, at, side):
    """The squares that numbers ``at`` of the draws stand for, as masks with a channel."""
    return np.asarray(inside(draws[:, at : at + 2], side, *SHAPE[:2])[0])[..., None]


@pytest.mark.parametrize("norm", NORMS)
def test_the_start_and_all_that_is_tried_lie_in_the_ball_and_in_the_box(norm):
    images, points, following, _ = begin(norm, EPS[norm])
    for number in range(QUERIES):
        assert points.min() >= 0
        assert points.max() <= 1
        assert (size(points - images, norm) <= EPS[norm] * (1 + 2e-6)).all()
        points = following(points, number)


@pytest.mark.parametrize("norm", NORMS)
def test_away_from_the_box_all_of_eps_is_used(norm):
    images, points, following, _ = begin(norm, FEW[norm], 0.4, 0.6)
    for number in range(QUERIES):
        np.testing.assert_allclose(size(points - images, norm), FEW[norm], rtol=1e-4)
        points = following(points, number)


def test_by_linf_the_start_is_stripes_and_every_pixel_stays_at_one_of_its_two_ends():
    images, points, following, _ = begin("linf", 0.2, 0.3, 0.7)
    signs = np.sign(points - images)
    assert (signs == signs[:, :1]).all()
    assert 0.3 < (signs > 0).mean() < 0.7
    for number in range(QUERIES):
        np.testing.assert_allclose(np.abs(points - images), 0.2, atol=1e-6)
        points = following(points, number)


@pytest.mark.parametrize("number", [0, 39])
def test_by_linf_what_changes_is_one_square_of_one_sign_a_channel_and_never_nothing(number):
    images, points, following, draws = begin("linf", 0.2)
    new = np.asarray(following(points, number))
    mask = squares(draws(number), 0, int(sides(QUERIES, 0.5, *SHAPE[:2])[number]))
    changed = new != points
    assert not (changed & ~mask).any()
    assert changed.any((1, 2, 3)).all()
    for change, where in zip(new - images, mask[..., 0], strict=True):
        assert (np.ptp(np.sign(change)[where], axis=0) == 0).all()


def test_by_linf_a_square_that_is_there_already_is_turned_over():
    images, points, following, draws = begin("linf", 0.2)
    once = following(points, 39)
    twice = following(once, 39)
    mask = squares(draws(39), 0, 1)[..., 0]
    up = np.asarray(draws(39)[:, 2:] < 0.5)
    there = np.sign(points - images)[mask] > 0
    idle = (up == there).all(1, keepdims=True)
    np.testing.assert_array_equal(np.sign(once - images)[mask] > 0, up ^ idle)
    np.testing.assert_array_equal(np.sign(twice - images)[mask] > 0, up ^ ~idle)
    assert 0 < idle.sum() < len(idle)


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_by_patterns_the_change_moves_from_one_square_to_another_and_stays_elsewhere(norm):
    number, order = 20, int(norm[1])
    images, points, following, draws = begin(norm, FEW[norm], 0.4, 0.6)
    side = int(odd_sides(QUERIES, 0.5, *SHAPE[:2])[number])
    to, source = (squares(draws(number), at, side) for at in (0, 2))
    before, after = (np.asarray(x - images) for x in (points, following(points, number)))
    outside, left = (np.broadcast_to(mask, before.shape) for mask in (~to & ~source, source & ~to))
    np.testing.assert_allclose(after[outside], before[outside], atol=1e-6)
    np.testing.assert_allclose(after[left], 0, atol=1e-6)
    moved = [
        (np.abs(change * mask) ** order).sum((1, 2)) for change, mask in ((before, to | source), (after, to))
    ]
    np.testing.assert_allclose(moved[1], moved[0], rtol=1e-3)
    assert np.mean(np.abs(after - before)[np.broadcast_to(to, before.shape)] > 1e-4) > 0.9


@pytest.mark.parametrize("norm", NORMS)
def test_a_radius_of_zero_leaves_the_images_as_they_are(norm):
    images, points, following, _ = begin(norm, 0.0)
    np.testing.assert_allclose(points, images, atol=1e-7)
    np.testing.assert_allclose(following(points, 0), images, atol=1e-7)


@pytest.mark.parametrize("norm", NORMS)
def test_images_smaller_than_the_patterns_have_moves(norm):
    images, points, following, _ = begin(norm, FEW[norm], 0.2, 0.8, shape=(2, 3, 1))
    for number in (0, 20, 39):
        points = following(points, number)
        assert points.shape == images.shape
        assert (size(points - images, norm) > 0.1 * FEW[norm]).all()


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_what_is_left_of_eps_is_taken_up_by_the_next_move(norm):
    images, _, following, _ = begin(norm, FEW[norm], 0.4, 0.6)
    little = images + 1e-4
    np.testing.assert_allclose(size(following(little, 0) - images, norm), FEW[norm], rtol=1e-3)
