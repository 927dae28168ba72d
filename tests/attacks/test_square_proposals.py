"""What Square Attack tries: schedule, squares and patterns by hand, proposals in the ball and the squares."""

from functools import cache
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.linear import batch
from minmax_jax.attacks.ball import NORMS, size
from minmax_jax.attacks.square_proposals import in_square, odd_sides, pattern, placed, proposals, sides, tiled

pytestmark = pytest.mark.slow

SHAPE, QUERIES, EPS = (9, 11, 2), 40, {"linf": 0.2, "l2": 1.5, "l1": 6.0}
FEW = {"linf": 0.02, "l2": 0.1, "l1": 0.3}  # radii that stay away from the box
N = 7


@cache
def jitted(norm, shape):
    """Start and proposal, compiled once for all radii."""
    start = jax.jit(lambda eps, *rest: proposals(norm, shape, eps, QUERIES, 0.5).start(*rest))
    propose = jax.jit(lambda eps, *rest: proposals(norm, shape, eps, QUERIES, 0.5).propose(*rest))
    return start, propose


def begin(norm, eps, low=0.0, high=1.0, shape=SHAPE):
    """Images, the points to begin with, what is tried after given points, and the numbers drawn for it."""
    images, _ = batch(low, high, n=N, shape=shape)
    start, propose = jitted(norm, shape)
    count = proposals(norm, shape, eps, QUERIES, 0.5).draws

    def draws(number):
        return jax.random.uniform(jax.random.key(number), (N, count))

    def following(points, number):
        return propose(eps, images, points, jnp.int32(number), draws(number))

    return images, start(eps, jax.random.key(3), images), following, draws


def squares(draws, at, side):
    """The squares that numbers ``at`` of the draws stand for, as masks with a channel."""
    return np.asarray(in_square(draws[:, at : at + 2], side, *SHAPE[:2])[0])[..., None]


@pytest.mark.parametrize("norm", NORMS)
def test_the_start_and_all_that_is_tried_lie_in_the_ball_and_in_the_box(norm):
    images, points, following, _ = begin(norm, EPS[norm])
    for number in range(QUERIES):
        assert points.min() >= 0 and points.max() <= 1
        assert (size(points - images, norm) <= EPS[norm] * (1 + 2e-6)).all()
        points = following(points, number)


@pytest.mark.parametrize("norm", NORMS)
def test_away_from_the_box_all_of_eps_is_used(norm):
    images, points, following, _ = begin(norm, FEW[norm], 0.4, 0.6)
    for number in range(QUERIES):
        np.testing.assert_allclose(size(points - images, norm), FEW[norm], rtol=1e-4)
        points = following(points, number)


def test_in_linf_it_starts_at_stripes_and_pixels_stay_at_their_ends():
    images, points, following, _ = begin("linf", 0.2, 0.3, 0.7)
    signs = np.sign(points - images)
    assert (signs == signs[:, :1]).all()
    assert 0.3 < (signs > 0).mean() < 0.7
    for number in range(QUERIES):
        np.testing.assert_allclose(np.abs(points - images), 0.2, atol=1e-6)
        points = following(points, number)


@pytest.mark.parametrize("number", [0, 39])
def test_in_linf_one_square_changes_to_one_sign_a_channel(number):
    images, points, following, draws = begin("linf", 0.2)
    new = np.asarray(following(points, number))
    mask = squares(draws(number), 0, int(sides(QUERIES, 0.5, *SHAPE[:2])[number]))
    changed = new != points
    assert not (changed & ~mask).any()
    assert changed.any((1, 2, 3)).all()
    for change, where in zip(new - images, mask[..., 0], strict=True):
        assert (np.ptp(np.sign(change)[where], axis=0) == 0).all()


def test_in_linf_a_square_that_is_there_already_is_turned_over():
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
def test_by_patterns_the_change_moves_from_one_square_to_another(norm):
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
def test_images_smaller_than_the_patterns_have_proposals(norm):
    images, points, following, _ = begin(norm, FEW[norm], 0.2, 0.8, shape=(2, 3, 1))
    for number in (0, 20, 39):
        points = following(points, number)
        assert points.shape == images.shape
        assert (size(points - images, norm) > 0.1 * FEW[norm]).all()


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_what_is_left_of_eps_is_taken_up_by_the_next_proposal(norm):
    images, _, following, _ = begin(norm, FEW[norm], 0.4, 0.6)
    little = images + 1e-4
    np.testing.assert_allclose(size(following(little, 0) - images, norm), FEW[norm], rtol=1e-3)


def test_the_share_of_the_image_is_halved_on_the_published_schedule():
    """Andriushchenko et al.: p is halved at iterations 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000."""
    got = sides(10_000, 0.8, 100, 100)
    ends = [0, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001, 10_000]
    for k, (first, end) in enumerate(pairwise(ends)):
        assert (got[first:end] == round((0.8 / 2**k * 10_000) ** 0.5)).all()


def test_fewer_queries_run_through_the_same_schedule():
    np.testing.assert_array_equal(sides(500, 0.8, 28, 28), sides(10_000, 0.8, 28, 28)[::20])


def test_a_schedule_that_is_not_stretched_is_cut_off_or_stays_at_its_end():
    whole = sides(10_000, 0.8, 28, 28)
    for chosen in (sides, odd_sides):
        cut = chosen(5000, 0.8, 28, 28, stretched=False)
        np.testing.assert_array_equal(cut, chosen(10_000, 0.8, 28, 28)[:5000])
        assert cut[-1] > chosen(5000, 0.8, 28, 28)[-1] or chosen is odd_sides
    assert (sides(12_000, 0.8, 28, 28, stretched=False)[10_000:] == whole[-1]).all()


def test_squares_fit_into_any_image_and_those_with_a_pattern_are_odd():
    for height, width in ((28, 28), (3, 4), (2, 9), (1, 1)):
        for p_init in (0.001, 0.8, 1.0):
            plain, odd = (chosen(1000, p_init, height, width) for chosen in (sides, odd_sides))
            assert plain.min() >= 1 and plain.max() <= min(height, width)
            assert odd.max() <= min(height, width)
            assert ((odd % 2 == 1) & (odd >= 3) | (odd == min(height, width))).all()


@pytest.mark.parametrize("side", [1, 3, 4])
def test_every_place_is_drawn_evenly_and_no_square_leaves_the_image(side):
    corners = jax.random.uniform(jax.random.key(0), (4000, 2))
    mask, rows, columns = jax.jit(in_square, static_argnums=(2, 3))(corners, side, 4, 6)
    assert (mask.sum((1, 2)) == side**2).all()
    at_corner = np.asarray(mask & (rows == 0) & (columns == 0))
    share = at_corner.mean(0)
    places = (4 - side + 1) * (6 - side + 1)
    assert (at_corner.sum((1, 2)) == 1).all()
    np.testing.assert_allclose(share[: 4 - side + 1, : 6 - side + 1], 1 / places, atol=0.025)


def test_the_ends_of_the_draw_are_the_corners_of_the_image():
    last = float(np.nextafter(np.float32(1), np.float32(0)))
    mask, _, _ = in_square(jnp.array([[0.0, 0.0], [last, last]]), 2, 28, 30)
    assert mask[0, :2, :2].all()
    assert mask[1, -2:, -2:].all()


def test_a_pattern_is_a_hill_above_a_hollow():
    """By hand for side 3: one row of [1/4, 1 + 1/4, 1/4]; below, two rows with the middle in the second."""
    hill = np.array([[0.25, 1.25, 0.25]])
    hollow = np.array([[0.25, 0.25, 0.25], [0.25, 1.25, 0.25]])
    for order in (1, 2):
        halves = [part / (part**order).sum() ** (1 / order) for part in (hill, hollow)]
        expected = np.concatenate([halves[0], -halves[1]]) / 2 ** (1 / order)
        np.testing.assert_allclose(pattern(3, order), expected, atol=1e-12)


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("order", [1, 2])
def test_patterns_have_norm_one_and_peak_in_the_middles_of_their_halves(side, order):
    got = pattern(side, order)
    assert np.isclose((np.abs(got) ** order).sum(), 1)
    assert (got[: side // 2] > 0).all() and (got[side // 2 :] < 0).all()
    assert np.abs(got).argmax() % side == side // 2


def test_a_pattern_is_placed_as_it_is_or_transposed():
    shape = jnp.asarray(pattern(3, 2), jnp.float32)
    padded = jnp.pad(shape, (0, 2))
    mask, rows, columns = in_square(jnp.array([[0.5, 0.99], [0.5, 0.99]]), 3, 5, 6)
    got = placed(padded, rows, columns, mask, jnp.array([False, True]))
    for image, expected in zip(got, (shape, shape.T), strict=True):
        np.testing.assert_array_equal(image[1:4, 3:6], expected)
        assert np.count_nonzero(image) == np.count_nonzero(expected)


def test_tiles_have_their_own_signs_and_turns_and_even_borders():
    shape = jnp.asarray(pattern(2, 2), jnp.float32)
    signs = jnp.asarray([1.0, -1.0, 1.0, -1.0, -1.0, 1.0]).reshape(1, 1, 3, 2)
    got = tiled(shape, signs, jnp.array([[[False, True, False]]]), 3, 8)
    assert got.shape == (1, 3, 8, 2)
    np.testing.assert_array_equal(got[0, :2, 1:3, 0], shape)
    np.testing.assert_array_equal(got[0, :2, 1:3, 1], -shape)
    np.testing.assert_array_equal(got[0, :2, 3:5, 0], shape.T)
    np.testing.assert_array_equal(got[0, :2, 5:7, 1], shape)
    for border in (got[0, 2], got[0, :, 0], got[0, :, 7]):
        assert not border.any()
