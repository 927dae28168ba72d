"""Square Attack: exact on a linear model, better than chance on a curved one, cheap once it has won."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.attacked import broken, curved, right, scores
from helpers.linear import linear_model, margins, worst_in_box
from minmax_jax.attacks import square
from minmax_jax.attacks.ball import NORMS, random_point, size
from minmax_jax.attacks.losses import margin
from minmax_jax.attacks.square_proposals import sides

pytestmark = pytest.mark.slow

LINEAR, W = linear_model()
RADII = {"linf": 0.15, "l2": 0.5, "l1": 1.5}
QUERIES = 150  # one number of them for most tests, which so share what is compiled; more than one block
attack = jax.jit(square, static_argnames=("model", "norm", "queries", "p_init", "restarts", "loss"))


def secure(eps, low=0.0, high=1.0):
    """Images that the linear model classifies as labelled even in the worst case."""
    images, labels = right(LINEAR, low, high, n=60)
    worst = margins(worst_in_box(images, labels, W, eps), labels, W)
    return images[worst > 0.01], labels[worst > 0.01]


@pytest.mark.parametrize(("low", "high"), [(0.3, 0.7), (0, 1)])
def test_with_enough_queries_every_pixel_goes_as_far_as_it_can(low, high):
    """Single pixels are tried from the sixth query on: 12 of them, 4 choices of signs, 800 queries."""
    eps = 0.03
    images, labels = secure(eps, low, high)
    assert len(images) >= 10
    got = attack(LINEAR, images, labels, eps, queries=800)
    np.testing.assert_allclose(got, worst_in_box(images, labels, W, eps), atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_the_search_beats_as_many_random_points_at_the_edge_of_the_ball(norm):
    net, images, labels = curved()
    eps = RADII[norm] / 10
    got = margin(net(attack(net, images, labels, eps, norm=norm, queries=QUERIES)), labels)

    def drawn(key):
        change = random_point(key, images, 1.0, norm) - images
        at_edge = eps * change / size(change, norm)[:, None, None, None]
        return margin(net(jnp.clip(images + at_edge, 0, 1)), labels)

    best = jax.lax.map(drawn, jax.random.split(jax.random.key(1), QUERIES)).max(0)
    assert got[:-1].mean() > best[:-1].mean()


def test_queries_go_on_from_the_best_so_far_and_take_improvements_only():
    """Each query's point is seen; the kept one is the best of those before, and only squares change in it.

    The queries are more than a block of 100, so that the second block has to resume where the first ended.
    """
    eps, queries, seen = 0.03, 130, []
    images, labels = secure(eps)  # none of them breaks, so that all stay in their places

    def watched(images):
        jax.debug.callback(lambda x: seen.append(np.asarray(x)), images, ordered=True)
        return LINEAR(images)

    got = jax.jit(partial(square, watched, queries=queries))(images, labels, eps)
    jax.block_until_ready(got)
    jax.effects_barrier()
    start, *tried = seen[-queries - 1 :]
    best, worth = start, scores(LINEAR, start, labels, loss="margin")
    for points, side in zip(tried, sides(queries, 0.8, *images.shape[1:3]), strict=True):
        changed = (points != best).any(-1)
        assert (changed.any(1).sum(-1) <= side).all() and (changed.any(2).sum(-1) <= side).all()
        assert changed.any((1, 2)).all()
        new = scores(LINEAR, points, labels, loss="margin")
        best = np.where((new > worth)[:, None, None, None], points, best)
        worth = np.maximum(new, worth)
    np.testing.assert_array_equal(got, best)


def test_an_image_is_left_at_the_first_point_that_is_misclassified():
    """With more restarts there would be more to gain, but no more queries are made."""
    net, images, labels = curved()
    once = attack(net, images, labels, 0.4, queries=QUERIES)
    found = broken(net, once, labels)
    assert found[:-1].mean() > 0.5
    again = attack(net, images, labels, 0.4, queries=QUERIES, restarts=3)
    np.testing.assert_array_equal(again[found], once[found])


def test_broken_images_cost_no_queries():
    net, images, labels = curved()
    calls = []

    def counted(images):
        jax.debug.callback(lambda: calls.append(1))
        return net(images)

    count = jax.jit(partial(square, counted, queries=250), static_argnames="restarts")
    for wrong, eps, fewest, most in (((labels + 1) % 4, 0.1, 1, 2), (labels, 0.0, 250, 253)):
        calls.clear()
        jax.block_until_ready(count(images, wrong, eps))
        jax.effects_barrier()
        assert fewest <= len(calls) <= most


@pytest.mark.parametrize("targeted", [False, True])
def test_the_cross_entropy_is_the_loss_where_it_is_asked_for(targeted):
    net, images, labels = curved()
    targets = (labels + 2) % 4 if targeted else None
    got = attack(net, images, labels, 0.02, loss="ce", targets=targets, queries=QUERIES)
    before, after = (scores(net, x, labels, targets) for x in (images, got))
    assert (after >= before).all()
    assert np.mean(after[:-1] > before[:-1]) > 0.9
