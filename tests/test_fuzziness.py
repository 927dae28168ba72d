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
from helpers.refusal import refuses
from minmax_jax import Interval, LeNet, convolve, degree, degrees, fuzziness, interval, memberships
from minmax_jax.fuzziness import MEASURES, sharpen
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
        parts = [np.where(x > 0, -x * np.log2(np.where(x > 0, x, 1)), 0) for x in (mu, 1 - mu)]
        return sum(parts)
    if measure == "yager":
        return 1 - np.abs(2 * mu - 1) ** p
    return 4 * mu * (1 - mu) if measure == "quadratic" else 1 - np.abs(2 * mu - 1)


# The axioms


@forms
def test_a_weight_is_crisp_if_and_only_if_its_degree_is_zero(measure, p):
    np.testing.assert_array_equal(degree(jnp.array([0.0, 1.0]), measure, p), [0, 0])
    inside = jnp.array([1e-30, 1e-4, 0.3, 0.5, 0.9, 1 - 2**-10])
    if measure in ("yager", "linear"):
        inside = inside.at[0].set(2**-10)  # 1 - 2 mu is rounded to one
    assert (degree(inside, measure, p) > 0).all()


@forms
def test_the_degree_is_one_at_the_centre_and_there_alone(measure, p):
    assert degree(jnp.float32(0.5), measure, p) == 1
    away = jnp.array([0.0, 0.2, 0.4, 0.6, 0.9, 1.0])
    assert (degree(away, measure, p) < 1).all()


@given(mus, st.floats(1, 100))
def test_sharpen_moves_outwards_and_stays_inside(mu, factor):
    moved = np.asarray(sharpen(mu, factor))
    assert ((moved >= 0) & (moved <= 1)).all()
    assert (np.abs(moved - 0.5) >= np.abs(mu - 0.5) - 1e-6).all()
    np.testing.assert_allclose(sharpen(np.array([0.4, 0.5, 0.9]), 2.0), [0.3, 0.5, 1.0], rtol=1e-6)


@given(mus, mus, hnp.arrays(bool, 8), st.sampled_from(FORMS))
@settings(max_examples=80)
def test_sharpening_never_raises_the_degree(mu, share, flipped, form):
    """mu' is farther from the centre than mu by a share of what is left, perhaps on the other side."""
    distance = np.abs(mu - 0.5)
    farther = np.minimum(distance + share * (0.5 - distance), 0.5)
    sharper = np.where(flipped, 0.5 - farther, 0.5 + farther).astype(np.float32)
    before, after = (np.asarray(degree(jnp.asarray(x), *form)) for x in (mu, sharper))
    assert (after <= before + 1e-6 + 2e-6 * (form[1] < 1)).all()


@given(mus, st.sampled_from(FORMS))
@settings(max_examples=60)
def test_the_degree_is_symmetric_in_zero_one_and_as_defined(mu, form):
    got = np.asarray(degree(jnp.asarray(mu), *form))
    assert got.min() >= 0
    assert got.max() <= 1 + 2e-7
    # for p < 1 the degree has a cusp at the centre, where rounding mu shows
    mirrored = (1 - np.asarray(mu, np.float64)).astype(np.float32)
    slack = 1e-6 if form[1] >= 1 else 1e-6 + np.abs((2 * mirrored - 1.0) - (1 - 2.0 * mu)) ** form[1]
    assert (np.abs(degree(jnp.asarray(mirrored), *form) - got) <= slack).all()
    np.testing.assert_allclose(got, by_definition(mu, *form), atol=1e-6)


def test_degrees_by_hand():
    mu = jnp.array([0.0, 0.25, 0.5, 0.75, 1.0])
    quarter = 2 - 0.75 * np.log2(3)
    np.testing.assert_allclose(degree(mu), [0, quarter, 1, quarter, 0], rtol=1e-6)
    np.testing.assert_allclose(degree(mu, "quadratic"), [0, 0.75, 1, 0.75, 0])
    np.testing.assert_allclose(degree(mu, "linear"), [0, 0.5, 1, 0.5, 0])
    np.testing.assert_allclose(degree(mu, "yager"), [0, 0.875, 1, 0.875, 0])
    np.testing.assert_allclose(degree(mu, "yager", 0.5), [0, 1 - 0.5**0.5, 1, 1 - 0.5**0.5, 0])


@given(mus)
@settings(max_examples=20)
def test_yager_is_linear_for_p_one_and_quadratic_for_p_two(mu):
    mu = jnp.asarray(mu)
    np.testing.assert_allclose(degree(mu, "yager", 1.0), degree(mu, "linear"), atol=1e-6)
    np.testing.assert_allclose(degree(mu, "yager", 2.0), degree(mu, "quadratic"), atol=1e-6)


SLOPES = {
    "entropy": lambda mu, p: np.log2((1 - mu) / mu),
    "quadratic": lambda mu, p: 4 - 8 * mu,
    "linear": lambda mu, p: 2 * np.sign(0.5 - mu),
    "yager": lambda mu, p: 2 * p * np.sign(0.5 - mu) * np.abs(2 * mu - 1) ** (p - 1),
}


@forms
def test_the_derivative_is_the_closed_form_inside(measure, p):
    mu = jnp.array([1e-5, 0.01, 0.2, 0.45, 0.55, 0.7, 0.99])
    slopes = jax.grad(lambda mu: degree(mu, measure, p).sum())(mu)
    expected = SLOPES[measure](np.asarray(mu, np.float64), p)
    np.testing.assert_allclose(slopes, expected, rtol=2e-5)


@forms
def test_the_derivative_is_finite_everywhere(measure, p):
    edge = [0.0, 1e-45, 1e-38, 1e-30, 2**-24, 1 - 2**-24, 1.0]
    centre = [0.5, np.nextafter(np.float32(0.5), np.float32(0)), 0.5 + 2**-24]
    mu = jnp.array(edge + centre, jnp.float32)
    slopes = jax.grad(lambda mu: degree(mu, measure, p).sum())(mu)
    assert np.isfinite(slopes).all()
    assert slopes[len(edge)] == 0  # the centre is a stationary point
    if measure == "entropy":
        assert slopes[0] == slopes[len(edge) - 1] == 0  # a crisp weight stays where it is


# Fuzziness of a kernel


@pytest.mark.parametrize("membership", MEMBERSHIPS)
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("measure", MEASURES)
def test_fuzziness_of_a_kernel_is_the_mean_degree_computed_anew(reading, membership, measure):
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
    expected = by_definition(np.clip(mu, 0, 1), measure, 1.7)

    options = {"reading": reading, "membership": membership, "measure": measure, "p": 1.7}
    options["bound"] = 1.2 if reading == "fixed" else None
    options["extremes"] = extremes if reading == "trajectory" else None
    np.testing.assert_allclose(degrees(KERNEL, **options), expected, atol=2e-6)
    np.testing.assert_allclose(fuzziness(KERNEL, **options), expected.mean(), atol=1e-6)


def test_fuzziness_by_hand():
    kernel = jnp.array([-1.0, 0.0, 1.0, 3.0])  # memberships 0, 1/4, 1/2, 1; by size 1/3, 0, 1/3, 1
    assert fuzziness(kernel, measure="quadratic") == pytest.approx(1.75 / 4)
    by_size = fuzziness(kernel, membership="magnitude", measure="quadratic")
    assert by_size == pytest.approx(2 * 8 / 9 / 4)
    assert fuzziness(kernel) == pytest.approx((3 - 0.75 * np.log2(3)) / 4)


def test_entropy_of_the_layer_by_signed_membership_is_the_fuzziness_unless_told():
    told = fuzziness(KERNEL, reading="layer", membership="signed", measure="entropy")
    assert fuzziness(KERNEL) == told
    assert fuzziness(KERNEL, measure="yager") == fuzziness(KERNEL, measure="yager", p=3.0)


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


def test_shifting_the_weights_leaves_signed_fuzziness_alone():
    np.testing.assert_allclose(fuzziness(KERNEL + 0.5), fuzziness(KERNEL), atol=1e-5)


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
    span = interval(KERNEL, reading, membership)
    low, high = (np.asarray(end, np.float64) for end in span)

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
    np.testing.assert_allclose(fuzziness(model, layers=["conv1"]), one, rtol=1e-6)


def test_fuzziness_of_linen_parameters():
    layer = linen.Conv(3, (2, 2))
    params = fill(jax.eval_shape(layer.init, jax.random.key(0), jnp.zeros((1, 4, 4, 2))))
    kernel = params["params"]["kernel"]
    assert fuzziness(params) == fuzziness(params["params"]) == fuzziness(kernel)


def test_extremes_of_a_model_are_given_by_layer():
    spans = {name: Interval(k - 1.0, k + 2.0) for name, k in zip("01", MODEL, strict=True)}
    got = fuzziness(MODEL, reading="trajectory", extremes=spans, measure="linear")
    np.testing.assert_allclose(got, 2 / 3, rtol=1e-6)


def test_half_precision_and_mixed_precision_neither_overflow_nor_fail():
    half = jnp.tile(jnp.linspace(0, 1, 3, dtype=jnp.float16).reshape(3, 1), (1, 70_000))
    assert fuzziness(jnp.concatenate([half, half[1:2]]), reading="layer") == pytest.approx(0.5)
    mixed = fuzziness([KERNEL, KERNEL.astype(jnp.bfloat16)])
    np.testing.assert_allclose(mixed, fuzziness(KERNEL), atol=0.02)


def test_jit_and_vmap_agree_with_eager():
    kernels = jnp.stack([KERNEL, KERNEL**2, 1 - KERNEL])
    for measure in MEASURES:
        of_one = partial(fuzziness, reading="filter", measure=measure)
        eager = [of_one(kernel) for kernel in kernels]
        np.testing.assert_allclose(jax.jit(jax.vmap(of_one))(kernels), eager, rtol=1e-5)
    np.testing.assert_allclose(jax.jit(fuzziness)(MODEL), fuzziness(MODEL), rtol=1e-6)


def test_a_model_known_outside_a_jitted_function_can_be_used_inside_it():
    inside = jax.jit(lambda strength: strength * fuzziness(MODEL))(2.0)
    np.testing.assert_allclose(inside, 2 * fuzziness(MODEL), rtol=1e-6)


# Section 3 of the design


@given(kernels_of, hnp.arrays(np.float32, (2, 2, 1, 3), elements=unit), st.sampled_from(FORMS))
@settings(max_examples=30)
def test_identity_1_sharpening_every_weight_lowers_the_fuzziness(kernel, share, form):
    bound = 8.0
    farther = np.abs(kernel) + share * (bound - np.abs(kernel))
    sharper = np.where(kernel < 0, -farther, farther)
    options = {"reading": "fixed", "bound": bound, "measure": form[0], "p": form[1]}
    after, before = (fuzziness(jnp.asarray(k), **options) for k in (sharper, kernel))
    assert after <= before + 1e-5


def flow(kernel, measure, times, steps):
    """Memberships under gradient descent on fuzziness, in an interval [-1/2, 1/2] of unit width."""
    options = {"reading": "fixed", "bound": 0.5, "measure": measure}

    def euler(kernel, size):
        return kernel - size * jax.grad(lambda k: fuzziness(k, **options))(kernel), kernel

    sizes = jnp.full(steps, times / steps, jnp.float32)
    _, path = jax.jit(lambda k: lax.scan(euler, k, sizes))(kernel)
    return np.asarray(memberships(path, Interval(jnp.float32(-0.5), jnp.float32(0.5))))


def test_identity_2_descent_on_entropy_moves_each_weight_by_its_logit():
    mu = np.array([0.02, 0.3, 0.5, 0.6, 0.97], np.float32)
    kernel = jnp.asarray(mu - 0.5)
    velocity = -jax.grad(lambda k: fuzziness(k, reading="fixed", bound=0.5))(kernel)
    logit = np.log(mu / (1 - mu))
    np.testing.assert_allclose(velocity, logit / (len(mu) * np.log(2)), atol=1e-5)


def test_identity_2_descent_on_entropy_leaves_the_centre_until_a_bound():
    start = jnp.array([-0.3, -0.01, 0.02, 0.4])
    mu = flow(start, "entropy", 8.0, 800)
    distance = np.abs(mu - 0.5)
    assert (np.diff(distance, axis=0) >= 0).all()
    np.testing.assert_array_equal(mu[-1], [0, 0, 1, 1])


def test_identity_2_descent_on_quadratic_grows_exponentially_until_a_bound():
    start = np.array([0.01, -0.02, 0.0, 0.3])
    n, duration, steps = 4, 2.5, 5000
    mu = flow(jnp.asarray(start, jnp.float32), "quadratic", duration, steps)
    times = duration * np.arange(steps)[:, None] / steps
    closed = np.clip(0.5 + start * np.exp(8 * times / n), 0, 1)
    np.testing.assert_allclose(mu, closed, atol=3e-3)
    np.testing.assert_array_equal(mu[-1], [1, 0, 0.5, 1])


def drift_setup():
    rng = np.random.default_rng(3)
    images = jnp.asarray(rng.uniform(size=(6, 2, 2, 3)), jnp.float32)
    targets = jnp.asarray(rng.choice([-1, 1], size=6), jnp.float32)
    mu = jnp.asarray(rng.uniform(size=(2, 2, 3, 1)), jnp.float32)
    return images, targets, mu, -0.7, 1.9


def test_identity_3_the_loss_gradient_in_a_membership_is_the_drift():
    images, targets, mu, low, high = drift_setup()

    def outputs(mu):
        return convolve(images, low + (high - low) * mu)[:, 0, 0, 0]

    def losses(outputs):
        return jax.nn.softplus(-targets * outputs)

    y, x = outputs(mu), images.reshape(6, -1)
    parts = low * x.sum(1) + (high - low) * (x @ mu.ravel())
    np.testing.assert_allclose(y, parts, rtol=1e-5)
    span = Interval(jnp.float32(low), jnp.float32(high))
    np.testing.assert_allclose(memberships(low + (high - low) * mu, span), mu, atol=1e-6)
    delta = jax.grad(lambda y: losses(y).sum())(y)
    gradient = jax.grad(lambda mu: losses(outputs(mu)).mean())(mu)
    np.testing.assert_allclose(
        gradient.ravel(), (high - low) * (delta[:, None] * x).mean(0), rtol=1e-4, atol=1e-7
    )


def test_identity_3_a_drift_of_one_sign_is_monotone_and_sharpens_once_past_the_centre():
    images, _, mu, low, high = drift_setup()

    def loss(mu):  # of one class: delta < 0 for all images, so each membership rises
        return jax.nn.softplus(-convolve(images, low + (high - low) * mu)).mean()

    def step(mu, _):
        mu = jnp.clip(mu - 0.2 * jax.grad(loss)(mu), 0, 1)
        return mu, mu

    _, path = jax.jit(lambda mu: lax.scan(step, mu, length=60))(0.8 * mu)
    path = path.reshape(60, -1)
    assert (np.diff(path, axis=0) >= 0).all()
    assert (path[0] < 0.5).any()
    for measure in MEASURES:
        f = np.asarray(degree(path, measure))
        falls = np.diff(f, axis=0) <= 1e-6
        assert falls[path[:-1] >= 0.5].all()
        assert not falls[path[1:] < 0.45].any()
    assert ((path[0] < 0.45) & (path[-1] > 0.5)).any()


@given(kernels_of)
@settings(max_examples=30)
def test_identity_4_amplification_by_magnitude_and_by_signed_membership(kernel):
    cap = float(np.abs(kernel).max())
    assume(cap > 1e-3)
    w = np.asarray(kernel, np.float64)
    n, l1, energy = w.size, np.abs(w).sum(), (w**2).sum()
    by_size = fuzziness(jnp.asarray(kernel), membership="magnitude", measure="quadratic")
    np.testing.assert_allclose(energy / cap + n * cap / 4 * float(by_size), l1, rtol=1e-5)
    signed = fuzziness(jnp.asarray(kernel), reading="fixed", bound=cap, measure="quadratic")
    np.testing.assert_allclose(signed, 1 - energy / (n * cap**2), atol=1e-5)


def test_identity_4_at_fixed_energy_and_cap_amplification_is_least_where_nothing_is_fuzzy():
    crisp = jnp.array([2.0, -2.0, 0.0, 0.0])
    fuzzy = jnp.array([2.0, -(2.0**0.5), 1.0, 1.0])  # as long, and with the same cap
    np.testing.assert_allclose(jnp.sum(crisp**2), jnp.sum(fuzzy**2), rtol=1e-6)
    crisp_f, fuzzy_f = (fuzziness(k, membership="magnitude") for k in (crisp, fuzzy))
    assert crisp_f == 0 < fuzzy_f
    assert jnp.abs(crisp).sum() < jnp.abs(fuzzy).sum()


@pytest.mark.parametrize("seed", range(3))
def test_identity_4_the_worst_perturbation_of_an_output_is_eps_times_the_l1_norm(seed):
    rng = np.random.default_rng(seed)
    kernel = jnp.asarray(rng.normal(size=(3, 2, 2, 1)), jnp.float32)
    eps, worst = 0.1, 0.1 * np.abs(kernel).sum()

    def change(perturbations):
        return np.asarray(convolve(jnp.asarray(perturbations, jnp.float32), kernel)).ravel()

    attained = change(eps * np.sign(np.asarray(kernel)[None, ..., 0]))
    np.testing.assert_allclose(attained, worst, rtol=1e-6)
    corners = eps * rng.choice([-1.0, 1.0], size=(200, 3, 2, 2))
    assert np.abs(change(corners)).max() <= worst * (1 + 1e-6)


# Bad input


@pytest.mark.parametrize("name", ["Entropy", "", None])
def test_unknown_names_are_refused(name):
    for argument, takes in (
        ("measure", MEASURES),
        ("reading", READINGS),
        ("membership", MEMBERSHIPS),
    ):
        with refuses(f"{argument} is", repr(name), *takes):
            fuzziness(KERNEL, **{argument: name})
    with refuses("measure is", repr(name), *MEASURES):
        degree(jnp.float32(0.5), name)


@pytest.mark.parametrize("p", [0.0, -1.0, np.nan, np.inf])
def test_an_exponent_that_is_not_positive_is_refused(p):
    with refuses("p is", p, "> 0"):
        fuzziness(KERNEL, measure="yager", p=p)


@pytest.mark.parametrize("mu", [-1e-6, 1.0001, np.nan])
def test_memberships_outside_zero_one_are_refused(mu):
    with refuses("mu holds values outside [0, 1]"):
        degree(jnp.array([0.5, mu]))


def test_kernels_that_have_no_fuzziness_are_refused():
    with refuses("NaN", "finite"):
        fuzziness(KERNEL.at[0].set(jnp.nan))
    with refuses("NaN", "finite"):
        fuzziness([KERNEL, KERNEL.at[0].set(jnp.nan)])
    with refuses("zero width", "differ"):
        fuzziness(jnp.zeros((2, 2, 1, 1)))
    with refuses("at least one weight", "(0,)"):
        fuzziness(jnp.zeros(0))
    with refuses("no convolution kernel", "rank 4"):
        fuzziness({"dense": jnp.ones((2, 2))})


def test_bad_bounds_are_refused():
    with refuses("bound is 0.0", "> 0"):
        fuzziness(KERNEL, reading="fixed", bound=0.0)
    with refuses("bound is 1.0", "'layer'", "'fixed'"):
        fuzziness(KERNEL, bound=1.0)


def test_bad_extremes_are_refused():
    with refuses("extremes is None", "Interval"):
        fuzziness(MODEL, reading="trajectory")
    with refuses("extremes has layers ['0']", "['0', '1']"):
        fuzziness(MODEL, reading="trajectory", extremes={"0": Interval(KERNEL, KERNEL)})


def test_unknown_layers_are_refused_also_for_a_single_kernel():
    with refuses("layers is ['conv9']", "['0', '1']"):
        fuzziness(MODEL, layers=["conv9"])
    with refuses("layers is ['conv9']", "None"):
        fuzziness(KERNEL, layers=["conv9"])
