"""The fast adaptive boundary attack: in the ball and the box, and the known distance on a linear model."""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import victims
from helpers.faces import linear_classes, nearest
from helpers.filled import filled
from helpers.linear import Curved, batch, linear_model
from helpers.refusal import refuses
from helpers.victims import victim
from minmax_jax.attacks import fab_walk as walk
from minmax_jax.attacks.ball import NORMS, size
from minmax_jax.attacks.fab import fab, fab_targeted

STATIC = ("model", "norm", "steps", "restarts")
# Few steps, and everywhere as many: tests share what is compiled.
jitted = jax.jit(partial(fab, steps=8), static_argnames=STATIC)
in_turn = jax.jit(partial(fab_targeted, steps=8), static_argnames=(*STATIC, "target_classes"))
BOTH = pytest.mark.parametrize("attack", [jitted, in_turn], ids=["fab", "fab_targeted"])
RADIUS = {"linf": 0.06, "l2": 0.25, "l1": 0.8}  # some images of the curved model are broken, some not
LINEAR, KERNELS = linear_classes()
NET = filled(Curved)


def photos():
    """Images that the curved model classifies as labelled, but for the last."""
    images, _ = batch(0, 1, n=12, shape=(5, 5, 1))
    labels = NET(images).argmax(-1)
    return images, labels.at[-1].set((labels[-1] + 1) % 4)


def right(low, high):
    """Images that the linear model classifies as labelled."""
    images, _ = batch(low, high, n=12)
    return images, LINEAR(images).argmax(-1)


def sizes(attack, model, images, labels, norm="linf", **options):
    """Size of each image's change, infinite where the attack found none."""
    got = attack(model, images, labels, None, norm=norm, **options)
    changed = size(got - images, norm)
    assert (model(got).argmax(-1) != labels)[changed > 0].all()
    return np.where(changed > 0, changed, np.inf)


@BOTH
@pytest.mark.parametrize("norm", NORMS)
def test_the_result_is_an_adversarial_image_in_the_ball_and_the_box_or_the_image_itself(attack, norm):
    images, labels = photos()
    eps = RADIUS[norm]
    got = attack(NET, images, labels, eps, norm=norm)
    assert got.min() >= 0
    assert got.max() <= 1
    assert size(got - images, norm).max() <= eps + 1e-6
    wrong = np.asarray(NET(got).argmax(-1) != labels)
    changed = np.asarray((got != images).any((1, 2, 3)))
    np.testing.assert_array_equal(wrong[:-1], changed[:-1])
    assert 0 < wrong[:-1].sum() < 11
    assert not changed[-1]  # misclassified to begin with


@given(st.floats(0, 1, width=32), st.integers(0, 10**6))
@settings(max_examples=15)
def test_never_outside_the_ball_whatever_its_radius(eps, seed):
    images, _ = batch(0, 1, n=12, seed=seed)
    labels = LINEAR(images).argmax(-1)
    got = in_turn(LINEAR, images, labels, jnp.float32(eps))
    assert got.min() >= 0
    assert got.max() <= 1
    assert jnp.abs(got - images).max() <= eps + 1e-6


@BOTH
@pytest.mark.parametrize("norm", NORMS)
def test_away_from_the_box_the_distance_is_that_of_the_nearest_face_of_a_linear_model(attack, norm):
    images, labels = right(0.4, 0.6)
    got = sizes(attack, LINEAR, images, labels, norm)
    np.testing.assert_allclose(got, nearest(images, labels, KERNELS, norm), rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
def test_at_the_box_too_the_distance_is_that_of_the_nearest_face(norm):
    images = jnp.round(2 * right(0, 1)[0]) / 2  # most pixels at an end of the box
    labels = LINEAR(images).argmax(-1)
    got = sizes(in_turn, LINEAR, images, labels, norm)
    np.testing.assert_allclose(got, nearest(images, labels, KERNELS, norm), rtol=2e-3, atol=1e-4)


@BOTH
def test_a_radius_breaks_just_the_images_that_are_nearer_to_a_face(attack):
    images, labels = right(0.4, 0.6)
    distances = np.sort(nearest(images, labels, KERNELS, "linf"))
    eps = np.float32(distances[5:7].mean())
    got = attack(LINEAR, images, labels, eps)
    assert (LINEAR(got).argmax(-1) != labels).sum() == 6
    np.testing.assert_array_equal(attack(LINEAR, images, labels, 0.0), images)


def test_on_a_model_without_a_gradient_the_images_come_back():
    def flat(images):
        return jnp.stack([1 + 0 * images.sum((1, 2, 3)), 0 * images.sum((1, 2, 3))], axis=-1)

    images, labels = batch(0, 1)[0], jnp.zeros(6, jnp.int32)
    np.testing.assert_array_equal(jitted(flat, images, labels, None), images)


@pytest.mark.parametrize(("attack", "norm"), [(jitted, "linf"), *((in_turn, norm) for norm in NORMS)])
def test_more_restarts_never_find_a_larger_change(attack, norm):
    images, labels = photos()
    one, four = (sizes(attack, NET, images, labels, norm, steps=1, restarts=n) for n in (1, 4))
    assert (four <= one + 1e-7).all()
    assert (four < one - 1e-6).any()


def test_more_steps_never_find_a_larger_change():
    images, labels = photos()
    few, many = (sizes(in_turn, NET, images, labels, steps=n) for n in (2, 8))
    assert (many <= few * 1.01).all()  # the last search of three may end a little further out
    assert (many < few * 0.9).any()


def test_a_walk_that_is_stuck_leaps(monkeypatch):
    """By l2, many images of the robust network are far from any boundary, and its gradients mislead."""
    model, (images, labels) = victim("robust"), victims.photos(16)
    steps = partial(fab, model, images, labels, None, norm="l2", steps=25)
    found = size(jax.jit(steps)() - images, "l2")
    monkeypatch.setattr(walk, "LEAP", 1000)
    stuck = size(jax.jit(lambda: steps())() - images, "l2")
    assert (found > 0).all() and 0 < (stuck > 0).sum() < 16


def test_more_classes_never_find_a_larger_change():
    images, labels = photos()
    few, many = (sizes(in_turn, NET, images, labels, target_classes=n) for n in (1, 9))
    assert (many <= few + 1e-7).all()
    assert (many < few - 1e-6).any()


def test_a_larger_radius_breaks_no_fewer_images():
    images, labels = photos()
    broken = [
        np.asarray(NET(in_turn(NET, images, labels, eps, norm="linf")).argmax(-1) != labels)
        for eps in (0.01, 0.03, 0.06, 0.5)
    ]
    for small, large in pairwise(broken):
        assert (large >= small).all()
    assert broken[0].sum() < broken[-1].sum()


@pytest.mark.parametrize("norm", NORMS)
def test_with_targets_the_image_becomes_the_target(norm):
    images, labels = photos()
    images, labels = images[:-1], labels[:-1]
    targets = (labels + 2) % 4
    got = jitted(NET, images, labels, None, norm=norm, targets=targets)
    changed = size(got - images, norm) > 0
    np.testing.assert_array_equal(NET(got).argmax(-1)[changed], targets[changed])
    assert changed.mean() > 0.5


def test_the_targets_region_is_reached_at_its_nearest_point():
    """Three classes on a line: their regions meet at 1/4 and at 3/4."""

    def model(images):
        x = images.mean((1, 2, 3))
        return jnp.stack([0 * x, 4 * x - 1, 8 * x - 4], axis=-1)

    images = jnp.full((3, 2, 2, 1), 0.1)
    labels = jnp.zeros(3, jnp.int32)
    got = jitted(model, images, labels, None, targets=jnp.array([0, 1, 2]))
    np.testing.assert_allclose(size(got - images, "linf"), [0, 0.15, 0.65], rtol=2e-3)
    np.testing.assert_array_equal(model(got).argmax(-1), [0, 1, 2])


@BOTH
def test_two_classes_do(attack):
    model, w = linear_model()
    images, _ = batch(0.4, 0.6)
    labels = model(images).argmax(-1)
    margin = np.abs((np.float64(images) * w).sum((1, 2, 3)) - 0.5)
    got = sizes(attack, model, images, labels)
    np.testing.assert_allclose(got, margin / np.abs(w).sum(), rtol=2e-3, atol=1e-4)


def test_the_same_key_gives_the_same_result_and_another_key_another():
    images, labels = photos()
    none, zero, again, one = (
        in_turn(NET, images, labels, None, norm="linf", steps=1, restarts=4, key=key)
        for key in (None, *map(jax.random.key, (0, 0, 1)))
    )
    np.testing.assert_array_equal(none, zero)
    np.testing.assert_array_equal(again, zero)
    assert not np.array_equal(zero, one)


def test_an_images_result_does_not_depend_on_its_neighbours():
    images, labels = photos()
    there = in_turn(NET, images, labels, 0.06, norm="linf")
    back = in_turn(NET, images[::-1], labels[::-1], 0.06, norm="linf")[::-1]
    np.testing.assert_allclose(there, back, atol=1e-3)


def test_eps_can_be_traced_and_its_change_compiles_nothing_anew():
    images, labels = photos()
    traces = []

    @jax.jit
    def attack(eps):  # images known outside the jitted function
        traces.append(1)
        return fab_targeted(NET, images, labels, eps, steps=8)

    for eps in (0.03, 0.1):
        np.testing.assert_allclose(attack(eps), in_turn(NET, images, labels, eps, norm="linf"), atol=1e-3)
    assert len(traces) == 1


@pytest.mark.parametrize("attack", [fab, fab_targeted])
def test_bad_input_is_refused(attack):
    images, labels = right(0, 1)
    with refuses("images hold values outside [0, 1]"):
        attack(LINEAR, 2 * images, labels, 0.1)
    with refuses("labels hold values outside 0 to 4"):
        attack(LINEAR, images, labels + 5, 0.1)
    with refuses("eps is 1.5", "[0, 1]"):
        attack(LINEAR, images, labels, 1.5)
    with refuses("norm is 'l3'", "linf"):
        attack(LINEAR, images, labels, 0.1, norm="l3")
    for name in ("steps", "restarts"):
        with refuses(f"{name} is 0", "at least 1"):
            attack(LINEAR, images, labels, 0.1, **{name: 0})
    for name, value in (
        ("alpha_max", 1.1),
        ("alpha_max", -0.1),
        ("eta", 0.9),
        ("beta", 1.0),
        ("beta", np.nan),
    ):
        with refuses(f"{name} is {value}", "it takes a"):
            attack(LINEAR, images, labels, 0.1, **{name: value})


def test_targets_and_counts_out_of_range_are_refused():
    images, labels = right(0, 1)
    with refuses("targets hold values outside 0 to 4"):
        fab(LINEAR, images, labels, 0.1, targets=labels - 5)
    with refuses("target_classes is 0", "at least 1"):
        fab_targeted(LINEAR, images, labels, 0.1, target_classes=0)
