"""What is kept to look at, compared with the package's own attack."""

from functools import cache

import jax
import numpy as np
import pytest

import minmax_jax as mm
from helpers.small import digits, run
from minmax_jax.study.experiments.example import DIMENSIONS, LEVELS, NOTES, SHARED, specimen

RADII = (0.05, 0.3)


@cache
def images():
    """Test images, the first of which is classified as labelled, so that there is something to attack."""
    test = digits().test
    right = np.asarray(run().model(test.images).argmax(1) == test.labels)
    return test[int(right.argmax()) :]


@pytest.fixture(scope="module")
def found():
    return specimen(run().model, images(), RADII, seed=4)


def test_everything_is_there_and_shaped_as_said(found):
    sizes = {"row": 5, "column": 5, "filter": 6, "eps": 2, "height": 28, "width": 28}
    dims = DIMENSIONS | SHARED
    assert set(found) == set(dims) == set(NOTES)
    for name, axes in dims.items():
        assert found[name].shape == tuple(sizes[axis] for axis in axes), name


def test_the_attack_is_pgd_on_the_first_image(found):
    one = images()[:1]
    for i, eps in enumerate(RADII):
        moved = mm.attacks.pgd(run().model, one.images, one.labels, eps, key=jax.random.key(4))
        seen = found["image"].astype(float) + found["perturbation"][i]
        np.testing.assert_allclose(seen / LEVELS, moved[0, ..., 0], atol=1 / LEVELS)
        assert 0 < np.abs(found["perturbation"][i]).max() <= eps * LEVELS + 1
        assert found["answer"][i] == run().model(moved).argmax()
    assert found["label"] == one.labels[0]


def test_filters_are_the_weights(found):
    np.testing.assert_array_equal(found["filters"], run().model.conv1.kernel[:, :, 0])
