"""What is kept for each image, and work on active images only: the same as on all, and only there."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minmax_jax.attacks.compaction import on_active
from minmax_jax.attacks.selection import Nearest, Scored, best_of, better, within


def work(active, values, keys):
    """Something of each image's own, of two shapes; the mask of a chunk comes with it."""
    noise = jax.vmap(jax.random.uniform)(keys)
    return {"square": values**2 + noise[:, None], "count": values.sum(1).astype(jnp.int32)}, active


def otherwise(values):
    n = len(values)
    return {"square": jnp.full(values.shape, -1.0), "count": jnp.full(n, -7)}, jnp.zeros(n, bool)


@partial(jax.jit, static_argnames="chunk")
def run(active, values, keys, chunk):
    return on_active(work, active, otherwise(values), values, keys, chunk=chunk)


@given(st.sampled_from([1, 2, 7]), st.sampled_from([1, 3, 64]), st.integers(0, 999))
@settings(max_examples=25)
def test_it_is_where_active_the_function_and_else_what_was(n, chunk, seed):
    active = jnp.asarray(np.random.default_rng(seed).random(n) < 0.5)
    values = jax.random.normal(jax.random.key(seed), (len(active), 3))
    keys = jax.random.split(jax.random.key(seed + 1), len(active))
    got = run(active, values, keys, chunk)
    new, old = work(active, values, keys), otherwise(values)

    def choose(a, b):
        return jnp.where(active.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    jax.tree.map(lambda a, b, c: np.testing.assert_allclose(a, choose(b, c), rtol=1e-6), got, new, old)


def counted(active, chunk):
    """How many chunks were run, seen from outside, and how many active images each held."""
    seen = []

    def function(mask, rows):
        jax.debug.callback(lambda mask: seen.append(int(np.sum(mask))), mask)
        return rows + 1

    rows = jnp.arange(len(active))
    got = jax.jit(lambda a: on_active(function, a, rows, rows, chunk=chunk))(jnp.asarray(active))
    jax.block_until_ready(got)
    jax.effects_barrier()
    np.testing.assert_array_equal(got, np.arange(len(active)) + np.asarray(active))
    return sorted(seen, reverse=True)


@pytest.mark.parametrize(
    ("rows", "chunks"),
    [((), []), ((17,), [1]), ((0, 5, 19), [3]), ((1, 3, 5, 7, 9), [4, 1]), (range(20), [4] * 5)],
)
def test_only_as_many_chunks_run_as_the_active_images_fill(rows, chunks):
    active = np.isin(np.arange(20), list(rows))
    assert counted(active, chunk=4) == chunks


def test_the_last_chunk_may_be_filled_up_and_nothing_of_that_is_seen():
    assert counted(np.ones(7, bool), chunk=3) == [3, 3, 3]  # the last image stands in for two
    assert counted(np.array([False, True]), chunk=64) == [1]


def test_no_images_are_no_work():
    empty = jnp.zeros((0, 3))
    got = on_active(lambda *_: 1 / 0, jnp.zeros(0, bool), empty, empty)
    assert got is empty


IMAGES = jnp.zeros((3, 1, 1, 1))


def scored(value, *score):
    return Scored(jnp.full((3, 1, 1, 1), value), jnp.asarray(score, jnp.float32))


def test_the_better_point_is_kept_and_the_old_one_of_equals():
    points, score = better(scored(1.0, 2, 5, jnp.inf), scored(2.0, 3, 5, 4))
    np.testing.assert_array_equal(points.ravel(), [2, 2, 1])
    np.testing.assert_array_equal(score, [3, 5, jnp.inf])


def test_of_several_attempts_the_best_is_kept_and_each_sees_the_best_before():
    def attempt(best, number):
        return Scored(jnp.full((3, 1, 1, 1), number), jnp.where(best.score == 2, 9.0, number))

    got = best_of(attempt, scored(0.0, 0, 2.5, 7), jnp.arange(1.0, 5.0))
    np.testing.assert_array_equal(got.ravel(), [3, 4, 0])


def test_points_beyond_a_radius_are_dropped():
    found = Nearest(IMAGES + 1, jnp.asarray([0.2, 0.3, jnp.inf]))
    np.testing.assert_array_equal(within(found, IMAGES, 0.2).ravel(), [1, 0, 0])
    assert within(found, IMAGES, None) is found.points
