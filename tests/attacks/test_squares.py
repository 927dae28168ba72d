"""The squares of Square Attack: their sides, their places and their patterns, against values made by hand."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from minmax_jax.attacks.squares import inside, odd_sides, pattern, patterns, placed, sides, tiled


def test_the_share_of_the_image_is_halved_on_the_published_schedule():
    """Andriushchenko et al.: p is halved at iterations 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000."""
    got = sides(10_000, 0.8, 100, 100)
    ends = [0, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001, 10_000]
    for k, (first, end) in enumerate(pairwise(ends)):
        assert (got[first:end] == round((0.8 / 2**k * 10_000) ** 0.5)).all()


def test_fewer_queries_run_through_the_same_schedule():
    np.testing.assert_array_equal(sides(500, 0.8, 28, 28), sides(10_000, 0.8, 28, 28)[::20])


def test_a_schedule_that_is_not_stretched_is_broken_off_and_then_goes_on_at_its_end():
    whole = sides(10_000, 0.8, 28, 28)
    for chosen in (sides, odd_sides):
        cut = chosen(5000, 0.8, 28, 28, stretched=False)
        np.testing.assert_array_equal(cut, chosen(10_000, 0.8, 28, 28)[:5000])
        assert cut[-1] > chosen(5000, 0.8, 28, 28)[-1] or chosen is odd_sides
    assert (sides(12_000, 0.8, 28, 28, stretched=False)[10_000:] == whole[-1]).all()


def test_squares_fit_into_images_of_any_shape_and_those_with_a_pattern_are_odd_as_far_as_there_is_room():
    for height, width in ((28, 28), (3, 4), (2, 9), (1, 1)):
        for p_init in (0.001, 0.8, 1.0):
            plain, odd = (chosen(1000, p_init, height, width) for chosen in (sides, odd_sides))
            assert plain.min() >= 1
            assert plain.max() <= min(height, width)
            assert odd.max() <= min(height, width)
            assert ((odd % 2 == 1) & (odd >= 3) | (odd == min(height, width))).all()


@pytest.mark.parametrize("side", [1, 3, 4])
def test_every_place_is_drawn_evenly_and_no_square_leaves_the_image(side):
    corners = jax.random.uniform(jax.random.key(0), (4000, 2))
    mask, rows, columns = jax.jit(inside, static_argnums=(2, 3))(corners, side, 4, 6)
    assert (mask.sum((1, 2)) == side**2).all()
    at_corner = np.asarray(mask & (rows == 0) & (columns == 0))
    share = at_corner.mean(0)
    places = (4 - side + 1) * (6 - side + 1)
    assert (at_corner.sum((1, 2)) == 1).all()
    np.testing.assert_allclose(share[: 4 - side + 1, : 6 - side + 1], 1 / places, atol=0.025)


def test_the_ends_of_the_draw_are_the_corners_of_the_image():
    last = float(np.nextafter(np.float32(1), np.float32(0)))
    mask, _, _ = inside(jnp.array([[0.0, 0.0], [last, last]]), 2, 28, 30)
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
def test_patterns_have_size_one_and_fall_off_from_the_middles_of_their_halves(side, order):
    got = pattern(side, order)
    assert np.isclose((np.abs(got) ** order).sum(), 1)
    assert (got[: side // 2] > 0).all()
    assert (got[side // 2 :] < 0).all()
    assert np.abs(got).argmax() % side == side // 2


def test_each_query_takes_the_pattern_of_its_side():
    chosen = np.array([5, 5, 3, 1])
    table, which = patterns(chosen, 2)
    for side, index in zip(chosen, which, strict=True):
        np.testing.assert_allclose(table[index, :side, :side], pattern(int(side), 2), rtol=1e-6)
        assert not table[index, side:].any()
        assert not table[index, :, side:].any()


def test_a_pattern_is_placed_as_it_is_or_with_rows_and_columns_exchanged():
    shape = jnp.asarray(pattern(3, 2), jnp.float32)
    padded = jnp.pad(shape, (0, 2))
    mask, rows, columns = inside(jnp.array([[0.5, 0.99], [0.5, 0.99]]), 3, 5, 6)
    got = placed(padded, rows, columns, mask, jnp.array([False, True]))
    for image, expected in zip(got, (shape, shape.T), strict=True):
        np.testing.assert_array_equal(image[1:4, 3:6], expected)
        assert np.count_nonzero(image) == np.count_nonzero(expected)


def test_tiles_have_their_own_signs_and_turns_and_leave_the_same_border_on_both_sides():
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
