"""The theory experiment in quick mode: each statement is checked in trained networks."""

import jax.numpy as jnp
import numpy as np
import pytest

from helpers.small import lenet
from minmax_jax.fuzziness import MEASURES
from minmax_jax.study.engine.result import read
from minmax_jax.study.engine.runner import run
from minmax_jax.study.experiments import theory


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    return read(run(theory.plan(quick=True), folder, "a test", progress=False)[0])


def test_the_table_is_labelled(table):
    assert table.sharpened.dims == ("seed", "layer", "sharpness", "measure")
    assert table.explained.dims == ("seed", "flow", "strength", "layer")
    assert table.sizes["weight_conv1"] == 150 and table.sizes["weight_conv2"] == 2400
    assert all(table[name].attrs["long_name"] for name in table.data_vars)


def test_sharpening_lowers_every_measure(table):
    assert (table.sharpened.diff("sharpness") <= 1e-6).all()
    assert (table.sharpened.sel(sharpness=100).max() < 0.2) and (
        table.sharpened.sel(sharpness=0.5) > 0.7
    ).all()
    trained = table.sharpened.sel(sharpness=1.0)
    assert np.isfinite(trained).all()


def test_sharpening_by_hand():
    kernel = jnp.array([0.0, 0.25, 0.5, 1.0]).reshape(1, 1, 1, 4)
    model = {"conv1": {"kernel": kernel}, "conv2": {"kernel": kernel}}
    found = theory.sharpening(model)["sharpened"][0]
    quadratic = found[:, MEASURES.index("quadratic")]
    # mu = 0, 1/4, 1/2, 1; at factor 1: 4 mu (1 - mu) = 0, 3/4, 1, 0; at 0.5: mu = 1/4, 3/8, 1/2, 3/4
    assert quadratic[theory.SHARPNESS.index(1.0)] == pytest.approx(1.75 / 4)
    assert quadratic[theory.SHARPNESS.index(0.5)] == pytest.approx((0.75 + 0.9375 + 1 + 0.75) / 4)
    assert quadratic[theory.SHARPNESS.index(2.0)] == pytest.approx(1 / 4)


def test_the_identities_hold_to_rounding(table):
    assert (table.identity_magnitude < 1e-5).all() and (table.identity_signed < 1e-5).all()


def test_the_identity_is_really_looked_at(monkeypatch):
    monkeypatch.setattr(theory, "amplification_parts", lambda kernel: (jnp.ones(kernel.shape[-1]), 1.0))
    assert (theory.identity(lenet())["identity_magnitude"] > 0.1).all()
