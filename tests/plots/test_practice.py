"""Figures of theory against practice, on a made-up result."""

import numpy as np
import pytest
import xarray as xr

from helpers.drawn import labelled
from helpers.refusal import refuses
from minmax_jax import plots


@pytest.fixture
def table():
    weights = {
        "sign_constancy": [1.0, 0.5, 0.2, 0.1],
        "direction": [1, -1, 1, 1],
        "drift": [0.1, -0.2, 0.3, -0.1],
    }
    shape = (2, 2, 3, 2)  # seed, flow, strength, layer
    explained = np.broadcast_to(np.array([0.0, 0.5, np.nan])[:, None], shape)
    return xr.Dataset(
        {
            f"{name}_{layer}": (("seed", f"weight_{layer}"), np.array([values, values]))
            for name, values in weights.items()
            for layer in ("conv1", "conv2")
        }
        | {"explained": (("seed", "flow", "strength", "layer"), explained)},
        {
            "seed": [0, 1],
            "flow": ["quadratic", "entropy"],
            "strength": [0.0, 10.0, 1000.0],
            "layer": ["conv1", "conv2"],
        },
    )


def test_drift_counts_weights_that_go_against_their_gradient(table):
    figure = plots.drift(table, 1)
    assert labelled(figure)
    assert "75% of weights" in figure.axes[0].get_title()
    agree, against = figure.axes[0].lines[:2]
    assert agree.get_xdata().tolist() == [1.0, -0.5, 0.2] and against.get_ydata().tolist() == [-0.1]
    with refuses("seed must be one of [0, 1], got 7"):
        plots.drift(table, 7)


def test_explained_leaves_out_no_strength_and_no_flow(table):
    figure = plots.explained(table)
    assert labelled(figure)
    assert len(figure.axes[0].lines) == 4
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [0.5, np.nan])
