"""The ball of an attack: sizes, nearest points, steepest directions, random points."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import brentq
from scipy.stats import kstest

from helpers.attacked import within
from minmax_jax.attacks import ball
from minmax_jax.attacks.ball import NORMS, random_point, size, steepest

project = jax.jit(ball.project, static_argnames="norm")
stepped = jax.jit(ball.stepped, static_argnames="norm")

SHAPE = (2, 2, 2, 1)
# the CPU backend flushes subnormal numbers to zero
floats = partial(st.floats, width=32, allow_subnormal=False)
anywhere = hnp.arrays(np.float32, SHAPE, elements=floats(-2, 3))
inside = hnp.arrays(np.float32, SHAPE, elements=floats(0, 1))
slopes = hnp.arrays(np.float32, SHAPE, elements=floats(-1e3, 1e3))
radius = floats(0, 3)
norms = st.sampled_from(NORMS)


def radius_of(eps, norm):
    return eps / 3 if norm == "linf" else eps


def digits(seed, n=8):
    """Images that are mostly black, as digits are, and points far from them."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(-1, 1, (n, 28, 28, 1)).clip(0).astype(np.float32)
    return rng.normal(centre, rng.uniform(0.01, 3, (n, 1, 1, 1))).astype(np.float32), centre


@pytest.mark.parametrize(("norm", "expected"), [("linf", [0.5, 0]), ("l2", [0.7, 0]), ("l1", [1.3, 0])])
def test_sizes_worked_out_by_hand(norm, expected):
    change = np.zeros((2, 2, 2, 1), np.float32)
    change[0].flat[:] = [0.5, -0.4, 0.2, -0.2]
    np.testing.assert_allclose(size(change, norm), expected, rtol=1e-6)


@given(anywhere, inside, radius, norms)
@settings(max_examples=60)
def test_projected_images_are_in_ball_and_box_and_stay_there(images, centre, eps, norm):
    eps = radius_of(eps, norm)
    got = project(images, centre, eps, norm)
    assert within(got, centre, eps, norm)
    np.testing.assert_array_equal(project(centre, centre, eps, norm), centre)
    np.testing.assert_allclose(project(got, centre, eps, norm), got, atol=2e-6)


@given(anywhere, inside, floats(0, 1))
@settings(max_examples=30)
def test_by_linf_each_pixel_goes_to_its_nearest(images, centre, eps):
    low, high = (np.clip(np.float64(centre) + side * eps, 0, 1) for side in (-1, 1))
    nearest = np.minimum(np.maximum(np.float64(images), low), high)
    got = project(images, centre, eps, "linf")
    np.testing.assert_allclose(got, nearest, atol=1e-6)
    np.testing.assert_array_equal(project(got, centre, eps, "linf"), got)


def nearest_by_multiplier(image, centre, eps, norm):
    """The nearest point in float64, its multiplier found by Brent's method."""
    far = np.float64(image) - centre

    def change(m):
        moved = far * (1 - m) if norm == "l2" else np.sign(far) * np.maximum(np.abs(far) - m, 0)
        return np.clip(centre + moved, 0, 1) - centre

    def excess(m):
        moved = change(m)
        return (np.sqrt(np.square(moved).sum()) if norm == "l2" else np.abs(moved).sum()) - eps

    if excess(0) <= 0:
        return centre + change(0)
    return centre + change(brentq(excess, 0, 1 if norm == "l2" else np.abs(far).max(), xtol=1e-14))


@pytest.mark.parametrize("norm", ["l2", "l1"])
@pytest.mark.parametrize("eps", [0.01, 1.5, 12.0, 300.0])
def test_projections_of_whole_images_have_the_exact_multiplier(norm, eps):
    images, centre = digits(seed=int(eps))
    got = project(images, centre, eps, norm)
    for i in range(len(images)):
        expected = nearest_by_multiplier(images[i], np.float64(centre[i]), eps, norm)
        np.testing.assert_allclose(got[i], expected, atol=2e-5)


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_pixels_that_meet_the_box_one_by_one_take_a_round_each(norm):
    """The slowest case: the share of each pixel is spent just when the next one meets the box."""
    room = 0.7 ** np.arange(40, dtype=np.float64)
    centre = (1 - room).astype(np.float32).reshape(1, 5, 8, 1)
    images = centre + np.float32(10) * room.astype(np.float32)[::-1].reshape(centre.shape)
    for eps in (0.05, 0.5, 1.0):
        expected = nearest_by_multiplier(images[0], np.float64(centre[0]), eps, norm)
        np.testing.assert_allclose(project(images, centre, eps, norm)[0], expected, atol=2e-5)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1e-30, 1e-9, 1e4, 1e25])
def test_sizes_far_from_one_are_projected_too(norm, scale):
    images, centre = digits(seed=3)
    images = (centre + scale * (images - centre)).astype(np.float32)
    got = project(images, centre, 0.5, norm)
    assert jnp.isfinite(got).all()
    assert (size(got - centre, norm) <= 0.5 * (1 + 1e-5)).all()
    if scale == 1e4:  # where float32 resolves a change of about 1e-3
        assert (size(got - centre, norm) >= 0.5 - 1e-3).all()


@given(slopes, slopes, norms)
@settings(max_examples=60)
def test_no_direction_of_size_one_rises_more_than_the_steepest(gradient, other, norm):
    best = np.asarray(steepest(jnp.asarray(gradient), norm), np.float64)
    assert (size(jnp.asarray(best, jnp.float32), norm) <= 1 + 1e-5).all()
    lengths = np.maximum(np.asarray(size(other, norm), np.float64), 1e-30)
    direction = np.float64(other) / lengths[:, None, None, None]
    rise, best_rise = ((np.float64(gradient) * d).sum((1, 2, 3)) for d in (direction, best))
    assert (rise <= best_rise + 1e-5 * np.abs(gradient).sum()).all()
    dual = {"linf": "l1", "l2": "l2", "l1": "linf"}[norm]  # the rise is the gradient's size by the dual norm
    np.testing.assert_allclose(best_rise, size(gradient, dual), rtol=1e-5, atol=1e-20)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_steepest_direction_does_not_depend_on_the_gradients_scale(norm, scale):
    gradient = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    scaled = steepest(jnp.asarray(gradient * np.float32(scale)), norm)
    np.testing.assert_allclose(scaled, steepest(jnp.asarray(gradient), norm), rtol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf])
def test_where_the_gradient_is_zero_or_no_number_nothing_moves(norm, value):
    gradient = jnp.full(SHAPE, value).at[1, 0, 0, 0].set(2.0)
    for moved in (steepest(gradient, norm), stepped(jnp.full(SHAPE, 0.5), gradient, 0.25, norm) - 0.5):
        expected = jnp.zeros(SHAPE).at[1, 0, 0, 0].set(moved[1, 0, 0, 0])
        np.testing.assert_array_equal(moved, expected)
        assert moved[1, 0, 0, 0] > 0


@given(inside, slopes, floats(0, 1), st.sampled_from(["linf", "l2"]))
@settings(max_examples=20)
def test_a_step_by_linf_or_l2_is_along_the_steepest_direction(points, gradient, length, norm):
    expected = points + np.float32(length) * np.asarray(steepest(jnp.asarray(gradient), norm))
    np.testing.assert_allclose(stepped(points, gradient, length, norm), expected, atol=1e-6)


def greedy(point, gradient, length):
    """The best step of l1 size ``length`` in the box, pixel by pixel in plain Python."""
    moved = np.zeros(point.size)
    for i in np.argsort(-np.abs(gradient.ravel()), kind="stable"):
        room = {1: 1 - point.ravel()[i], -1: point.ravel()[i], 0: 0}[int(np.sign(gradient.ravel()[i]))]
        moved[i] = np.sign(gradient.ravel()[i]) * min(room, length)
        length -= abs(moved[i])
    return moved.reshape(point.shape)


@given(inside, slopes, floats(0, 5))
@settings(max_examples=40)
def test_a_step_by_l1_rises_as_much_as_the_box_lets_it(points, gradient, length):
    got = stepped(points, gradient, length, "l1")
    assert got.min() >= -1e-6 and got.max() <= 1 + 1e-6
    assert (size(got - points, "l1") <= length * (1 + 1e-5) + 1e-6).all()
    for i in range(len(points)):
        best = (greedy(np.float64(points[i]), np.float64(gradient[i]), length) * gradient[i]).sum()
        scale = np.abs(gradient[i]).max()
        np.testing.assert_allclose(((got[i] - points[i]) * gradient[i]).sum(), best, atol=2e-5 * scale)


CENTRE, EPS = jnp.full((4000, 1, 3, 1), 0.5), 0.4

# How much of a ball of dimension 3 lies within +-t of the middle along an axis, by linf, and how much of a
# sphere, by l2 and l1.
SHARES = {"linf": lambda t: t, "l2": lambda t: t, "l1": lambda t: 1 - (1 - t) ** 2}


@pytest.mark.parametrize("norm", NORMS)
def test_random_points_lie_in_all_directions_at_uniform_distances(norm):
    points = random_point(jax.random.key(0), CENTRE, EPS, norm)
    change = np.asarray(points - 0.5, np.float64).reshape(-1, 3) / EPS
    sizes = np.asarray(size(points - CENTRE, norm), np.float64) / EPS
    # By linf evenly from the ball, whose volume grows with the cube of the radius.
    assert kstest(sizes**3 if norm == "linf" else sizes, "uniform").pvalue > 0.001
    for axis in change.T:
        place = np.abs(axis) if norm == "linf" else np.abs(axis) / sizes
        assert kstest(place, SHARES[norm]).pvalue > 0.001
        assert abs(np.sign(axis).mean()) < 0.06
    assert np.abs(np.corrcoef(change.T) - np.eye(3)).max() < 0.06


@given(inside, radius, norms, st.integers(0, 99))
@settings(max_examples=30)
def test_random_points_are_in_the_ball_and_in_the_box(centre, eps, norm, seed):
    eps = radius_of(eps, norm)
    assert within(random_point(jax.random.key(seed), jnp.asarray(centre), eps, norm), centre, eps, norm)
    np.testing.assert_array_equal(random_point(jax.random.key(0), jnp.asarray(centre), 0.0, norm), centre)


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_an_attack_can_stand_inside_what_is_differentiated(norm):
    """Its projection has a loop of no fixed length, whose result is held constant."""

    def loss(w):
        point = ball.project(w * jnp.ones(SHAPE), jnp.full(SHAPE, 0.5), 0.1, norm)
        return w * jax.lax.stop_gradient(point).sum()

    value, slope = jax.value_and_grad(loss)(0.9)
    np.testing.assert_allclose(slope, value / 0.9, rtol=1e-5)
