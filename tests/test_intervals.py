"""The four readings of a weight's interval, and the two memberships."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minmax_jax import Conv, Interval, interval, memberships
from minmax_jax.intervals import MEMBERSHIPS, READINGS, initial_bound

# two output channels: [-4, 0, 1] and [1, 2, 6]
KERNEL = jnp.array([[-4.0, 1.0], [0.0, 2.0], [1.0, 6.0]]).reshape(3, 1, 1, 2)
EXTREMES = Interval(KERNEL - 1.0, KERNEL + 3.0)

weights = hnp.arrays(np.float32, (2, 2, 1, 3), elements=st.floats(-8, 8, width=32), unique=True)


@pytest.mark.parametrize(
    ("reading", "membership", "options", "low", "high"),
    [
        ("layer", "signed", {}, -4, 6),
        ("layer", "magnitude", {}, 0, 6),
        ("filter", "signed", {}, [-4, 1], [1, 6]),
        ("filter", "magnitude", {}, [0, 0], [4, 6]),
        ("fixed", "signed", {"bound": 2.5}, -2.5, 2.5),
        ("fixed", "magnitude", {"bound": 2.5}, 0, 2.5),
        ("trajectory", "signed", {"extremes": EXTREMES}, KERNEL.squeeze() - 1, KERNEL.squeeze() + 3),
        # paths [-5, -1], [0, 4], [-1, 3], [1, 5], [0, 4], [5, 9]
        ("trajectory", "magnitude", {"extremes": EXTREMES}, np.zeros((3, 2)), [[5, 4], [3, 5], [4, 9]]),
    ],
)
def test_intervals_by_hand(reading, membership, options, low, high):
    span = interval(KERNEL, reading, membership, **options)
    np.testing.assert_array_equal(np.squeeze(span.low), low)
    np.testing.assert_array_equal(np.squeeze(span.high), high)


def test_layer_and_signed_are_the_defaults():
    assert [float(np.squeeze(end)) for end in interval(KERNEL)] == [-4, 6]
    np.testing.assert_allclose(memberships(KERNEL, interval(KERNEL))[0, 0, 0], [0, 0.5])


def test_memberships_by_hand():
    signed = memberships(KERNEL, interval(KERNEL, "filter"))
    np.testing.assert_allclose(signed.reshape(3, 2), [[0, 0], [0.8, 0.2], [1, 1]], rtol=1e-6)
    by_size = memberships(KERNEL, interval(KERNEL, "filter", "magnitude"), "magnitude")
    np.testing.assert_allclose(by_size.reshape(3, 2), [[1, 1 / 6], [0, 1 / 3], [0.25, 1]], rtol=1e-6)
    span = Interval(jnp.float32(-1), jnp.float32(3))
    np.testing.assert_array_equal(memberships(jnp.array([-1.0, 1.0, 3.0]), span), [0, 0.5, 1])
    still = interval(KERNEL, "trajectory", extremes=Interval(KERNEL, KERNEL))
    np.testing.assert_array_equal(memberships(KERNEL, still), np.full(KERNEL.shape, 0.5))


@given(weights, st.sampled_from(READINGS), st.sampled_from(MEMBERSHIPS))
@settings(max_examples=40)
def test_memberships_lie_in_zero_one_and_meet_the_ends(kernel, reading, membership):
    assume(np.ptp(kernel, axis=(0, 1, 2)).min() > 1e-3)
    kernel = jnp.asarray(kernel)
    extremes = Interval(kernel - 1.0, kernel + 1.0) if reading == "trajectory" else None
    span = interval(kernel, reading, membership, extremes=extremes)
    mu = np.asarray(memberships(kernel, span, membership))
    assert mu.shape == kernel.shape and mu.min() >= 0 and mu.max() <= 1
    axes = {"layer": None, "filter": (0, 1, 2)}
    if reading in axes:
        assert (mu.max(axes[reading]) == 1).all()
        assert membership == "magnitude" or (mu.min(axes[reading]) == 0).all()


@pytest.mark.parametrize("membership", MEMBERSHIPS)
def test_the_largest_weight_is_at_its_end_despite_rounding(membership):
    kernel = jnp.array([0.0, 1.0, 7.2890625, 3.0] * 4)  # 7.2890625 * (1 / 7.2890625) < 1
    span = interval(kernel, "layer", membership)
    mu, slopes = jax.jit(jax.vmap(jax.value_and_grad(lambda w: memberships(w, span, membership)[0])))(
        kernel[:, None]
    )
    np.testing.assert_array_equal(mu[2::4], np.ones(4))
    np.testing.assert_array_equal(slopes[2::4], np.zeros((4, 1)))


@pytest.mark.parametrize(
    ("membership", "mu", "slopes"),
    [
        # in [-2, 2], of weights -4, 1, 0, 2, 1, 6: zero slope at or beyond an end, else 1/4
        ("signed", [0, 0.75, 0.5, 1, 0.75, 1], [0, 0.25, 0.25, 0, 0.25, 0]),
        # in [0, 2], of their sizes: the low end, zero, is an end as well
        ("magnitude", [1, 0.5, 0, 1, 0.5, 1], [0, 0.5, 0, 0, 0.5, 0]),
    ],
)
def test_a_weight_at_or_beyond_an_end_is_clipped_and_has_no_gradient(membership, mu, slopes):
    span = interval(KERNEL, "fixed", membership, bound=2.0)
    np.testing.assert_allclose(memberships(KERNEL, span, membership).ravel(), mu)
    gradient = jax.grad(lambda k: memberships(k, span, membership).sum())(KERNEL)
    np.testing.assert_array_equal(gradient.ravel(), slopes)


def test_magnitude_rises_away_from_zero_on_both_sides():
    span = interval(KERNEL, "layer", "magnitude")
    slopes = 6 * jax.grad(lambda k: memberships(k, span, "magnitude").sum())(KERNEL)
    np.testing.assert_allclose(slopes.ravel(), [-1, 1, 0, 1, 1, 0], rtol=1e-6)


@pytest.mark.parametrize("reading", ["layer", "filter"])
@pytest.mark.parametrize("membership", MEMBERSHIPS)
def test_the_interval_is_constant_under_differentiation(reading, membership):
    gradient = jax.grad(lambda k: sum(end.sum() for end in interval(k, reading, membership)))(KERNEL)
    np.testing.assert_array_equal(gradient, np.zeros(KERNEL.shape))


def test_jit_and_vmap_agree_with_eager():
    kernels = jnp.stack([KERNEL, 2 * KERNEL, KERNEL - 3.0])
    for reading in ("layer", "filter", "fixed"):

        def of_one(kernel, reading=reading):
            return memberships(kernel, interval(kernel, reading))

        np.testing.assert_allclose(jax.jit(jax.vmap(of_one))(kernels), [*map(of_one, kernels)], rtol=1e-6)
    inside = jax.jit(lambda scale: scale * interval(KERNEL).high)(2.0)  # of a kernel known outside
    np.testing.assert_array_equal(inside.ravel(), [12])


@pytest.mark.parametrize("shape", [(3, 3, 1, 64), (5, 5, 3, 32), (4, 2, 7, 16)])
def test_no_fresh_weight_is_beyond_the_initial_bound(shape):
    *window, cin, cout = shape
    for kind in (Conv, nnx.Conv):
        kernel = kind(cin, cout, tuple(window), rngs=nnx.Rngs(1)).kernel[...]
        assert kernel.shape == shape
        assert np.abs(kernel).max() <= initial_bound(shape) * (1 + 1e-6)


def test_the_initial_bound_by_hand_and_that_it_is_tight():
    # variance 1 / fan_in; a unit normal cut off at two has standard deviation 0.87962566
    assert initial_bound((5, 5, 1, 6)) == pytest.approx(2 / 0.87962566 / 5)
    assert initial_bound((2, 2, 4, 9)) == pytest.approx(2 / 0.87962566 / 4)
    assert initial_bound((7,)) == pytest.approx(2 / 0.87962566)
    sample = nnx.initializers.lecun_normal()(jax.random.key(0), (100, 10, 1, 200))
    bound = initial_bound(sample.shape)
    assert 0.9999 * bound < np.abs(sample).max() <= bound * (1 + 1e-6)
    np.testing.assert_allclose(np.ravel(interval(sample, "fixed").high), bound, rtol=1e-6)
