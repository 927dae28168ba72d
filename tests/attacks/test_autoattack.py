"""AutoAttack: four attacks, each on what the ones before left standing."""

from functools import partial
from importlib import import_module
from inspect import signature

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.filled import filled
from helpers.linear import SHAPE, Curved, batch
from helpers.refusal import refuses
from minmax_jax.attacks.apgd import apgd, apgd_targeted
from minmax_jax.attacks.autoattack import autoattack, standard
from minmax_jax.attacks.ball import NORMS, per_image, size
from minmax_jax.attacks.fab import fab_targeted
from minmax_jax.attacks.square import square

WEIGHTS = np.random.default_rng(5).normal(size=(*SHAPE, 4)).astype(np.float32)
WEIGHTS -= WEIGHTS.mean((0, 1, 2), keepdims=True)  # so that no class leads everywhere

attack = jax.jit(autoattack, static_argnames=("model", "norm"))


def four(images):
    """A linear model of four classes."""
    return jnp.einsum("nhwc,hwck->nk", images, WEIGHTS)


@pytest.fixture(scope="module")
def net():
    return filled(Curved)


@pytest.fixture(scope="module")
def photos(net):
    """Images that the curved model classifies as labelled, but for the last."""
    images, _ = batch(0, 1, n=16, shape=(5, 5, 1))
    labels = net(images).argmax(-1)
    return images, labels.at[-1].set((labels[-1] + 1) % 4)


def worst_margins(images, labels, eps):
    """The least margin over another class that a change of at most eps a pixel leaves, in the box."""
    x, w = np.asarray(images, np.float64), np.float64(WEIGHTS)
    low, high = np.maximum(x - eps, 0), np.minimum(x + eps, 1)
    least = []
    for i, y in enumerate(np.asarray(labels)):
        gaps = [w[..., y] - w[..., k] for k in range(4) if k != y]
        least.append(min(np.where(gap > 0, low[i], high[i]).ravel() @ gap.ravel() for gap in gaps))
    return np.asarray(least)


@pytest.mark.parametrize("eps", [0.0, 0.03, 0.06, 1.0])
def test_it_breaks_all_that_can_be_broken_of_a_linear_model_and_nothing_else(eps):
    images, _ = batch(0, 1, n=24)
    labels = four(images).argmax(-1)
    got = attack(four, images, labels, eps)
    broken = np.asarray(four(got).argmax(-1) != labels)
    np.testing.assert_array_equal(broken, worst_margins(images, labels, eps) < 0)
    assert broken.any() == (eps > 0)
    np.testing.assert_array_equal(got[~broken], images[~broken])


@pytest.mark.parametrize("norm", NORMS)
def test_the_result_is_in_the_ball_and_in_zero_one_and_as_it_was_where_nothing_is_found(net, photos, norm):
    images, labels = photos
    eps = {"linf": 0.03, "l2": 0.1, "l1": 0.3}[norm]
    got = attack(net, images, labels, eps, norm=norm)
    assert got.min() >= 0
    assert got.max() <= 1
    assert (size(got - images, norm) <= eps + 1e-5).all()
    broken = net(got).argmax(-1) != labels
    np.testing.assert_array_equal(got[~broken], images[~broken])
    np.testing.assert_array_equal(got[-1], images[-1])  # misclassified from the start
    assert 1 < broken.sum() < 16


def test_it_breaks_what_any_of_its_attacks_breaks(net, photos):
    images, labels = photos
    key = jax.random.key(3)
    together = net(attack(net, images, labels, 0.03, key=key)).argmax(-1) != labels
    for one, own in zip(standard("linf"), jax.random.split(key, 4), strict=True):
        attacked = jax.jit(partial(one, net, norm="linf"))(images, labels, 0.03, key=own)
        alone = net(attacked).argmax(-1) != labels
        assert (together >= alone).all()


def test_the_same_key_gives_the_same_result(net, photos):
    images, labels = photos
    none, zero, one = (
        attack(net, images, labels, 0.03, key=k) for k in (None, jax.random.key(0), jax.random.key(1))
    )
    np.testing.assert_array_equal(none, zero)
    assert not np.array_equal(zero, one)


def test_each_attack_meets_the_images_that_stand_and_the_broken_ones_as_they_are_broken(monkeypatch):
    """Attacks that break one image each, in turn, and spoil all others."""
    images = jnp.full((4, 1, 1, 4), 0.5).at[:, 0, 0, 0].set(0.6)
    labels = jnp.zeros(4, jnp.int32)
    met = []

    def breaker(i):
        def breaks(model, images, labels, eps, *, norm, key):
            met.append(images)
            change = jnp.zeros(images.shape).at[:, 0, 0, 3].set(-eps).at[i, 0, 0, 1].set(eps)
            return images + jnp.where(per_image(model(images).argmax(-1) == labels), change, 0)

        return breaks

    module = import_module("minmax_jax.attacks.autoattack")  # the package's name is the function
    monkeypatch.setattr(module, "standard", lambda norm: tuple(map(breaker, (2, 0, 1, 1))))
    got = autoattack(lambda x: x[:, 0, 0, :], images, labels, 0.25)
    broken = images.at[:, 0, 0, 1].set(0.75).at[:, 0, 0, 3].set(0.25)
    for seen, gone in zip([*met, got], ([], [2], [2, 0], [2, 0, 1], [2, 0, 1]), strict=True):
        np.testing.assert_array_equal(seen, images.at[np.array(gone, int)].set(broken[np.array(gone, int)]))


def test_the_standard_settings():
    dense, sparse = standard("linf"), standard("l1")
    assert [attack.func for attack in dense[:2]] == [apgd, apgd_targeted]
    assert [attack.keywords for attack in dense[:2]] == [{"loss": "ce", "restarts": 1}, {"target_classes": 9}]
    assert [attack.keywords for attack in sparse[:2]] == [
        {"loss": "ce", "restarts": 5},
        {"target_classes": 5},
    ]
    assert [attack.func for attack in sparse[:2]] == [apgd, apgd_targeted]
    for chain in (dense, sparse, standard("l2")):
        assert len(chain) == 4 and chain[2] is fab_targeted and chain[3].func is square
        assert chain[3].keywords == {"queries": 5000, "stretched": False}
    assert [attack.keywords for attack in standard("l2")[:2]] == [attack.keywords for attack in dense[:2]]
    for one in (apgd, apgd_targeted, fab_targeted):
        defaults = {name: field.default for name, field in signature(one).parameters.items()}
        assert defaults["steps"] == 100 and defaults["restarts"] == 1
    assert signature(fab_targeted).parameters["target_classes"].default == 9
    assert signature(square).parameters["restarts"].default == 1


@pytest.mark.parametrize("classes", [2, 3])
def test_too_few_classes_for_the_targeted_dlr_are_refused(classes):
    images, labels = batch(0, 1)
    with refuses(f"model has {classes} classes", "at least 4", "targeted DLR"):
        autoattack(lambda x: four(x)[:, :classes], images, labels, 0.1)


def test_bad_images_and_radii_are_refused():
    images, labels = batch(0, 1)
    with refuses("images hold values outside [0, 1]"):
        autoattack(four, images + 1, labels, 0.1)
    with refuses("eps is -0.1", "[0, 1]"):
        autoattack(four, images, labels, -0.1)
    with refuses("labels hold", "0 to 3"):
        autoattack(four, images, labels + 3, 0.1)
