"""Bounds of logits and margins: sound, exact where they can be, and the same by a second route."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from certify import dense
from certify.nets import CLASSES, EPS, SHAPE, VARIANTS, around, margins_of, net, photos
from minmax_jax.certify import interval_bounds, margin_bounds
from minmax_jax.models.pixels import OnPixels, Squashed

PURE = ("ibp", "crown-ibp", "crown")


@pytest.mark.parametrize("method", [*PURE[:2], pytest.param("crown", marks=pytest.mark.slow)])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_radius_of_zero_gives_the_logits_and_their_margins(variant, method):
    model, (images, labels) = net(variant), photos()
    for end in interval_bounds(model, images, images):
        np.testing.assert_allclose(end, nnx.jit(lambda m, x: m(x))(model, images), rtol=1e-5, atol=1e-5)
    got = margin_bounds(model, images, labels, 0.0, method)
    np.testing.assert_allclose(got, margins_of(model, images, labels), rtol=1e-4, atol=2e-5)
    np.testing.assert_array_equal(got[jnp.arange(len(labels)), labels], 0)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_ten_thousand_changes_of_an_image_stay_within_all_bounds(variant):
    model, (images, labels), eps = net(variant), photos(), EPS[variant]
    changed = around(images, eps, 10_000 // 3 + 1).reshape(-1, *SHAPE)
    again = np.tile(labels, len(changed) // 3)
    z = np.asarray(nnx.jit(lambda m, x: m(x))(model, jnp.asarray(changed))).reshape(-1, 3, CLASSES)
    low, high = interval_bounds(model, images - eps, images + eps)
    assert (z >= low[None] - 1e-4).all() and (z <= high[None] + 1e-4).all()
    seen = margins_of(model, changed, again).reshape(-1, 3, CLASSES)
    for method in PURE:
        bounds = margin_bounds(model, images, labels, eps, method)
        assert (seen >= bounds[None] - 1e-4).all(), method


@pytest.mark.parametrize(
    ("variant", "method", "relaxation"),
    [(variant, method, "joint") for variant in VARIANTS for method in PURE[:2]]
    + [pytest.param(variant, "crown", "joint", marks=pytest.mark.slow) for variant in VARIANTS]
    + [("modern", "crown-ibp", "separate")],
)
def test_dense_matrices_in_float64_give_the_same(variant, method, relaxation):
    model, (images, labels) = net(variant), photos()
    for eps in (EPS[variant], 0.2):
        got = margin_bounds(model, images, labels, eps, method, relaxation=relaxation)
        for i in range(2):
            expected = dense.margin_bounds(model, images[i], int(labels[i]), eps, method, relaxation)
            scale = np.abs(expected).max()
            np.testing.assert_allclose(got[i], expected, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_larger_radius_never_gives_a_larger_bound_by_intervals(variant):
    model, (images, labels) = net(variant), photos()
    traces = []

    @jax.jit
    def bound(eps):  # may be traced, and its change compiles nothing anew
        traces.append(1)
        return margin_bounds(model, images, labels, eps)

    bounds = [bound(eps) for eps in (0.0, 0.01, 0.03, 0.1, 0.4)]
    assert len(traces) == 1
    np.testing.assert_allclose(bounds[2], margin_bounds(model, images, labels, 0.03), rtol=1e-4, atol=1e-5)
    for small, large in pairwise(bounds):
        assert (large <= small + 1e-4).all()
    own = jax.nn.one_hot(labels, CLASSES, dtype=bool)
    assert (bounds[1] < bounds[0] - 1e-3)[~own].all()


@pytest.mark.slow
def test_combined_is_the_largest_and_so_never_below_intervals():
    model, (images, labels) = net(), photos()
    each = [np.asarray(margin_bounds(model, images, labels, EPS["modern"], method)) for method in PURE]
    combined = margin_bounds(model, images, labels, EPS["modern"], "combined")
    np.testing.assert_allclose(combined, np.max(each, 0), rtol=1e-5, atol=1e-5)
    assert (each[1] > each[0] + 0.1).any()  # CROWN has something to add
    assert (each[2] > each[1] + 0.1).any()


def test_the_last_layers_differences_are_taken_before_bounding():
    """Elision: not below the difference of the bounds of the logits, and above it somewhere."""
    model, (images, labels) = net(), photos()
    low, high = interval_bounds(model, images - EPS["modern"], images + EPS["modern"])
    apart = np.take_along_axis(np.asarray(low), np.asarray(labels)[:, None], 1) - high
    together = margin_bounds(model, images, labels, EPS["modern"], "ibp")
    assert (together >= apart - 1e-4).all() and (together > apart + 0.1).any()


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_gradient_in_the_weights_is_that_of_the_bound(variant):
    model, (images, labels), eps = net(variant), photos(), EPS[variant]
    definition, weights = nnx.split(model)

    @jax.jit
    def total(parameters):
        return margin_bounds(nnx.merge(definition, parameters), images, labels, eps, "ibp").mean()

    gradient = jax.jit(jax.grad(total))(weights)
    rng = np.random.default_rng(1)
    direction = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype), weights)
    slope = sum(jax.tree.leaves(jax.tree.map(lambda a, b: (a * b).sum(), gradient, direction)))
    step = 2e-4

    def at(t):
        return float(total(jax.tree.map(lambda a, b: a + t * b, weights, direction)))

    assert (at(step) - at(-step)) / (2 * step) == pytest.approx(float(slope), rel=0.03)


@pytest.mark.slow
def test_crown_can_be_trained_too():
    model, (images, labels) = net(), photos()

    def total(parameters):
        return margin_bounds(
            nnx.merge(definition, parameters), images, labels, EPS["modern"], "crown-ibp"
        ).mean()

    definition, weights = nnx.split(model)
    gradients = jax.tree.leaves(jax.jit(jax.grad(total))(weights))
    assert all(jnp.isfinite(leaf).all() for leaf in gradients)
    assert all((leaf != 0).any() for leaf in gradients[1::2])  # of every kernel


@pytest.mark.parametrize("variant", VARIANTS)
def test_squashed_pixels_are_bounded_by_their_own_ends(variant):
    """A steep sigmoid leaves pixels away from its threshold almost where they are."""
    model, (images, labels) = OnPixels(net(variant), Squashed(20.0, 0.5)), photos()
    low, high = interval_bounds(model, images - 0.1, images + 0.1)
    squashed = [1 / (1 + np.exp(-20 * (np.clip(images + r, 0, 1) - 0.5))) for r in (-0.1, 0.1)]
    for got, expected in zip((low, high), interval_bounds(net(variant), *squashed), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    changed = around(images, 0.1, 300).reshape(-1, *SHAPE)
    seen = margins_of(model, changed, np.tile(labels, 300)).reshape(-1, 3, CLASSES)
    for method in PURE[:2]:
        bounds = margin_bounds(model, images, labels, 0.1, method)
        assert (seen >= bounds[None] - 1e-4).all(), method
    np.testing.assert_allclose(
        margin_bounds(model, images, labels, 0.0), margins_of(model, images, labels), rtol=1e-4, atol=2e-5
    )
