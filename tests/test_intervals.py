"""The four readings of a weight's interval, and the two memberships."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.refusal import refuses
from minmax_jax import Conv, Interval, interval, memberships
from minmax_jax.intervals import MEMBERSHIPS, READINGS, initial_bound

# two output channels: [-4, 0, 1] and [1, 2, 6]
KERNEL = jnp.array([[-4.0, 1.0], [0.0, 2.0], [1.0, 6.0]]).reshape(3, 1, 1, 2)
EXTREMES = Interval(KERNEL - 1.0, KERNEL + 3.0)

weights = hnp.arrays(np.float32, (2, 2, 1, 3), elements=st.floats(-8, 8, width=32), unique=True)


def ends(span):
    return [np.asarray(end).squeeze().tolist() for end in span]


@pytest.mark.parametrize(
    ("reading", "membership", "low", "high"),
    [
        ("layer", "signed", -4, 6),
        ("layer", "magnitude", 0, 6),
        ("filter", "signed", [-4, 1], [1, 6]),
        ("filter", "magnitude", [0, 0], [4, 6]),
    ],
)
def test_the_interval_of_a_layer_and_of_a_filter_by_hand(reading, membership, low, high):
    assert ends(interval(KERNEL, reading, membership)) == [low, high]


def test_the_fixed_interval_is_the_bound_or_the_initialisers_support():
    assert ends(interval(KERNEL, "fixed", bound=2.5)) == [-2.5, 2.5]
    assert ends(interval(KERNEL, "fixed", "magnitude", bound=2.5)) == [0, 2.5]
    c = initial_bound((3, 1, 1, 2))
    np.testing.assert_allclose(ends(interval(KERNEL, "fixed")), [-c, c], rtol=1e-6)


def test_the_trajectory_interval_is_each_weights_own():
    low, high = interval(KERNEL, "trajectory", extremes=EXTREMES)
    np.testing.assert_array_equal(low, KERNEL - 1.0)
    np.testing.assert_array_equal(high, KERNEL + 3.0)
    low, high = interval(KERNEL, "trajectory", "magnitude", extremes=EXTREMES)
    np.testing.assert_array_equal(low, np.zeros(KERNEL.shape))
    # paths [-5, -1], [0, 4], [-1, 3], [1, 5], [0, 4], [5, 9]
    np.testing.assert_array_equal(high.ravel(), [5, 4, 3, 5, 4, 9])


def test_layer_signed_is_the_reading_unless_told():
    assert ends(interval(KERNEL)) == [-4, 6]
    np.testing.assert_allclose(memberships(KERNEL, interval(KERNEL))[0, 0, 0], [0, 0.5])


def test_memberships_by_hand():
    signed = memberships(KERNEL, interval(KERNEL, "filter"))
    np.testing.assert_allclose(signed.reshape(3, 2), [[0, 0], [0.8, 0.2], [1, 1]], rtol=1e-6)
    span = interval(KERNEL, "filter", "magnitude")
    by_size = memberships(KERNEL, span, "magnitude")
    np.testing.assert_allclose(by_size.reshape(3, 2), [[1, 1 / 6], [0, 1 / 3], [0.25, 1]], rtol=1e-6)


def test_membership_is_zero_at_the_low_end_one_at_the_high_end_and_a_half_between():
    span = Interval(jnp.float32(-1), jnp.float32(3))
    np.testing.assert_array_equal(memberships(jnp.array([-1.0, 1.0, 3.0]), span), [0, 0.5, 1])


@given(weights, st.sampled_from(READINGS), st.sampled_from(MEMBERSHIPS))
@settings(max_examples=40)
def test_memberships_lie_in_zero_one_and_meet_the_ends(kernel, reading, membership):
    assume(np.ptp(kernel, axis=(0, 1, 2)).min() > 1e-3)
    kernel = jnp.asarray(kernel)
    extremes = Interval(kernel - 1.0, kernel + 1.0) if reading == "trajectory" else None
    span = interval(kernel, reading, membership, extremes=extremes)
    mu = np.asarray(memberships(kernel, span, membership))
    assert mu.shape == kernel.shape
    assert mu.min() >= 0
    assert mu.max() <= 1
    axes = {"layer": None, "filter": (0, 1, 2)}
    if reading in axes:
        assert (mu.max(axes[reading]) == 1).all()
        if membership == "signed":
            assert (mu.min(axes[reading]) == 0).all()


@pytest.mark.parametrize("membership", MEMBERSHIPS)
def test_the_largest_weight_is_at_its_end_also_where_the_quotient_is_rounded_below_one(membership):
    kernel = jnp.array([0.0, 1.0, 7.2890625, 3.0] * 4)  # 7.2890625 * (1 / 7.2890625) < 1
    span = interval(kernel, "layer", membership)
    mu, slopes = jax.jit(jax.vmap(jax.value_and_grad(lambda w: memberships(w, span, membership)[0])))(
        kernel[:, None]
    )
    np.testing.assert_array_equal(mu[2::4], np.ones(4))
    np.testing.assert_array_equal(slopes[2::4], np.zeros((4, 1)))


def test_weights_beyond_an_end_are_clipped_to_it():
    span = interval(KERNEL, "fixed", bound=2.0)
    np.testing.assert_allclose(memberships(KERNEL, span).ravel(), [0, 0.75, 0.5, 1, 0.75, 1])
    span = interval(KERNEL, "fixed", "magnitude", bound=2.0)
    mu = memberships(KERNEL, span, "magnitude")
    np.testing.assert_allclose(mu.ravel(), [1, 0.5, 0, 1, 0.5, 1])


def test_a_weight_that_never_moved_is_at_the_centre():
    still = Interval(KERNEL, KERNEL)
    mu = memberships(KERNEL, interval(KERNEL, "trajectory", extremes=still))
    np.testing.assert_array_equal(mu, np.full(KERNEL.shape, 0.5))


@pytest.mark.parametrize(
    ("membership", "slopes"),
    [
        # in [-2, 2], of weights -4, 1, 0, 2, 1, 6: zero at or beyond an end, else 1/4
        ("signed", [0, 0.25, 0.25, 0, 0.25, 0]),
        # in [0, 2], of their sizes: the low end, zero, is an end as well
        ("magnitude", [0, 0.5, 0, 0, 0.5, 0]),
    ],
)
def test_a_weight_at_or_beyond_an_end_has_no_gradient(membership, slopes):
    span = interval(KERNEL, "fixed", membership, bound=2.0)
    gradient = jax.grad(lambda k: memberships(k, span, membership).sum())(KERNEL)
    np.testing.assert_array_equal(gradient.ravel(), slopes)


def test_magnitude_rises_away_from_zero_on_both_sides():
    span = interval(KERNEL, "layer", "magnitude")
    slopes = 6 * jax.grad(lambda k: memberships(k, span, "magnitude").sum())(KERNEL)
    np.testing.assert_allclose(slopes.ravel(), [-1, 1, 0, 1, 1, 0], rtol=1e-6)


@pytest.mark.parametrize("reading", ["layer", "filter"])
@pytest.mark.parametrize("membership", MEMBERSHIPS)
def test_the_interval_is_constant_under_differentiation(reading, membership):
    def width(kernel):
        span = interval(kernel, reading, membership)
        return (span.high - span.low).sum()

    np.testing.assert_array_equal(jax.grad(width)(KERNEL), np.zeros(KERNEL.shape))


def test_jit_and_vmap_agree_with_eager():
    kernels = jnp.stack([KERNEL, 2 * KERNEL, KERNEL - 3.0])
    for reading in ("layer", "filter", "fixed"):
        expected = [memberships(k, interval(k, reading)) for k in kernels]

        def of_one(kernel, reading=reading):
            return memberships(kernel, interval(kernel, reading))

        np.testing.assert_allclose(jax.jit(jax.vmap(of_one))(kernels), expected, rtol=1e-6)


def test_a_kernel_known_outside_a_jitted_function_can_be_used_inside_it():
    inside = jax.jit(lambda scale: scale * interval(KERNEL).high)(2.0)
    np.testing.assert_array_equal(inside.ravel(), [12])


SHAPES = [(3, 3, 1, 64), (5, 5, 3, 32), (1, 1, 2, 256), (4, 2, 7, 16)]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_fresh_weight_is_beyond_the_initial_bound(shape):
    *window, cin, cout = shape
    bound = initial_bound(shape)
    layers = [kind(cin, cout, tuple(window), rngs=nnx.Rngs(1)) for kind in (Conv, nnx.Conv)]
    for layer in layers:
        assert layer.kernel[...].shape == shape
        assert np.abs(layer.kernel[...]).max() <= bound * (1 + 1e-6)


def test_the_initial_bound_is_tight():
    sample = nnx.initializers.lecun_normal()(jax.random.key(0), (100, 10, 1, 200))
    bound = initial_bound(sample.shape)
    assert 0.9999 * bound < np.abs(sample).max() <= bound * (1 + 1e-6)


def test_the_initial_bound_by_hand():
    # variance 1 / fan_in; a unit normal cut off at two has standard deviation 0.87962566
    assert initial_bound((5, 5, 1, 6)) == pytest.approx(2 / 0.87962566 / 5)
    assert initial_bound((2, 2, 4, 9)) == pytest.approx(2 / 0.87962566 / 4)


@pytest.mark.parametrize("name", ["Layer", "", None, "weights"])
def test_unknown_names_are_refused(name):
    with refuses("reading is", repr(name), *READINGS):
        interval(KERNEL, name)
    with refuses("membership is", repr(name), *MEMBERSHIPS):
        interval(KERNEL, "layer", name)
    with refuses("membership is", repr(name), *MEMBERSHIPS):
        memberships(KERNEL, EXTREMES, name)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(bad):
    with refuses("kernel holds NaN or infinite", "finite"):
        interval(KERNEL.at[0].set(bad), "fixed")


def test_an_empty_kernel_is_refused():
    with refuses("kernel has shape (0, 3)", "at least one weight"):
        interval(jnp.zeros((0, 3)))


@pytest.mark.parametrize(
    ("kernel", "reading", "membership"),
    [
        (jnp.full((2, 2, 1, 1), 3.0), "layer", "signed"),
        (jnp.zeros((2, 2, 1, 1)), "layer", "magnitude"),
        (KERNEL.at[..., 1].set(5.0), "filter", "signed"),
        (KERNEL.at[..., 0].set(0.0), "filter", "magnitude"),
        (jnp.ones((1, 1, 1, 1)), "layer", "signed"),
    ],
)
def test_an_interval_of_zero_width_is_refused(kernel, reading, membership):
    with refuses("kernel of shape", "zero width", repr(reading), repr(membership), "differ"):
        interval(kernel, reading, membership)


def test_a_filter_needs_an_output_axis():
    with refuses("kernel has shape (3,)", "'filter'", "rank >= 2"):
        interval(jnp.arange(3.0), "filter")


@pytest.mark.parametrize("bound", [0.0, -1.0, np.nan, np.inf])
def test_a_bound_that_is_not_positive_is_refused_also_inside_jit(bound):
    with refuses("bound is", bound, "> 0"):
        interval(KERNEL, "fixed", bound=bound)
    with refuses("bound is", bound, "> 0"):
        jax.jit(lambda k: interval(k, "fixed", bound=bound))(KERNEL)


@pytest.mark.parametrize("reading", ["layer", "filter", "trajectory"])
def test_a_bound_with_another_reading_is_refused(reading):
    with refuses("bound is 2.0", repr(reading), "'fixed'"):
        interval(KERNEL, reading, bound=2.0, extremes=EXTREMES)


def test_a_trajectory_without_extremes_is_refused():
    with refuses("extremes is None", "Interval"):
        interval(KERNEL, "trajectory")


@pytest.mark.parametrize("low", [KERNEL + 9.0, KERNEL * np.nan])
def test_extremes_that_are_no_interval_are_refused(low):
    with refuses("extremes", "low <= high"):
        interval(KERNEL, "trajectory", extremes=Interval(low, KERNEL))


def test_weights_that_are_no_floats_are_refused() -> None:
    with refuses("kernel must be floating-point weights, got int32", error=TypeError):
        interval(np.arange(4, dtype=np.int32))
