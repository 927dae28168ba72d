"""The smallest change onto a hyperplane inside the box, and the faces of a class's region."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.faces import least_change, linear_classes
from helpers.filled import filled
from helpers.linear import Curved, batch
from minmax_jax.attacks.ball import NORMS, size
from minmax_jax.attacks.hyperplane import differences, distance, nearest_face, other_classes, smallest_change

NET = filled(Curved)
change = jax.jit(smallest_change, static_argnames="norm")


def problem(seed, n=6, shape=(3, 4, 2), reach=0.9):
    """Points, some pixels of them at an end of the box, normals, and rises of a share of what it allows."""
    rng = np.random.default_rng(seed)
    points = np.clip(rng.uniform(-0.3, 1.3, (n, *shape)), 0, 1).astype(np.float32)
    normals = (rng.normal(size=points.shape) * (rng.random(points.shape) < 0.9)).astype(np.float32)
    sign = rng.choice([-1, 1], n)
    room = np.where(normals * sign[:, None, None, None] > 0, 1 - points, points)
    most = (np.abs(normals) * room).sum((1, 2, 3))
    return points, normals, (sign * most * rng.uniform(0, reach, n)).astype(np.float32)


@pytest.mark.parametrize("norm", NORMS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_the_change_is_the_smallest_onto_the_hyperplane_in_the_box(norm, seed):
    points, normals, rises = problem(seed)
    got = np.float64(change(points, normals, rises, norm))
    np.testing.assert_allclose((got * normals).sum((1, 2, 3)), rises, rtol=1e-4, atol=1e-5)
    assert (points + got).min() >= -1e-6 and (points + got).max() <= 1 + 1e-6
    least = [least_change(*one, norm) for one in zip(points, normals, rises, strict=True)]
    np.testing.assert_allclose(size(jnp.asarray(got), norm), least, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("reach", [0.05, 0.999])
def test_at_the_size_of_a_digit_none_is_smaller_either(norm, reach):
    points, normals, rises = problem(3, n=3, shape=(28, 28, 1), reach=reach)
    got = change(points, normals, rises, norm)
    least = [least_change(*one, norm) for one in zip(points, normals, rises, strict=True)]
    np.testing.assert_allclose(size(got, norm), least, rtol=1e-4)
    np.testing.assert_allclose((np.float64(got) * normals).sum((1, 2, 3)), rises, rtol=1e-4)


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        ("linf", [0.25, -0.25, 0.1, 0]),  # the third has no more room
        ("l2", [0.25, -0.25, 0.1, 0]),
        ("l1", [0.15, -0.35, 0.1, 0]),  # the third first, then two equal ones by their room
    ],
)
def test_changes_computed_by_hand(norm, expected):
    """Slopes 1, -1 and 3: 0.3 from the third pixel's room of 0.1, the rest of 0.5 from the other two."""
    points = jnp.array([0.7, 0.7, 0.9, 0.2]).reshape(1, 2, 2, 1)
    normal = jnp.array([1.0, -1.0, 3.0, 0.0]).reshape(1, 2, 2, 1)
    got = change(points, normal, jnp.array([0.8]), norm)
    np.testing.assert_allclose(got.ravel(), expected, atol=1e-6)
    back = change(1 - points, normal, jnp.array([-0.8]), norm)  # the same, mirrored
    np.testing.assert_allclose(back, -got, atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_where_the_box_ends_first_every_pixel_goes_to_its_end(norm):
    points, normals, rises = problem(5)
    got = change(points, normals, jnp.sign(rises) * 1e3, norm)
    toward = np.sign(rises)[:, None, None, None] * normals
    expected = np.where(toward > 0, 1 - points, np.where(toward < 0, -points, 0))
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1e-24, 1e12])
def test_the_scale_of_the_normal_does_not_matter(norm, scale):
    points, normals, rises = problem(6)
    got = change(points, normals * np.float32(scale), rises * np.float32(scale), norm)
    np.testing.assert_allclose(got, change(points, normals, rises, norm), atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_nothing_moves_without_a_slope_a_rise_or_a_number(norm):
    points, normals, rises = (jnp.asarray(part) for part in problem(7))
    zero = jnp.zeros_like(points)
    np.testing.assert_array_equal(change(points, 0 * normals, rises, norm), zero)
    np.testing.assert_array_equal(change(points, normals, 0 * rises, norm), zero)
    np.testing.assert_array_equal(change(points, jnp.nan * normals, rises, norm), zero)
    np.testing.assert_array_equal(change(points, normals, jnp.nan * rises, norm), zero)
    some = normals.at[:, 0].set(jnp.nan)
    got = change(points, some, rises, norm)
    np.testing.assert_array_equal(got, change(points, normals.at[:, 0].set(0), rises, norm))


@pytest.mark.parametrize(("norm", "expected"), [("linf", 6 / 7), ("l2", 6 / 5), ("l1", 6 / 4)])
def test_distances_are_values_over_gradients_in_the_dual_norm(norm, expected):
    gradient = jnp.array([3.0, -4.0, 0.0, 0.0]).reshape(1, 2, 2, 1)
    np.testing.assert_allclose(distance(jnp.array([-6.0]), gradient, norm), [expected], rtol=1e-6)


def test_other_classes_come_by_their_logits_without_the_label():
    logits = jnp.array([[3.0, 5.0, 1.0, 4.0], [0.0, 1.0, 2.0, 3.0]])
    got = other_classes(logits, jnp.array([1, 0]), 3)
    np.testing.assert_array_equal(got, [[3, 0, 2], [3, 2, 1]])
    np.testing.assert_array_equal(other_classes(logits, jnp.array([1, 0]), 1), [[3], [3]])


@pytest.mark.parametrize("norm", NORMS)
def test_the_nearest_face_of_a_linear_model_is_known(norm):
    model, kernels = linear_classes()
    images, _ = batch(0, 1)
    labels = model(images).argmax(-1)
    others = other_classes(model(images), labels, 4)
    values, gradients = nearest_face(model, images, lambda z: differences(z, labels, others), norm)
    order = {"linf": 1, "l2": 2, "l1": np.inf}[norm]
    for i, (x, label) in enumerate(zip(np.asarray(images), np.asarray(labels), strict=True)):
        normals = np.delete(kernels - kernels[label], label, axis=0).reshape(4, -1)
        gaps = normals @ (x.ravel() - 0.5)
        best = np.argmin(np.abs(gaps) / np.linalg.norm(normals, order, axis=1))
        np.testing.assert_allclose(values[i], gaps[best], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(np.ravel(gradients[i]), normals[best], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("copies", [1, 2])
def test_a_face_is_a_function_of_the_logits_and_its_gradient(copies):
    images, _ = batch(0, 1, shape=(5, 5, 1))

    def face(logits):
        return logits[:, 2] * logits[:, 0]

    @jax.jit
    def got_and_expected(images):
        got = nearest_face(NET, images, lambda logits: jnp.stack([face(logits)] * copies))
        return got, (face(NET(images)), jax.grad(lambda x: face(NET(x)).sum())(images))

    for got, expected in zip(*got_and_expected(images), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
