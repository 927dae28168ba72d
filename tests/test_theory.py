"""The flow of fuzziness alone, and amplification: its worst case, and its identity with fuzziness."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import minmax_jax as mm
from helpers.filled import filled
from helpers.refusal import unchecked
from minmax_jax.theory import CLOSED, amplification, amplification_parts, amplifications, closed_form, descend

SHAPE = (3, 2, 2, 4)
KERNEL = jnp.asarray(np.random.default_rng(0).normal(size=SHAPE), jnp.float32)


def test_descent_by_hand():
    mu = np.array([0.5, 0.51, 0.45, 0.9])
    found = descend(mu, "quadratic", 0.01, 20)
    np.testing.assert_allclose(found, np.clip(0.5 + (mu - 0.5) * 1.08**20, 0, 1), atol=1e-5)
    # entropy goes with the logit: dmu = rate log2(mu / (1 - mu)) in a step, since f' = log2((1 - mu) / mu)
    mu = np.array([0.5, 0.3, 0.8, 0.99])
    expected = mu + 1e-3 * np.log2(mu / (1 - mu))
    np.testing.assert_allclose(descend(mu, "entropy", 1e-3, 1), expected, atol=1e-6)
    assert descend(np.array([0.4, 0.6]), "quadratic", 0.5, 50).tolist() == [0, 1]
    np.testing.assert_array_equal(descend(mu, "linear", 0.5, 0), mu.astype(np.float32))


@pytest.mark.parametrize("measure", CLOSED)
@given(mu=st.floats(0, 1), time=st.floats(0, 0.3))
def test_descent_in_many_steps_is_the_closed_form(measure, mu, time):
    start = np.array([mu])
    found = descend(start, measure, time / 1000, 1000)
    exact = closed_form(start, measure, time)
    assert np.abs(found - exact).max() < 0.01 or abs(mu - 0.5) < 1e-6


def test_closed_forms_by_hand():
    mu = np.array([0.5, 0.6, 0.3])
    np.testing.assert_allclose(closed_form(mu, "linear", 0.1), [0.5, 0.8, 0.1])
    np.testing.assert_allclose(closed_form(mu, "quadratic", np.log(2) / 8), [0.5, 0.7, 0.1])
    np.testing.assert_array_equal(closed_form(mu, "linear", 0.0), mu)
    np.testing.assert_array_equal(closed_form(mu, "quadratic", 1.0), [0.5, 1, 0])


def test_no_perturbation_moves_an_output_further_and_the_signs_of_the_column_attain_it():
    eps = 0.1
    worst = np.asarray(amplification(KERNEL, eps))
    np.testing.assert_array_equal(worst, eps * amplification(KERNEL))
    changes = np.random.default_rng(1).uniform(-eps, eps, (400, *SHAPE[:3]))
    changes[::2] = eps * np.sign(changes[::2])
    moved = np.abs(mm.convolve(jnp.asarray(changes, jnp.float32), KERNEL))[:, 0, 0]
    assert (moved <= worst[None] * (1 + 1e-6)).all()
    assert moved.max() > 0.5 * worst.max()
    signs = jnp.moveaxis(eps * jnp.sign(KERNEL), -1, 0)  # a worst image for each output channel
    np.testing.assert_allclose(np.diag(mm.convolve(signs, KERNEL)[:, 0, 0]), worst, rtol=1e-6)


@pytest.mark.parametrize("reading", ["filter", "layer"])
@given(arrays(np.float32, SHAPE, elements=st.floats(-4, 4, width=32)))
@settings(max_examples=30)
def test_the_identity_with_quadratic_fuzziness(reading, values):
    values[0, 0, 0] = np.where(np.abs(values).max((0, 1, 2)) < 0.1, 1, values[0, 0, 0])
    energy, fuzzy = amplification_parts(values, reading)
    np.testing.assert_allclose(energy + fuzzy, np.abs(values).sum((0, 1, 2)), rtol=1e-5, atol=1e-5)
    # the terms themselves, from their formulas in float64
    w = values.astype(np.float64).reshape(-1, SHAPE[-1])
    m = np.abs(w).max(0) if reading == "filter" else np.full(SHAPE[-1], np.abs(w).max())
    mu = np.abs(w) / m
    np.testing.assert_allclose(energy, (w**2).sum(0) / m, rtol=1e-4)
    np.testing.assert_allclose(fuzzy, len(w) * m / 4 * (4 * mu * (1 - mu)).mean(0), rtol=1e-4, atol=1e-5)
    # signed fuzziness in [-m, m] knows the energy alone: 1 - ||w||^2 / (n m^2)
    cap = np.abs(w).max()
    signed = mm.fuzziness(jnp.asarray(values), reading="fixed", bound=float(cap), measure="quadratic")
    np.testing.assert_allclose(signed, 1 - (w**2).sum() / (w.size * cap**2), atol=1e-5)


def test_at_given_energy_and_cap_amplification_is_least_where_nothing_is_fuzzy():
    crisp, fuzzy = jnp.array([2.0, -2.0, 0.0, 0.0]), jnp.array([2.0, -(2.0**0.5), 1.0, 1.0])
    both = jnp.stack([crisp, fuzzy], -1)  # columns of equal length, with the same cap
    energy, extra = amplification_parts(both)
    np.testing.assert_allclose(energy, [4, 4], rtol=1e-6)
    assert extra[0] == 0 < extra[1]
    np.testing.assert_allclose(amplification(both), energy + extra, rtol=1e-6)
    f = mm.fuzziness(fuzzy, membership="magnitude", measure="quadratic")
    assert float(extra[1]) == pytest.approx(float(4 * 2 / 4 * f), rel=1e-5)
    for got, expected in zip(jax.jit(amplification_parts)(both), (energy, extra), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_the_table_has_a_row_for_each_column_of_each_kernel():
    model = filled(mm.LeNet)
    table = amplifications(model, 0.3)
    assert table.sizes["column"] == 6 + 16 and table.attrs == {"eps": 0.3, "reading": "filter"}
    np.testing.assert_allclose(table.worst_case, table.energy + table.fuzzy, rtol=1e-5)
    for layer, k in mm.kernels(model).items():
        rows = table.isel(column=table.layer == layer)
        np.testing.assert_allclose(rows.worst_case, 0.3 * np.abs(k).sum((0, 1, 2)), rtol=1e-5)
        np.testing.assert_allclose(rows.cap, np.abs(k).max((0, 1, 2)))
        assert rows.channel.values.tolist() == list(range(k.shape[-1]))
        assert set(rows.taps.values) == {k[..., 0].size}
        options = {"reading": "filter", "membership": "magnitude", "measure": "quadratic"}
        f = mm.degrees(k, **options).mean((0, 1, 2))
        np.testing.assert_allclose(rows.fuzziness, f, rtol=1e-4)
    k = mm.kernels(model)["conv2"]
    chosen, alone = amplifications(model, layers=["conv2"]), amplifications(k)
    np.testing.assert_allclose(alone.worst_case, chosen.worst_case)
    assert set(alone.layer.values) == {"kernel"}
    by_layer = amplifications(k, reading="layer")
    np.testing.assert_allclose(by_layer.cap, float(jnp.abs(k).max()))
    np.testing.assert_allclose(by_layer.energy + by_layer.fuzzy, chosen.worst_case, rtol=1e-5)


@unchecked()
def test_half_precision_counts_as_the_same_weights_in_float32():
    half = KERNEL.astype(jnp.bfloat16)
    wide = half.astype(jnp.float32)
    np.testing.assert_array_equal(amplification(half, 0.1), amplification(wide, 0.1))
    np.testing.assert_array_equal(amplification_parts(half), amplification_parts(wide))
