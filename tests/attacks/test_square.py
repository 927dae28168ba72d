"""Square Attack: in the ball, never worse than no attack, exact on a linear model, cheap once it has won."""

from functools import partial
from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.filled import filled
from helpers.linear import Curved, batch, linear_model, margins, worst_in_box
from helpers.refusal import refuses
from minmax_jax.attacks.ball import NORMS, random_point, size
from minmax_jax.attacks.losses import cross_entropy, margin
from minmax_jax.attacks.square import square
from minmax_jax.attacks.squares import sides

room = import_module("minmax_jax.attacks.square")  # the package's name is the function's
LINEAR, W = linear_model()
RADII = {"linf": 0.15, "l2": 0.5, "l1": 1.5}
QUERIES = 150  # one number of them for most tests, which so share what is compiled; more than one block
attack = jax.jit(square, static_argnames=("model", "norm", "queries", "p_init", "restarts", "loss"))


@pytest.fixture(scope="module")
def net():
    return filled(Curved)


@pytest.fixture(scope="module")
def photos(net):
    """Images that the curved model classifies as labelled, but for the last."""
    images, _ = batch(0, 1, n=16, shape=(5, 5, 1))
    labels = net(images).argmax(-1)
    return images, labels.at[-1].set((labels[-1] + 1) % 4)


def quality(model, images, labels, loss=margin):
    """What the attack ranks points by: misclassified first, then the loss."""
    logits = model(images)
    return np.where(logits.argmax(-1) != labels, np.inf, loss(logits, labels))


def secure(eps, low=0.0, high=1.0):
    """Images that the linear model classifies as labelled even in the worst case."""
    images, _ = batch(low, high, n=60)
    labels = LINEAR(images).argmax(-1)
    worst = margins(worst_in_box(images, labels, W, eps), labels, W)
    return images[worst > 0.01], labels[worst > 0.01]


@pytest.mark.parametrize("norm", NORMS)
@given(st.floats(0, 1, width=32), st.integers(0, 9))
@settings(max_examples=8)
def test_the_result_is_in_the_ball_and_in_zero_one_and_never_worse_than_no_attack(norm, eps, seed):
    images, labels = batch(0, 1, seed=seed)
    got = attack(LINEAR, images, labels, eps, norm=norm, queries=20, key=jax.random.key(seed))
    assert got.min() >= 0
    assert got.max() <= 1
    assert (size(got - images, norm) <= eps * (1 + 2e-6) + 1e-6).all()
    assert (quality(LINEAR, got, labels) >= quality(LINEAR, images, labels) - 1e-6).all()


@pytest.mark.parametrize("norm", NORMS)
def test_a_radius_of_zero_gives_the_images_back(norm):
    images, labels = batch(0, 1)
    np.testing.assert_allclose(attack(LINEAR, images, labels, 0.0, norm=norm, queries=20), images, atol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(0.3, 0.7), (0, 1)])
def test_with_queries_enough_every_pixel_of_a_linear_model_goes_as_far_as_it_can(low, high):
    """Single pixels are tried from the sixth query on: 12 of them, 4 choices of signs, 800 queries."""
    eps = 0.03
    images, labels = secure(eps, low, high)
    assert len(images) >= 10
    got = attack(LINEAR, images, labels, eps, queries=800)
    np.testing.assert_allclose(got, worst_in_box(images, labels, W, eps), atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_the_search_beats_as_many_random_points_at_the_edge_of_the_ball(net, photos, norm):
    images, labels = photos
    eps = RADII[norm] / 10
    got = margin(net(attack(net, images, labels, eps, norm=norm, queries=QUERIES)), labels)

    def drawn(key):
        change = random_point(key, images, 1.0, norm) - images
        at_edge = eps * change / size(change, norm)[:, None, None, None]
        return margin(net(jnp.clip(images + at_edge, 0, 1)), labels)

    best = jax.lax.map(drawn, jax.random.split(jax.random.key(1), QUERIES)).max(0)
    assert got[:-1].mean() > best[:-1].mean()


def test_the_queries_go_on_from_the_best_so_far_and_take_improvements_only(net, photos):
    """Each query's point is seen; the kept one is the best of those before, and only squares change in it."""
    images, labels = photos
    seen = []

    def watched(images):
        jax.debug.callback(lambda x: seen.append(np.asarray(x)), images, ordered=True)
        return net(images)

    got = jax.jit(partial(square, watched, queries=30))(images, labels, 0.02)
    jax.block_until_ready(got)
    jax.effects_barrier()
    start, *tried = seen[-31:]
    best, worth = start, quality(net, start, labels)
    for number, points in enumerate(tried):
        changed = (points != best)[:-1, ..., 0]
        side = sides(30, 0.8, 5, 5)[number]
        assert (changed.any(1).sum(-1) <= side).all()
        assert (changed.any(2).sum(-1) <= side).all()
        assert changed.any((1, 2)).all()
        new = quality(net, points, labels)
        best = np.where((new > worth)[:, None, None, None], points, best)
        worth = np.maximum(new, worth)
    np.testing.assert_array_equal(got[:-1], best[:-1])


def test_a_block_of_queries_goes_on_where_the_one_before_has_ended(net, photos, monkeypatch):
    images, labels = photos
    monkeypatch.setattr(room, "_draw", _by_the_query)
    whole = jax.jit(partial(square, net, queries=30))(images, labels, 0.02)
    monkeypatch.setattr(room, "BLOCK", 7)
    parts = jax.jit(partial(square, net, queries=30))(images, labels, 0.02)
    np.testing.assert_array_equal(parts, whole)


def _by_the_query(key, first, draws):
    """Draws that do not depend on how queries are put into blocks."""
    numbers = first + jnp.arange(room.BLOCK)
    return jax.vmap(lambda number: jax.random.uniform(jax.random.fold_in(key, number), (draws,)))(numbers)


@pytest.mark.parametrize("norm", NORMS)
def test_an_image_that_is_misclassified_already_is_left_as_it_is(net, photos, norm):
    images, labels = photos
    got = attack(net, images, labels, RADII[norm], norm=norm, queries=QUERIES)
    np.testing.assert_array_equal(got[-1], images[-1])
    assert not np.array_equal(got[0], images[0])


def test_an_image_is_left_at_the_first_point_that_is_misclassified(net, photos):
    """With more restarts there would be more to gain, but nothing is asked any more."""
    images, labels = photos
    once = attack(net, images, labels, 0.4, queries=QUERIES)
    broken = np.asarray(net(once).argmax(-1) != labels)
    assert broken[:-1].mean() > 0.5
    again = attack(net, images, labels, 0.4, queries=QUERIES, restarts=3)
    np.testing.assert_array_equal(again[broken], once[broken])


def test_images_do_not_depend_on_those_beside_them(net, photos):
    images, labels = photos
    others_done = ((labels + 1) % 4).at[0].set(labels[0])
    one, other = (attack(net, images, y, 0.05, queries=QUERIES) for y in (labels, others_done))
    np.testing.assert_array_equal(one[0], other[0])


def test_broken_images_cost_no_queries(net, photos):
    images, labels = photos
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


def test_more_restarts_are_never_worse_for_the_same_key(net, photos):
    images, labels = photos
    few, many = (
        quality(net, attack(net, images, labels, 0.02, queries=QUERIES, restarts=n), labels) for n in (1, 3)
    )
    assert (many >= few).all()
    assert (many > few).any()


@pytest.mark.parametrize(("norm", "loss"), [*((norm, "margin") for norm in NORMS), ("linf", "ce")])
def test_with_targets_the_attack_reaches_them(net, photos, norm, loss):
    images, labels = photos
    targets = (labels + 2) % 4
    got = attack(net, images, labels, 2 * RADII[norm], norm=norm, targets=targets, loss=loss, queries=QUERIES)
    assert (net(got).argmax(-1) == targets).mean() > 0.5
    climbs = {"margin": margin, "ce": cross_entropy}[loss]
    reached = net(images).argmax(-1) == targets
    closer = climbs(net(got), targets) < climbs(net(images), targets)
    assert (closer | reached).all()
    np.testing.assert_array_equal(got[reached], images[reached])


def test_the_cross_entropy_is_raised_where_it_is_the_loss(net, photos):
    images, labels = photos
    got = attack(net, images, labels, 0.02, loss="ce", queries=QUERIES)
    before, after = (quality(net, x, labels, cross_entropy) for x in (images, got))
    assert (after >= before).all()
    assert np.mean(after[:-1] > before[:-1]) > 0.9


def test_the_same_key_gives_the_same_result_and_another_key_another(net, photos):
    images, labels = photos
    none, zero, again, one = (
        attack(net, images, labels, 0.02, queries=QUERIES, key=key)
        for key in (None, *map(jax.random.key, (0, 0, 1)))
    )
    np.testing.assert_array_equal(none, zero)
    np.testing.assert_array_equal(again, zero)
    assert not np.array_equal(zero, one)


def test_eps_can_be_traced_and_its_change_compiles_nothing_anew(net, photos):
    images, labels = photos
    traces = []

    @jax.jit
    def traced(eps):
        traces.append(1)
        return square(net, images, labels, eps, queries=QUERIES)

    for eps in (0.02, 0.1):
        np.testing.assert_array_equal(traced(eps), attack(net, images, labels, eps, queries=QUERIES))
    assert len(traces) == 1


def test_bad_settings_are_refused():
    images, labels = batch(0, 1)
    for name in ("queries", "restarts"):
        with refuses(f"{name} is 0", "at least 1"):
            square(LINEAR, images, labels, 0.1, **{name: 0})
    for p_init in (0.0, 1.1, np.nan):
        with refuses("p_init is", p_init, "(0, 1]"):
            square(LINEAR, images, labels, 0.1, p_init=p_init)
    with refuses("loss is 'dlr'", "margin", "ce"):
        square(LINEAR, images, labels, 0.1, loss="dlr")
    with refuses("norm is 'l0'", "linf"):
        square(LINEAR, images, labels, 0.1, norm="l0")


def test_bad_images_labels_and_eps_are_refused():
    images, labels = batch(0, 1)
    with refuses("images hold values outside [0, 1]"):
        square(LINEAR, images - 0.5, labels, 0.1)
    for eps in (-0.1, 1.5, np.nan):
        with refuses("eps is", eps, "[0, 1]"):
            square(LINEAR, images, labels, eps)
    with refuses("labels hold values outside 0 to 1"):
        square(LINEAR, images, labels + 1, 0.1)
    with refuses("targets hold values outside 0 to 1"):
        square(LINEAR, images, labels, 0.1, targets=labels - 1)
    with refuses("images have shape", images[0].shape, "(n, h, w, c)"):
        square(LINEAR, images[0], labels, 0.1)
