"""Max-pools lie between their planes; windows and tiles are the same pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minmax_jax.certify.activations import Relu
from minmax_jax.certify.bounds import Bounds
from minmax_jax.certify.pools import MaxPool, RectifiedMaxPool, unwindow, windows
from minmax_jax.tiles import max_pool

SHAPE = (4, 2, 3, 2, 1, 5)
planes = jax.jit(lambda pool, bounds: pool.planes(bounds), static_argnums=0)
lines = jax.jit(Relu().lines)
POOLS = pytest.mark.parametrize("pool", [MaxPool(), RectifiedMaxPool()], ids=["plain", "rectified"])


def draw(seed, shape=SHAPE):
    """Bounds of many kinds: narrow and wide ones, and ends that are equal."""
    rng = np.random.default_rng(seed)
    ends = rng.normal(size=(2, *shape)) * rng.choice([0.01, 1], (2, *shape))
    ends[1] = np.where(rng.uniform(size=shape) < 0.2, ends[0], ends[1])
    ends = np.where(rng.uniform(size=ends.shape) < 0.2, 0, ends)
    return Bounds(*jnp.sort(jnp.asarray(ends, jnp.float32), axis=0))


def members(tiles):
    """The four pixels of each window, cut out anew: (4, samples, pr, ps, ...)."""
    return np.stack([tiles[:, i::2, j::2] for i in (0, 1) for j in (0, 1)])


def value(pool, x):
    return np.maximum(x.max(0), 0) if isinstance(pool, RectifiedMaxPool) else x.max(0)


def samples(bounds, seed, count=60):
    """Windows of points between the bounds, half of them with every pixel at one of its ends."""
    low, high = map(np.asarray, bounds)
    share = np.random.default_rng(seed).uniform(size=(count, *low.shape)).astype(np.float32)
    share[::2] = share[::2].round()
    return members(low + (high - low) * share)


def test_windows_hold_the_pixels_of_max_pool():
    tiles = jnp.asarray(np.random.default_rng(0).normal(size=SHAPE), jnp.float32)
    np.testing.assert_array_equal(windows(tiles).max(0), max_pool(tiles))
    np.testing.assert_array_equal(windows(tiles)[:, 0, 0], tiles[:2, :2].reshape(4, *SHAPE[2:]))
    np.testing.assert_array_equal(unwindow(windows(tiles)), tiles)


@POOLS
@given(st.integers(0, 10**6))
@settings(max_examples=25)
def test_the_maximum_is_between_its_planes(pool, seed):
    bounds = draw(seed)
    low, high, offset = map(np.asarray, planes(pool, bounds))
    x = samples(bounds, seed)
    assert ((low[:, None] * x).sum(0) <= value(pool, x) + 1e-6).all()
    assert ((high[:, None] * x).sum(0) + offset >= value(pool, x) - 1e-6).all()


@POOLS
def test_one_pixel_above_all_others_makes_them_exact(pool):
    bounds = draw(3)
    ahead = bounds.high.max() - bounds.low.min() + 0.5
    bounds = Bounds(*(end.at[1::2, ::2].add(ahead) for end in bounds))
    assert (windows(bounds.low)[2] > np.delete(windows(bounds.high), 2, 0).max(0)).all()
    low, high, offset = pool.planes(bounds)
    np.testing.assert_array_equal(low, high)
    np.testing.assert_array_equal(low[2], 1)
    np.testing.assert_allclose(offset, 0, atol=1e-6)


@given(st.integers(0, 10**6))
@settings(max_examples=25)
def test_the_joint_upper_plane_is_nowhere_above_one_after_the_other(seed):
    bounds = draw(seed)
    _, high, offset = map(np.asarray, planes(RectifiedMaxPool(), bounds))
    _, plain, constant = map(np.asarray, planes(MaxPool(), Relu().forward(bounds)))
    x = samples(bounds, seed)
    slope, shift = (np.asarray(windows(part))[:, None] for part in lines(bounds)[2:])
    after = (plain[:, None] * (slope * x + shift)).sum(0) + constant
    assert ((high[:, None] * x).sum(0) + offset <= after + 1e-6).all()


def test_by_hand():
    """Pixels in [-1, 3], [0, 1], [-2, -1], [-4, 2]: the first by its upper bound, floor 2."""
    low = jnp.array([-1.0, 0.0, -2.0, -4.0]).reshape(2, 2, 1, 1, 1, 1)
    high = jnp.array([3.0, 1.0, -1.0, 2.0]).reshape(2, 2, 1, 1, 1, 1)
    below, above, offset = RectifiedMaxPool().planes(Bounds(low, high))
    assert below.ravel().tolist() == [1, 0, 0, 0]  # the largest centre, 1
    assert above.ravel().tolist() == [0.25, 0, 0, 0]  # from (-1, 2) to (3, 3)
    assert offset.item() == 2.25
    below, above, offset = MaxPool().planes(Bounds(low, high))
    assert below.ravel().tolist() == [0, 1, 0, 0]  # the largest lower bound, 0
    assert above.ravel().tolist() == [0, 0, 0, 0]
    assert offset.item() == 3
