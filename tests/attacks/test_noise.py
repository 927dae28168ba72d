"""Random noise: the worst of its tries, on the surface of the ball, and no stronger than chance."""

import jax
import numpy as np
import pytest

from helpers.attacked import right
from helpers.linear import linear_model, margins
from minmax_jax.attacks import noise
from minmax_jax.attacks.ball import size

LINEAR, W = linear_model()
jitted = jax.jit(noise, static_argnames=("model", "norm", "tries"))


def test_it_is_the_worst_of_its_tries():
    """On a linear model random signs move the margin by eps <w, signs>; the worst of many counts."""
    images, labels = right(LINEAR, 0.4, 0.6, n=40)
    eps = 0.01
    one, many = (jitted(LINEAR, images, labels, eps, tries=tries) for tries in (1, 200))
    drops = [(margins(images, labels, W) - margins(x, labels, W)) / eps for x in (one, many)]
    assert (drops[1] >= drops[0] - 1e-3).all()
    assert drops[1].mean() > 2 * np.linalg.norm(W)  # the largest of 200 normal numbers is near 2.7
    assert (drops[1] < np.abs(W).sum()).all()
    moved = np.abs(np.asarray(many - images))[drops[1] > 0]
    np.testing.assert_allclose(moved, eps, atol=1e-6)  # signs: every pixel goes to an end


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_its_points_are_on_the_surface_of_the_ball(norm):
    images, labels = right(LINEAR, 0.4, 0.6)
    got = jitted(LINEAR, images, labels, 0.05, norm=norm, tries=20)
    np.testing.assert_allclose(size(got - images, norm), 0.05, rtol=1e-4)
