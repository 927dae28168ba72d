"""Square Attack against torchattacks', on the same trained weights: patterns, and accuracy under attack."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.peers import ATTACKS_NEEDED
from helpers.victims import photos, twin, victim
from minmax_jax.attacks.square import square
from minmax_jax.attacks.squares import pattern, sides

pytestmark = ATTACKS_NEEDED
QUERIES = 200  # for each image; the schedule of squares is stretched to them


def peer(name, eps, seed=0, **options):
    from torchattacks import Square

    return Square(twin(name), eps=eps, n_queries=QUERIES, seed=seed, **options)


def stands(name, norm, eps):
    """Whether each image stands under this package's attack."""
    images, labels = photos()
    attack = jax.jit(partial(square, victim(name), norm=norm, queries=QUERIES))
    return np.asarray(victim(name)(attack(images, labels, jnp.float32(eps))).argmax(-1) == labels)


def stands_there(name, norm, eps, together):
    """Whether each image stands under torchattacks': so many ``together`` in a call, with its own seed."""
    import torch

    images, labels = photos()
    nchw = torch.from_numpy(np.array(images).transpose(0, 3, 1, 2)).split(together)
    truth = torch.from_numpy(np.array(labels)).long().split(together)
    alike = []
    for seed, (x, y) in enumerate(zip(nchw, truth, strict=True)):
        found = peer(name, eps, seed, norm=norm)(x, y)
        with torch.no_grad():
            alike.append(twin(name)(found).argmax(1) == y)
    return torch.cat(alike).numpy()


@pytest.mark.long
@pytest.mark.parametrize("name", ["standard", "robust"])
@pytest.mark.parametrize("eps", [0.1, 0.2, 0.3])
def test_no_more_images_stand_than_under_the_other_square_attack(name, eps):
    """Up to one percentage point, for both draw at random."""
    assert stands(name, "linf", eps).mean() <= stands_there(name, "Linf", eps, 500).mean() + 0.01


@pytest.mark.long
def test_by_l2_no_more_images_stand_than_chance_explains():
    """All images of a call to torchattacks share their squares, so that by l2 its accuracy differs by up to
    four percentage points from seed to seed. So it gets 50 a call here; chance is two standard errors of the
    difference of paired images.
    """
    ours, theirs = stands("standard", "l2", 1.5), stands_there("standard", "L2", 1.5, 50)
    error = np.sqrt((ours != theirs).sum()) / len(ours)
    assert ours.mean() <= theirs.mean() + max(0.01, 2 * error)
    assert 0.1 < ours.mean() < 0.95


@pytest.mark.parametrize("side", [3, 5, 9, 25])
def test_patterns_are_the_same_up_to_a_turn(side):
    import torch

    other = peer("standard", 1.0, norm="L2")
    other.init_hyperparam(torch.zeros(1, 1, 28, 28))
    got = other.eta(side).numpy()
    near = [np.abs(got - expected).max() for expected in (pattern(side, 2), pattern(side, 2).T)]
    assert min(near) < 1e-6 < max(near)


def test_the_schedule_is_the_same():
    other = peer("standard", 0.1)
    shares = np.array([other.p_selection(number) for number in range(QUERIES)])
    expected = np.maximum(np.rint(np.sqrt(shares * 28 * 28)), 1)
    np.testing.assert_array_equal(sides(QUERIES, 0.8, 28, 28), expected)
