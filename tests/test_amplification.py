"""Amplification: the worst case of a column, its identity with fuzziness, and the table of a model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import minmax_jax as mm
from certify.nets import net
from helpers.refusal import refuses
from minmax_jax.amplification import amplification
from minmax_jax.certify import amplification_parts, amplifications

SHAPE = (3, 2, 2, 4)


def kernel(seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=SHAPE), jnp.float32)


def test_no_change_of_the_inputs_moves_an_output_further_and_the_signs_of_the_column_move_it_so_far():
    k, eps = kernel(), 0.1
    worst = np.asarray(amplification(k, eps))
    columns = k.reshape(-1, SHAPE[-1])
    np.testing.assert_allclose((eps * jnp.sign(columns) * columns).sum(0), worst, rtol=1e-6)
    change = np.random.default_rng(1).uniform(-eps, eps, (1000, len(columns)))
    change[::2] = eps * np.sign(change[::2])
    moved = np.abs(change @ np.asarray(columns))
    assert (moved <= worst[None] + 1e-6).all()
    assert moved.max() > 0.5 * worst.max()


weights = arrays(np.float32, SHAPE, elements=st.floats(-4, 4, width=32))


@pytest.mark.parametrize("reading", ["filter", "layer"])
@given(weights)
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


def test_a_column_that_is_off_or_at_the_cap_has_no_fuzzy_part():
    values = np.float32([0.5, 0, -0.5, 0.5, 0, 0]).reshape(6, 1)
    energy, fuzzy = amplification_parts(values)
    assert float(fuzzy[0]) == 0
    assert float(energy[0]) == pytest.approx(1.5)


def test_the_fuzzy_part_is_fuzziness():
    k = kernel()
    _, fuzzy = amplification_parts(k)
    for column in range(SHAPE[-1]):
        one = k[..., column]
        f = mm.fuzziness(one, membership="magnitude", measure="quadratic")
        expected = one.size * jnp.abs(one).max() / 4 * f
        assert float(fuzzy[column]) == pytest.approx(float(expected), rel=1e-5)


def test_parts_are_jittable():
    k = kernel()
    for got, expected in zip(jax.jit(amplification_parts)(k), amplification_parts(k), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_the_table_has_a_row_for_each_column_of_each_kernel():
    model = net()
    table = amplifications(model, 0.3)
    assert table.sizes["column"] == 6 + 16
    np.testing.assert_allclose(table.worst_case, table.energy + table.fuzzy, rtol=1e-5)
    for layer, k in mm.kernels(model).items():
        rows = table.isel(column=table.layer == layer)
        np.testing.assert_allclose(rows.worst_case, 0.3 * np.abs(k).sum((0, 1, 2)), rtol=1e-5)
        np.testing.assert_allclose(rows.cap, np.abs(k).max((0, 1, 2)))
        assert rows.channel.values.tolist() == list(range(k.shape[-1]))
        assert set(rows.taps.values) == {k[..., 0].size}
    assert ((table.fuzziness >= 0) & (table.fuzziness <= 1)).all()
    largest = table.groupby("layer").max().worst_case
    assert largest.sel(layer="conv1") == pytest.approx(float(table.worst_case[:6].max()))


def test_the_table_takes_one_kernel_a_layer_or_the_cap_of_the_layer():
    model = net()
    k = mm.kernels(model)["conv2"]
    chosen = amplifications(model, layers=["conv2"])
    np.testing.assert_allclose(amplifications(k).worst_case, chosen.worst_case)
    by_layer = amplifications(k, reading="layer")
    np.testing.assert_allclose(by_layer.cap, float(jnp.abs(k).max()))
    np.testing.assert_allclose(by_layer.energy + by_layer.fuzzy, chosen.worst_case, rtol=1e-5)


def test_bad_input_is_refused():
    for eps in (-0.1, np.inf, np.nan):
        with refuses("eps is", eps, ">= 0"):
            amplification(kernel(), eps)
    with refuses("reading is 'fixed'"):
        amplification_parts(kernel(), "fixed")
    with refuses("zero width"):
        amplification_parts(kernel().at[..., 2].set(0))
    with refuses("layers is ['conv1']", "a single kernel"):
        amplifications(kernel(), layers=["conv1"])
    with refuses("no convolution kernel"):
        amplifications({"dense": jnp.ones((3, 4))})
