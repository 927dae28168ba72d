"""The ball of an attack, the direction that it climbs, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from linear import batch, linear_model, margins
from minmax_jax.attacks.ball import ascent, checked, losses, project
from refusal import refuses

shape = (2, 2, 2, 1)
# the CPU backend flushes subnormal numbers to zero
anywhere = hnp.arrays(np.float32, shape, elements=st.floats(-2, 3, width=32, allow_subnormal=False))
inside = hnp.arrays(np.float32, shape, elements=st.floats(0, 1, width=32, allow_subnormal=False))
radius = st.floats(0, 1, width=32)


@given(anywhere, inside, radius)
@settings(max_examples=50)
def test_projected_images_are_the_nearest_in_the_ball_and_in_the_box(images, centre, eps):
    got = np.asarray(project(jnp.asarray(images), jnp.asarray(centre), eps))
    low, high = (np.clip(np.float64(centre) + side * eps, 0, 1) for side in (-1, 1))
    nearest = np.minimum(np.maximum(np.float64(images), low), high)
    np.testing.assert_allclose(got, nearest, atol=1e-6)
    assert got.min() >= 0
    assert got.max() <= 1
    again = project(jnp.asarray(got), jnp.asarray(centre), eps)
    np.testing.assert_array_equal(again, got)


@given(inside, radius)
@settings(max_examples=20)
def test_the_centre_is_its_own_projection(centre, eps):
    centre = jnp.asarray(centre)
    np.testing.assert_array_equal(project(centre, centre, eps), centre)


def test_losses_are_the_cross_entropy_of_each_image():
    model, w = linear_model()
    images, labels = batch(0, 1)
    expected = np.log1p(np.exp(-margins(images, labels, w)))
    np.testing.assert_allclose(losses(model, images, labels), expected, rtol=1e-4)


def test_the_ascent_is_the_sign_of_the_gradient_of_each_images_own_loss():
    model, w = linear_model()
    images, labels = batch(0, 1)
    towards_other = np.where(np.asarray(labels)[:, None, None, None] == 1, -1, 1) * np.sign(w)
    np.testing.assert_array_equal(ascent(model, images, labels), towards_other)


def test_the_ascent_is_zero_where_the_loss_does_not_depend_on_a_pixel():
    def model(images):
        return images[:, 0, 0]

    images, labels = batch(0.2, 0.8, n=2)
    direction = np.asarray(ascent(model, images, labels))
    assert (np.abs(direction[:, 0, 0]) == 1).all()
    assert (direction[:, 1:] == 0).all()
    assert (direction[:, :, 1:] == 0).all()


IMAGES, LABELS = jnp.full((2, 3, 3, 1), 0.5), jnp.zeros(2, jnp.int32)


def test_images_labels_and_eps_in_range_are_accepted_ends_included():
    for eps in (0, 0.0, 0.3, 1, np.float32(1), jnp.float32(0.5)):
        checked(jnp.zeros((2, 3, 3, 1)), LABELS, eps)
        checked(jnp.ones((2, 3, 3, 1)), LABELS, eps)


@pytest.mark.parametrize("pixel", [-1e-6, 1.00001, 255.0, np.nan, np.inf])
def test_images_outside_zero_one_are_refused(pixel):
    with refuses("images hold values outside [0, 1] or NaN", "it takes images in [0, 1]"):
        checked(IMAGES.at[1, 2, 2, 0].set(pixel), LABELS, 0.1)


@pytest.mark.parametrize("eps", [-0.01, 1.01, 8.0, np.nan, np.inf])
def test_eps_outside_zero_one_is_refused_also_under_jit(eps):
    with refuses("eps is", eps, "[0, 1]"):
        checked(IMAGES, LABELS, eps)
    with refuses("eps is", eps, "[0, 1]"):
        jax.jit(lambda x: checked(x, LABELS, eps))(IMAGES)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (IMAGES[0], LABELS),
        (IMAGES[..., 0], LABELS),
        (IMAGES[None], LABELS),
        (IMAGES, LABELS[:1]),
        (IMAGES, LABELS[:, None]),
        (IMAGES, jnp.int32(0)),
    ],
)
def test_shapes_that_do_not_match_are_refused(images, labels):
    with refuses(f"images have shape {images.shape}", f"labels {labels.shape}", "(n, h, w, c)"):
        checked(images, labels, 0.1)


def test_numpy_images_and_labels_are_handed_on_as_jax_arrays():
    images, labels = np.asarray(IMAGES), np.asarray(LABELS)
    got = checked(images, labels, 0.1)
    assert all(isinstance(array, jax.Array) for array in got)
    np.testing.assert_array_equal(got[0], images)
    np.testing.assert_array_equal(got[1], labels)
