"""The fuzziness measures: the axioms of De Luca and Termini, and the identities of the study."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jax import lax

from helpers.filled import fill, filled
from helpers.refusal import unchecked
from minmax_jax import Interval, LeNet, convolve, degree, degrees, fuzziness, interval, kernels, memberships
from minmax_jax.fuzziness import MEASURES, fuzziness_table, sharpen
from minmax_jax.intervals import MEMBERSHIPS, READINGS

# every measure, and yager below, at and above one
FORMS = [("entropy", 3.0), ("quadratic", 3.0), ("linear", 3.0)] + [
    ("yager", p) for p in (0.3, 1.0, 2.0, 3.0, 7.5)
]
forms = pytest.mark.parametrize(("measure", "p"), FORMS)
OWN_READINGS = ("layer", "filter")  # of the weights alone

unit = st.floats(0, 1, width=32)
mus = hnp.arrays(np.float32, 8, elements=unit)
kernels_of = hnp.arrays(
    np.float32, (2, 2, 1, 3), elements=st.floats(-8, 8, width=32, allow_subnormal=False), unique=True
)
# 4 x 3 weights that are all different, of both signs; the ends are 2 and -1.5
KERNEL = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (2, 2, 1, 3)), jnp.float32)
KERNEL = KERNEL.at[0, 0, 0, 0].set(2.0).at[1, 1, 0, 2].set(-1.5)
MODEL = [KERNEL, jnp.linspace(-1.0, 3.0, 24).reshape(2, 3, 2, 2)]


def by_definition(mu, measure, p):
    """f(mu) in float64."""
    mu = np.asarray(mu, np.float64)
    if measure == "entropy":
        return sum(np.where(x > 0, -x * np.log2(np.where(x > 0, x, 1)), 0) for x in (mu, 1 - mu))
    if measure == "yager":
        return 1 - np.abs(2 * mu - 1) ** p
    return 4 * mu * (1 - mu) if measure == "quadratic" else 1 - np.abs(2 * mu - 1)


SLOPES = {
    "entropy": lambda mu, p: np.log2((1 - mu) / mu),
    "quadratic": lambda mu, p: 4 - 8 * mu,
    "linear": lambda mu, p: 2 * np.sign(0.5 - mu),
    "yager": lambda mu, p: 2 * p * np.sign(0.5 - mu) * np.abs(2 * mu - 1) ** (p - 1),
}


# The axioms


@forms
def test_the_degree_is_zero_for_crisp_weights_alone_and_one_at_the_centre_alone(measure, p):
    np.testing.assert_array_equal(degree(jnp.array([0.0, 0.5, 1.0]), measure, p), [0, 1, 0])
    # 1e-30, for linear and yager, is rounded: 1 - 2 mu is one
    tiny = 2**-10 if measure in ("yager", "linear") else 1e-30
    inside = degree(jnp.array([tiny, 1e-4, 0.2, 0.4, 0.6, 0.9, 1 - 2**-10]), measure, p)
    assert ((inside > 0) & (inside < 1)).all()


@given(mus, mus, hnp.arrays(bool, 8), st.sampled_from(FORMS), st.floats(1, 100))
@settings(max_examples=80)
def test_sharpening_never_raises_the_degree(mu, share, flipped, form, factor):
    """mu' is farther from the centre than mu by a share of what is left, perhaps on the other side."""
    distance = np.abs(mu - 0.5)
    farther = np.minimum(distance + share * (0.5 - distance), 0.5)
    sharper = np.where(flipped, 0.5 - farther, 0.5 + farther).astype(np.float32)
    before, after = (np.asarray(degree(jnp.asarray(x), *form)) for x in (mu, sharper))
    assert (after <= before + 1e-6 + 2e-6 * (form[1] < 1)).all()
    moved = np.asarray(sharpen(mu, factor))
    assert ((moved >= 0) & (moved <= 1) & (np.abs(moved - 0.5) >= distance - 1e-6)).all()


@given(mus, st.sampled_from(FORMS))
@settings(max_examples=60)
def test_the_degree_is_symmetric_in_zero_one_and_as_defined(mu, form):
    got = np.asarray(degree(jnp.asarray(mu), *form))
    assert got.min() >= 0 and got.max() <= 1 + 2e-7
    # for p < 1 the degree has a cusp at the centre, where rounding mu shows
    mirrored = (1 - np.asarray(mu, np.float64)).astype(np.float32)
    slack = 1e-6 if form[1] >= 1 else 1e-6 + np.abs((2 * mirrored - 1.0) - (1 - 2.0 * mu)) ** form[1]
    assert (np.abs(degree(jnp.asarray(mirrored), *form) - got) <= slack).all()
    np.testing.assert_allclose(got, by_definition(mu, *form), atol=1e-6)


def test_degrees_by_hand():
    mu = jnp.array([0.0, 0.25, 0.5, 0.75, 1.0])
    quarters = {"entropy": 2 - 0.75 * np.log2(3), "quadratic": 0.75, "linear": 0.5, "yager": 0.875}
    for measure, quarter in quarters.items():
        np.testing.assert_allclose(degree(mu, measure), [0, quarter, 1, quarter, 0], rtol=1e-6)
    np.testing.assert_array_equal(degree(mu), degree(mu, "entropy"))
    np.testing.assert_allclose(degree(mu, "yager", 0.5), [0, 1 - 0.5**0.5, 1, 1 - 0.5**0.5, 0])
    np.testing.assert_allclose(degree(mu, "yager", 1.0), degree(mu, "linear"), atol=1e-6)
    np.testing.assert_allclose(degree(mu, "yager", 2.0), degree(mu, "quadratic"), atol=1e-6)
    np.testing.assert_allclose(sharpen(np.array([0.4, 0.5, 0.9]), 2.0), [0.3, 0.5, 1.0], rtol=1e-6)


@forms
def test_the_derivative_is_the_closed_form_inside_and_finite_everywhere(measure, p):
    slope = jax.grad(lambda mu: degree(mu, measure, p).sum())
    mu = jnp.array([1e-5, 0.01, 0.2, 0.45, 0.55, 0.7, 0.99])
    np.testing.assert_allclose(slope(mu), SLOPES[measure](np.asarray(mu, np.float64), p), rtol=2e-5)
    edge = [0.0, 1e-45, 1e-38, 1e-30, 2**-24, 1 - 2**-24, 1.0]
    centre = [0.5, np.nextafter(np.float32(0.5), np.float32(0)), 0.5 + 2**-24]
    slopes = slope(jnp.array(edge + centre, jnp.float32))
    assert np.isfinite(slopes).all()
    assert slopes[len(edge)] == 0  # the centre is a stationary point
    if measure == "entropy":
        assert slopes[0] == slopes[len(edge) - 1] == 0  # a crisp weight stays where it is


# Fuzziness of a kernel


@pytest.mark.parametrize("membership", MEMBERSHIPS)
@pytest.mark.parametrize("reading", READINGS)
def test_fuzziness_of_a_kernel_is_the_mean_degree_computed_anew(reading, membership):
    kernel = np.asarray(KERNEL, np.float64)
    extremes = Interval(KERNEL - 0.5, KERNEL + 0.25 * jnp.arange(12.0).reshape(KERNEL.shape))
    low, high = (np.asarray(end, np.float64) for end in extremes)
    if reading != "trajectory":
        axes = {"layer": None, "filter": (0, 1, 2), "fixed": None}[reading]
        low, high = kernel.min(axes), kernel.max(axes)
        if reading == "fixed":
            low, high = -1.2, 1.2
        if membership == "magnitude":
            high = 1.2 if reading == "fixed" else np.abs(kernel).max(axes)
    elif membership == "magnitude":
        high = np.maximum(np.abs(low), np.abs(high))
    mu = np.abs(kernel) / high if membership == "magnitude" else (kernel - low) / (high - low)
    options = {"reading": reading, "membership": membership}
    options["bound"] = 1.2 if reading == "fixed" else None
    options["extremes"] = extremes if reading == "trajectory" else None
    for measure in MEASURES:
        expected = by_definition(np.clip(mu, 0, 1), measure, 1.7)
        got = degrees(KERNEL, measure=measure, p=1.7, **options)
        np.testing.assert_allclose(got, expected, atol=2e-6)
        got = fuzziness(KERNEL, measure=measure, p=1.7, **options)
        np.testing.assert_allclose(got, expected.mean(), atol=1e-6)


def test_fuzziness_by_hand_and_its_defaults():
    kernel = jnp.array([-1.0, 0.0, 1.0, 3.0])  # memberships 0, 1/4, 1/2, 1; by size 1/3, 0, 1/3, 1
    assert fuzziness(kernel, measure="quadratic") == pytest.approx(1.75 / 4)
    by_size = fuzziness(kernel, membership="magnitude", measure="quadratic")
    assert by_size == pytest.approx(2 * 8 / 9 / 4)
    assert fuzziness(kernel) == pytest.approx((3 - 0.75 * np.log2(3)) / 4)
    told = fuzziness(KERNEL, reading="layer", membership="signed", measure="entropy")
    assert fuzziness(KERNEL) == told == degrees(KERNEL).mean()
    assert fuzziness(KERNEL, measure="yager") == fuzziness(KERNEL, measure="yager", p=3.0)
    assert degrees(KERNEL, measure="yager").mean() == degrees(KERNEL, measure="yager", p=3.0).mean()


def test_the_table_holds_every_fuzziness_of_a_kernel():
    extremes = Interval(KERNEL - 1, KERNEL + 2)
    table = fuzziness_table(KERNEL, READINGS, extremes)
    for place in np.ndindex(*table.shape):
        r, mb, ms = (names[i] for names, i in zip((READINGS, MEMBERSHIPS, MEASURES), place, strict=True))
        ends = extremes if r == "trajectory" else None
        one = fuzziness(KERNEL, reading=r, membership=mb, measure=ms, extremes=ends)
        np.testing.assert_allclose(table[place], one, atol=1e-6)


@given(kernels_of, st.sampled_from(OWN_READINGS), st.sampled_from(MEMBERSHIPS), st.sampled_from(FORMS))
@settings(max_examples=40)
def test_fuzziness_ignores_the_scale_and_the_sign_of_a_kernel(kernel, reading, membership, form):
    assume(np.ptp(kernel, axis=(0, 1, 2)).min() > 1e-2)
    options = {"reading": reading, "membership": membership, "measure": form[0], "p": form[1]}
    expected = fuzziness(jnp.asarray(kernel), **options)
    slack = 1e-5 if form[1] >= 1 else 1e-2  # a cusp at the centre
    for factor in (4.0, 0.37, -1.0):
        got = fuzziness(jnp.asarray(np.float32(factor) * kernel), **options)
        np.testing.assert_allclose(got, expected, atol=slack)


@pytest.mark.parametrize("membership", MEMBERSHIPS)
def test_with_fixed_bounds_the_sign_is_ignored_and_the_scale_is_not(membership):
    options = {"reading": "fixed", "bound": 2.5, "membership": membership}
    np.testing.assert_allclose(fuzziness(-KERNEL, **options), fuzziness(KERNEL, **options), atol=1e-6)
    assert abs(fuzziness(2 * KERNEL, **options) - fuzziness(KERNEL, **options)) > 0.01
    np.testing.assert_allclose(fuzziness(KERNEL + 0.5), fuzziness(KERNEL), atol=1e-5)  # signed: nor a shift


@forms
@given(hnp.arrays(bool, (2, 2, 1, 3)))
@settings(max_examples=8)
def test_vertices_have_fuzziness_zero_and_any_other_point_has_more(measure, p, ends):
    options = {"reading": "fixed", "bound": 2.0, "measure": measure, "p": p}
    vertex = jnp.where(ends, 2.0, -2.0)
    assert fuzziness(vertex, **options) == 0
    assert fuzziness(vertex.at[0, 1, 0, 2].set(1.9), **options) > 1e-3 * min(p, 1)
    assert fuzziness(0 * vertex, **options) == 1


@pytest.mark.parametrize("membership", MEMBERSHIPS)
@pytest.mark.parametrize("reading", OWN_READINGS)
def test_the_gradient_holds_the_interval_constant(reading, membership):
    """Numerical differentiation of the definition, with the interval of the unmoved weights."""
    kernel = np.asarray(KERNEL, np.float64)
    low, high = (np.asarray(end, np.float64) for end in interval(KERNEL, reading, membership))

    def value(kernel):
        size = np.abs(kernel) if membership == "magnitude" else kernel
        return by_definition((size - low) / (high - low), "quadratic", 2).mean()

    expected = np.zeros_like(kernel)
    for place in np.ndindex(kernel.shape):
        size = abs(kernel[place]) if membership == "magnitude" else kernel[place]
        ends = (np.broadcast_to(end, kernel.shape)[place] for end in (low, high))
        if size in ends:  # at an end the gradient is zero by definition
            continue
        step = np.zeros_like(kernel)
        step[place] = 1e-5
        expected[place] = (value(kernel + step) - value(kernel - step)) / 2e-5
    options = {"reading": reading, "membership": membership, "measure": "quadratic"}
    gradient = jax.grad(lambda k: fuzziness(k, **options))(KERNEL)
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


@forms
@pytest.mark.parametrize("reading", ["layer", "fixed"])
def test_weights_at_or_beyond_an_end_have_gradient_zero_the_others_have_not(measure, p, reading):
    bound = 0.7 if reading == "fixed" else None
    gradient = jax.grad(lambda k: fuzziness(k, reading=reading, measure=measure, p=p, bound=bound))(KERNEL)
    beyond = np.abs(KERNEL) >= 0.7 if bound else (KERNEL == 2) | (KERNEL == -1.5)
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient == 0, beyond)
    assert 1 < beyond.sum() < KERNEL.size


# Fuzziness of a model


def test_fuzziness_of_a_model_is_the_mean_over_kernels_weighted_by_size():
    sizes, each = [12, 24], [fuzziness(k) for k in MODEL]
    np.testing.assert_allclose(fuzziness(MODEL), np.average(each, weights=sizes), rtol=1e-6)
    np.testing.assert_allclose(fuzziness(MODEL, layers=["1"]), each[1], rtol=1e-6)
    assert abs(each[0] - each[1]) > 0.01
    spans = {name: Interval(k - 1.0, k + 2.0) for name, k in zip("01", MODEL, strict=True)}
    got = fuzziness(MODEL, reading="trajectory", extremes=spans, measure="linear")
    np.testing.assert_allclose(got, 2 / 3, rtol=1e-6)


def test_every_kind_of_model_has_the_fuzziness_of_its_kernels():
    model = filled(LeNet)
    found = [model.conv1.kernel[...], model.conv2.kernel[...]]
    expected = fuzziness(found)
    assert 0 < expected < 1
    state = nnx.state(model, nnx.Param)
    for weights in (model, state, nnx.to_pure_dict(state), {"b": {"a": found[0], "c": found[1]}}):
        np.testing.assert_allclose(fuzziness(weights), expected, rtol=1e-6)
    one = fuzziness(found[0])
    for weights in (nnx.Param(found[0]), np.asarray(found[0]), [found[0]], {"kernel": found[0]}):
        np.testing.assert_allclose(fuzziness(weights), one, rtol=1e-6)
    params = fill(jax.eval_shape(linen.Conv(3, (2, 2)).init, jax.random.key(0), jnp.zeros((1, 4, 4, 2))))
    assert fuzziness(params) == fuzziness(params["params"]["kernel"])


def test_half_precision_and_mixed_precision_neither_overflow_nor_fail():
    half = jnp.tile(jnp.linspace(0, 1, 3, dtype=jnp.float16).reshape(3, 1), (1, 70_000))
    assert fuzziness(jnp.concatenate([half, half[1:2]]), reading="layer") == pytest.approx(0.5)
    mixed = fuzziness([KERNEL, KERNEL.astype(jnp.bfloat16)])
    np.testing.assert_allclose(mixed, fuzziness(KERNEL), atol=0.02)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@unchecked()
def test_half_precision_has_the_fuzziness_of_the_same_weights_in_float32(dtype):
    half = KERNEL.astype(dtype)
    for options in (
        {},
        {"reading": "filter"},
        {"reading": "fixed", "bound": np.float16(9)},
        {"measure": "yager"},
    ):
        assert fuzziness(half, **options) == fuzziness(half.astype(jnp.float32), **options)
    assert degrees(half).dtype == memberships(half, interval(half)).dtype == jnp.float32
    np.testing.assert_array_equal(kernels([half])["0"], half)


def test_jit_and_vmap_agree_with_eager():
    kernels = jnp.stack([KERNEL, KERNEL**2, 1 - KERNEL])
    of_one = partial(fuzziness, reading="filter")
    np.testing.assert_allclose(jax.jit(jax.vmap(of_one))(kernels), [*map(of_one, kernels)], rtol=1e-5)
    np.testing.assert_allclose(jax.jit(fuzziness)(MODEL), fuzziness(MODEL), rtol=1e-6)
    inside = jax.jit(lambda strength: strength * fuzziness(MODEL))(2.0)  # of a model known outside
    np.testing.assert_allclose(inside, 2 * fuzziness(MODEL), rtol=1e-6)


# Section 3 of the design; amplification, its identity 4, is in test_theory


@given(kernels_of, hnp.arrays(np.float32, (2, 2, 1, 3), elements=unit), st.sampled_from(FORMS))
@settings(max_examples=30)
def test_identity_1_sharpening_every_weight_lowers_the_fuzziness(kernel, share, form):
    farther = np.abs(kernel) + share * (8.0 - np.abs(kernel))
    sharper = np.where(kernel < 0, -farther, farther)
    options = {"reading": "fixed", "bound": 8.0, "measure": form[0], "p": form[1]}
    after, before = (fuzziness(jnp.asarray(k), **options) for k in (sharper, kernel))
    assert after <= before + 1e-5


def flow(kernel, measure, duration, steps):
    """Memberships under gradient descent on fuzziness, in an interval [-1/2, 1/2] of unit width."""
    options = {"reading": "fixed", "bound": 0.5, "measure": measure}

    def euler(kernel, size):
        return kernel - size * jax.grad(lambda k: fuzziness(k, **options))(kernel), kernel

    _, path = jax.jit(lambda k: lax.scan(euler, k, jnp.full(steps, duration / steps, jnp.float32)))(kernel)
    return np.asarray(memberships(path, Interval(jnp.float32(-0.5), jnp.float32(0.5))))


def test_identity_2_descent_on_entropy_goes_with_the_logit_from_the_centre_to_a_bound():
    mu = np.array([0.02, 0.3, 0.5, 0.6, 0.97], np.float32)
    velocity = -jax.grad(lambda k: fuzziness(k, reading="fixed", bound=0.5))(jnp.asarray(mu - 0.5))
    np.testing.assert_allclose(velocity, np.log(mu / (1 - mu)) / (len(mu) * np.log(2)), atol=1e-5)
    path = flow(jnp.array([-0.3, -0.01, 0.02, 0.4]), "entropy", 8.0, 800)
    assert (np.diff(np.abs(path - 0.5), axis=0) >= 0).all()
    np.testing.assert_array_equal(path[-1], [0, 0, 1, 1])


def test_identity_2_descent_on_quadratic_grows_exponentially_until_a_bound():
    start = np.array([0.01, -0.02, 0.0, 0.3])
    n, duration, steps = 4, 2.5, 5000
    mu = flow(jnp.asarray(start, jnp.float32), "quadratic", duration, steps)
    times = duration * np.arange(steps)[:, None] / steps
    closed = np.clip(0.5 + start * np.exp(8 * times / n), 0, 1)
    np.testing.assert_allclose(mu, closed, atol=3e-3)
    np.testing.assert_array_equal(mu[-1], [1, 0, 0.5, 1])


LOW, HIGH = -0.7, 1.9


def drift_setup():
    rng = np.random.default_rng(3)
    images = jnp.asarray(rng.uniform(size=(6, 2, 2, 3)), jnp.float32)
    targets = jnp.asarray(rng.choice([-1, 1], size=6), jnp.float32)
    return images, targets, jnp.asarray(rng.uniform(size=(2, 2, 3, 1)), jnp.float32)


def test_identity_3_the_loss_gradient_in_a_membership_is_the_drift():
    images, targets, mu = drift_setup()

    def outputs(mu):
        return convolve(images, LOW + (HIGH - LOW) * mu)[:, 0, 0, 0]

    def losses(outputs):
        return jax.nn.softplus(-targets * outputs)

    y, x = outputs(mu), images.reshape(6, -1)
    np.testing.assert_allclose(y, LOW * x.sum(1) + (HIGH - LOW) * (x @ mu.ravel()), rtol=1e-5)
    delta = jax.grad(lambda y: losses(y).sum())(y)
    gradient = jax.grad(lambda mu: losses(outputs(mu)).mean())(mu)
    drift = (HIGH - LOW) * (delta[:, None] * x).mean(0)
    np.testing.assert_allclose(gradient.ravel(), drift, rtol=1e-4, atol=1e-7)


def test_identity_3_a_drift_of_one_sign_is_monotone_and_sharpens_past_the_centre():
    images, _, mu = drift_setup()

    def loss(mu):  # of one class: delta < 0 for all images, so each membership rises
        return jax.nn.softplus(-convolve(images, LOW + (HIGH - LOW) * mu)).mean()

    def step(mu, _):
        mu = jnp.clip(mu - 0.2 * jax.grad(loss)(mu), 0, 1)
        return mu, mu

    _, path = jax.jit(lambda mu: lax.scan(step, mu, length=60))(0.8 * mu)
    path = path.reshape(60, -1)
    assert (np.diff(path, axis=0) >= 0).all() and ((path[0] < 0.45) & (path[-1] > 0.5)).any()
    for measure in MEASURES:
        falls = np.diff(np.asarray(degree(path, measure)), axis=0) <= 1e-6
        assert falls[path[:-1] >= 0.5].all()
        assert not falls[path[1:] < 0.45].any()
