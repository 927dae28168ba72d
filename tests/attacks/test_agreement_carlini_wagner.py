"""Carlini and Wagner's attack against foolbox's and ART's, on the same weights: sizes of the changes."""

import os
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.peers import ATTACKS_NEEDED
from helpers.victims import photos, twin, victim
from minmax_jax.attacks.ball import size
from minmax_jax.attacks.carlini_wagner import carlini_wagner

pytestmark = ATTACKS_NEEDED
NAME = "standard"
IMAGES = 150 if os.environ.get("MINMAX_JAX_LONG_TESTS") else 60
STEPS, CONSTANTS, RATE, FIRST = 100, 5, 0.05, 1.0


def distances(images, found):
    """Size of each change, infinite where it is not adversarial."""
    _, labels = photos(len(images))
    reached = victim(NAME)(found).argmax(-1) != labels
    return np.where(reached, size(found - images, "l2"), np.inf)


@cache
def ours():
    images, labels = photos(IMAGES)
    options = {"steps": STEPS, "binary_search_steps": CONSTANTS}
    rates = {"learning_rate": RATE, "initial_constant": FIRST}
    attack = jax.jit(partial(carlini_wagner, victim(NAME), **options, **rates))
    return distances(images, attack(images, labels))


@cache
def foolboxs():
    import foolbox
    import torch

    images, labels = photos(IMAGES)
    attack = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=CONSTANTS, steps=STEPS, stepsize=RATE, initial_const=FIRST
    )
    nchw = torch.from_numpy(np.array(images).transpose(0, 3, 1, 2))
    criterion = foolbox.criteria.Misclassification(torch.from_numpy(np.array(labels)).long())
    found = attack.run(foolbox.PyTorchModel(twin(NAME), bounds=(0, 1)), nchw, criterion)
    return distances(images, jnp.asarray(found.numpy().transpose(0, 2, 3, 1)))


def test_changes_are_as_small_as_foolboxs_with_the_same_settings():
    assert np.isfinite(ours()).all()
    assert np.median(ours()) <= 1.02 * np.median(foolboxs())
    assert np.median(ours() / foolboxs()) <= 1.02


@pytest.mark.parametrize("eps", [0.5, 1.0, 1.5])
def test_no_more_images_stand_within_a_radius_than_under_foolboxs(eps):
    assert np.mean(ours() > eps) <= np.mean(foolboxs() > eps) + 0.01


@pytest.mark.long
def test_changes_are_as_small_as_those_of_art():
    from art.attacks.evasion import CarliniL2Method
    from art.estimators.classification import PyTorchClassifier

    n = 30
    images, labels = photos(n)
    classifier = PyTorchClassifier(twin(NAME), None, (1, 28, 28), 10, clip_values=(0, 1), device_type="cpu")
    attack = CarliniL2Method(
        classifier,
        learning_rate=RATE,
        binary_search_steps=CONSTANTS,
        max_iter=30,
        initial_const=FIRST,
        batch_size=n,
        verbose=False,
    )
    found = attack.generate(np.array(images).transpose(0, 3, 1, 2), np.eye(10)[np.asarray(labels)])
    theirs = distances(images, jnp.asarray(found.transpose(0, 2, 3, 1)))
    assert np.median(ours()[:n]) <= 1.02 * np.median(theirs)
