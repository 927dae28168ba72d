"""AutoAttack: four attacks, each on the images that withstood those before."""

from functools import partial
from importlib import import_module
from inspect import signature

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.attacked import broken, curved, right
from helpers.linear import SHAPE
from minmax_jax.attacks.apgd import apgd, apgd_targeted
from minmax_jax.attacks.autoattack import autoattack, standard
from minmax_jax.attacks.ball import per_image
from minmax_jax.attacks.fab import fab_targeted
from minmax_jax.attacks.square import square

WEIGHTS = np.random.default_rng(5).normal(size=(*SHAPE, 4)).astype(np.float32)
WEIGHTS -= WEIGHTS.mean((0, 1, 2), keepdims=True)  # so that no class leads everywhere

attack = jax.jit(autoattack, static_argnames=("model", "norm"))


def four(images):
    """A linear model of four classes."""
    return jnp.einsum("nhwc,hwck->nk", images, WEIGHTS)


def worst_margins(images, labels, eps):
    """The least margin over another class that a change of at most eps a pixel leaves, in the box."""
    x, w = np.asarray(images, np.float64), np.float64(WEIGHTS)
    low, high = np.maximum(x - eps, 0), np.minimum(x + eps, 1)
    least = []
    for i, y in enumerate(np.asarray(labels)):
        gaps = [w[..., y] - w[..., k] for k in range(4) if k != y]
        least.append(min(np.where(gap > 0, low[i], high[i]).ravel() @ gap.ravel() for gap in gaps))
    return np.asarray(least)


@pytest.mark.slow
def test_it_breaks_just_what_can_be_broken_of_a_linear_model():
    images, labels = right(four, n=24)
    for eps in (0.0, 0.03, 0.06, 1.0):
        got = attack(four, images, labels, eps)
        found = broken(four, got, labels)
        np.testing.assert_array_equal(found, worst_margins(images, labels, eps) < 0)
        assert found.any() == (eps > 0)
        np.testing.assert_array_equal(got[~found], images[~found])


@pytest.mark.slow
def test_it_breaks_what_any_of_its_attacks_breaks():
    net, images, labels = curved()
    key = jax.random.key(3)
    together = broken(net, attack(net, images, labels, 0.03, key=key), labels)
    for one, own in zip(standard("linf"), jax.random.split(key, 4), strict=True):
        attacked = jax.jit(partial(one, net, norm="linf"))(images, labels, 0.03, key=own)
        assert (together >= broken(net, attacked, labels)).all()


def test_each_attack_meets_broken_images_as_they_are_broken(monkeypatch):
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
    spoiled = images.at[:, 0, 0, 1].set(0.75).at[:, 0, 0, 3].set(0.25)
    for seen, gone in zip([*met, got], ([], [2], [2, 0], [2, 0, 1], [2, 0, 1]), strict=True):
        np.testing.assert_array_equal(seen, images.at[np.array(gone, int)].set(spoiled[np.array(gone, int)]))


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
