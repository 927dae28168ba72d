"""Statistics of the Min-Max property on histories with a known answer."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from helpers.refusal import refuses, unchecked
from helpers.small import run
from minmax_jax.fuzziness import fuzziness
from minmax_jax.minmax import (
    effective_taps,
    kurtosis,
    membership_course,
    moved_away,
    near_zero,
    random_displacement,
    random_walk,
    sign_test,
    summary,
)

pytestmark = pytest.mark.versions


def test_moved_away_by_hand():
    mu = np.array([[0.5, 0.4, 0.9, 0.0], [0.6, 0.6, 0.5, 0.0], [1.0, 0.0, 1.0, 1.0]])
    # second row: farther; equal; nearer; equal. third row: farther, farther, farther, equal
    assert moved_away(mu) == pytest.approx([0.5, (1 + 0.5 + 0 + 0.5) / 4, 3.5 / 4])


def test_wandering_from_the_centre_is_no_tendency():
    """Noise e added to w of N(0, 1) about a fixed centre: P = 1/2 + atan(s / 2) / pi for e of N(0, s^2)."""
    random = np.random.default_rng(0)
    for scale in (0.1, 1.0):
        w = random.normal(size=400_000)
        mu = 0.5 + np.stack([w, w + scale * random.normal(size=w.size)]) / 100
        assert moved_away(mu)[1] == pytest.approx(0.5 + np.arctan(scale / 2) / np.pi, abs=3e-3)


@pytest.fixture(scope="module")
def history():
    return run().history


def test_memberships_average_to_the_recorded_fuzziness(history):
    for reading in ("layer", "filter", "fixed", "trajectory"):
        for membership in ("signed", "magnitude"):
            mu = membership_course(history, "conv2", reading, membership)
            assert mu.shape == (11, 2400)
            expected = history.fuzziness.sel(
                layer="conv2", reading=reading, membership=membership, measure="quadratic"
            )
            np.testing.assert_allclose((4 * mu * (1 - mu)).mean(1), expected, atol=1e-5)


def test_summary_is_start_end_and_share(history):
    table = summary(history, "linear")
    assert table.sizes == {"layer": 2, "reading": 4, "membership": 2}
    np.testing.assert_allclose(table.change, table.end - table.start)
    cell = table.sel(layer="conv2", reading="fixed", membership="magnitude")
    mu = membership_course(history, "conv2", "fixed", "magnitude")
    assert float(cell.moved_away) == moved_away(mu)[-1]
    assert len(table.to_dataframe()) == 16


def test_an_unknown_layer_is_refused(history):
    with refuses("layer must be one of ('conv1', 'conv2'), got 'conv7'"):
        membership_course(history, "conv7")


weights = arrays(np.float64, (2, 3, 3, 1, 4), elements=st.floats(-5, 5), unique=True)


@given(weights)
def test_kurtosis_is_that_of_its_definition(rows):
    away = rows.reshape(2, -1) - rows.reshape(2, -1).mean(1, keepdims=True)
    expected = (away**4).mean(1) / (away**2).mean(1) ** 2 - 3
    np.testing.assert_allclose(kurtosis(rows), expected, rtol=1e-8, atol=1e-8)


def test_kurtosis_of_known_shapes():
    heaps = np.array([[-1.0, -1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 4.0]])
    # two heaps: -2; one in n apart from equal others: (n - 1) + 1 / (n - 1) - 1 - 3 = 1/3 for n = 4 ...
    n = 4
    assert kurtosis(heaps) == pytest.approx([-2, (n - 1) + 1 / (n - 1) - 1 - 3])
    assert kurtosis(7 - 3 * heaps) == pytest.approx(kurtosis(heaps))
    even = np.linspace(-1, 1, 200_001)[None]
    assert kurtosis(even) == pytest.approx([-1.2], abs=1e-4)


def test_near_zero_by_hand():
    rows = np.array([[1.0, -0.1, 0.05, 0.2], [10.0, 1.0, -1.1, 9.0]])
    assert near_zero(rows).tolist() == [0.5, 0.25]
    assert near_zero(rows, within=0.5).tolist() == [0.75, 0.5]


def test_near_zero_of_even_spread_and_of_fresh_kernels():
    random = np.random.default_rng(0)
    even = random.uniform(-1, 1, (1, 500_000))
    cut = stats.truncnorm(-2, 2).rvs((1, 500_000), random_state=random)
    assert near_zero(even) == pytest.approx([0.1], abs=2e-3)
    assert near_zero(cut) == pytest.approx([0.166], abs=2e-3)


def test_effective_taps_by_hand():
    filters = np.array([[[0.0, -2.0, 0.0], [3.0, -3.0, 3.0]], [[0.0, 0.0, 0.0], [1.0, 0.5, -0.5]]])
    assert effective_taps(np.moveaxis(filters, 1, 2)).tolist() == [(1 + 3) / 2, (0 + 2) / 2]
    rows = np.random.default_rng(0).normal(size=(2, 5, 5, 2, 4))
    expected = [np.mean([np.abs(w).sum() / np.abs(w).max() for w in np.moveaxis(k, -1, 0)]) for k in rows]
    np.testing.assert_allclose(effective_taps(rows * np.array([1, 2, 0.1, -7])), expected)


@given(st.integers(0, 60), st.integers(0, 60))
def test_sign_test_counts_the_outcomes_as_uneven(away, towards):
    n = away + towards
    ways = [math.comb(n, k) for k in range(n + 1)]
    uneven = sum(way for k, way in enumerate(ways) if abs(2 * k - n) >= abs(away - towards))
    assert sign_test(away, towards) == pytest.approx(uneven / 2**n)
    assert sign_test(away, towards) == sign_test(towards, away)


@given(weights, st.integers(0, 9))
def test_a_random_walk_takes_the_same_steps(rows, seed):
    walk = random_walk(rows, np.random.default_rng(seed))
    assert (walk[0] == rows[0]).all()
    sizes = [np.abs(np.diff(path, axis=0)) for path in (walk, rows)]
    np.testing.assert_allclose(*sizes, rtol=1e-6, atol=1e-12)


def test_a_random_walk_has_no_direction():
    """A weight's mean place over walks is where it began, its variance the sum of squared steps."""
    steps = np.array([0.3, -0.1, 0.2])
    rows = np.concatenate([[0.5], 0.5 + steps.cumsum()])[:, None]
    many = np.repeat(rows, 100_000, axis=1)
    last = random_walk(many, np.random.default_rng(0))[-1]
    assert last.mean() == pytest.approx(0.5, abs=5e-3)
    assert last.var() == pytest.approx((steps**2).sum(), rel=1e-2)


def test_displacements_by_hand_and_of_the_same_size():
    rows = np.array([[1.0, -2.0, 0.5], [1.5, -2.0, 0.0], [3.0, -1.0, 0.0]])
    there, back = [[1.5, -2.0, 0.0], [3.0, -1.0, 0.0]], [[0.5, -2.0, 1.0], [-1.0, -3.0, 1.0]]
    seen = set()
    for seed in range(60):
        found = random_displacement(rows, np.random.default_rng(seed))
        is_turned = found[2] != rows[2]
        np.testing.assert_array_equal(found, np.vstack([rows[:1], np.where(is_turned, back, there)]))
        seen.add(tuple(is_turned))
    assert len(seen) == 8


@given(arrays(np.float64, 6, elements=st.floats(-1, 1)), st.sampled_from(["entropy", "linear", "yager"]))
def test_any_displacement_lowers_fuzziness_in_a_fixed_interval_on_average(weights, measure):
    """By Jensen, as F is concave; in [-1, 1], where F_quadratic is 1 - w^2, by the mean of delta^2."""
    delta = (1 - np.abs(weights)) * np.array([1, 1, 0.5, 0.5, 0.1, 0])
    rows = np.repeat(np.stack([weights, weights + delta]), 4000, axis=1)
    after = random_displacement(rows, np.random.default_rng(0))[1]

    def of(values, how):
        return float(fuzziness(values, reading="fixed", bound=1.0, measure=how))

    assert of(after, measure) <= of(weights, measure) + 0.01
    fall = of(weights, "quadratic") - of(after, "quadratic")
    assert fall == pytest.approx((delta**2).mean(), abs=0.01)


@unchecked()
def test_half_precision_counts_as_the_same_weights_in_float32():
    rows = np.random.default_rng(0).normal(size=(4, 3, 3, 1, 8)).astype(jnp.bfloat16)
    wide = rows.astype(np.float32)
    np.testing.assert_array_equal(near_zero(rows, np.float16(0.1)), near_zero(wide, float(np.float16(0.1))))
    for null in (random_walk, random_displacement):
        np.testing.assert_array_equal(*(null(one, np.random.default_rng(1)) for one in (rows, wide)))
    np.testing.assert_array_equal(kurtosis(rows), kurtosis(wide))
