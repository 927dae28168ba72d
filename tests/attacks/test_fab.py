"""The fast adaptive boundary attack: the known distance on a linear model, and more effort never worse."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers import victims
from helpers.attacked import broken, curved, right
from helpers.faces import linear_classes, nearest
from helpers.linear import batch
from helpers.victims import victim
from minmax_jax.attacks import fab, fab_targeted
from minmax_jax.attacks.ball import NORMS, size

pytestmark = pytest.mark.slow

STATIC = ("model", "norm", "steps", "restarts")
# Few steps, and everywhere as many: tests share what is compiled.
jitted = jax.jit(partial(fab, steps=8), static_argnames=STATIC)
in_turn = jax.jit(partial(fab_targeted, steps=8), static_argnames=(*STATIC, "target_classes"))
BOTH = pytest.mark.parametrize("attack", [jitted, in_turn], ids=["fab", "fab_targeted"])
EVERY_NORM = pytest.mark.parametrize("norm", NORMS)
LINEAR, KERNELS = linear_classes()


def sizes(attack, model, images, labels, norm="linf", **options):
    """Size of each image's change, infinite where the attack found none."""
    got = attack(model, images, labels, None, norm=norm, **options)
    changed = size(got - images, norm)
    assert broken(model, got, labels)[changed > 0].all()
    return np.where(changed > 0, changed, np.inf)


@BOTH
@EVERY_NORM
def test_away_from_the_box_the_distance_is_that_of_the_nearest_face(attack, norm):
    images, labels = right(LINEAR, 0.4, 0.6, n=12)
    got = sizes(attack, LINEAR, images, labels, norm)
    np.testing.assert_allclose(got, nearest(images, labels, KERNELS, norm), rtol=2e-3, atol=1e-4)


@EVERY_NORM
def test_at_the_box_too_the_distance_is_that_of_the_nearest_face(norm):
    images = jnp.round(2 * batch(0, 1, n=12)[0]) / 2  # most pixels at an end of the box
    labels = LINEAR(images).argmax(-1)
    got = sizes(in_turn, LINEAR, images, labels, norm)
    np.testing.assert_allclose(got, nearest(images, labels, KERNELS, norm), rtol=2e-3, atol=1e-4)


@BOTH
def test_a_radius_breaks_just_the_images_that_are_nearer_to_a_face(attack):
    images, labels = right(LINEAR, 0.4, 0.6, n=12)
    distances = np.sort(nearest(images, labels, KERNELS, "linf"))
    eps = np.float32(distances[5:7].mean())
    assert broken(LINEAR, attack(LINEAR, images, labels, eps), labels).sum() == 6


@BOTH
def test_two_classes_will_do(attack):
    model, kernels = linear_classes(classes=2)
    images, labels = right(model, 0.4, 0.6)
    got = sizes(attack, model, images, labels)
    np.testing.assert_allclose(got, nearest(images, labels, kernels, "linf"), rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("attack", "norm"), [(jitted, "linf"), (in_turn, "linf"), (in_turn, "l2"), (in_turn, "l1")]
)
def test_more_restarts_never_find_a_larger_change_by_any_key(attack, norm):
    net, images, labels = curved()
    one, four = (sizes(attack, net, images, labels, norm, steps=1, restarts=n) for n in (1, 4))
    assert (four <= one + 1e-7).all() and (four < one - 1e-6).any()
    zero, other = (
        sizes(attack, net, images, labels, norm, steps=1, restarts=4, key=jax.random.key(i)) for i in (0, 1)
    )
    np.testing.assert_array_equal(four, zero)
    assert not np.array_equal(zero, other)


def test_more_steps_and_more_classes_never_find_a_larger_change():
    net, images, labels = curved()
    few, many = (sizes(in_turn, net, images, labels, steps=n) for n in (2, 8))
    assert (many <= few * 1.01).all()  # the last search of three may end a little further out
    assert (many < few * 0.9).any()
    one, nine = (sizes(in_turn, net, images, labels, target_classes=n) for n in (1, 9))
    assert (nine <= one + 1e-7).all() and (nine < one - 1e-6).any()


def test_a_walk_that_is_stuck_leaps():
    """By l2, many images of the robust network are far from any boundary, and its gradients mislead."""
    model, (images, labels) = victim("robust"), victims.photos(16)
    found = jax.jit(lambda: fab(model, images, labels, None, norm="l2", steps=25))()
    assert (size(found - images, "l2") > 0).all()


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
