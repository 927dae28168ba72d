"""Figures of the study's results: shipped ones, and made-up ones whose numbers are known."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from helpers.drawn import labelled
from helpers.made_up import penalties
from minmax_jax import plots
from minmax_jax.study import minmax_effects, read

pytestmark = pytest.mark.versions

RESULT = Path(__file__).parents[2] / "notebooks/results/observation.nc"


@pytest.fixture(scope="module")
def table():
    return penalties()


def turned(table):
    return table, table.isel(arm=slice(None, None, -1))


def names(labels):
    return [text.get_text() for text in labels]


# The observation


@pytest.mark.slow
def test_a_mark_for_every_condition_that_learned_full_where_it_holds():
    table = read(RESULT)
    figure = plots.conditions(table)
    effects = minmax_effects(table)
    effects = effects.isel(condition=(effects.accuracy > 0.5).values & (table.labels == "true").values)
    assert labelled(figure) and effects.sizes["condition"] == 9
    legend = names(figure.legends[0].get_texts())
    assert legend[:2] == ["mnist modern", "mnist classic"] and legend[-3:] == ["adam", "sgd", "adamw"]
    rows = names(figure.axes[0].get_yticklabels())
    assert rows[0] == "fixed, magnitude" and rows[-1] == "layer, signed"
    for ax, layer in zip(figure.axes, ("conv1", "conv2"), strict=True):
        marks = [line for line in ax.lines if line.get_marker() in "os^D"]
        assert len(marks) == 6 * effects.sizes["condition"]
        full = sum(line.get_markerfacecolor() != "white" for line in marks)
        assert full == int(effects.sel(layer=layer).holds.sum())


# The theory


@pytest.fixture
def paths():
    weights = {
        "sign_constancy": [1.0, 0.5, 0.2, 0.1],
        "direction": [1, -1, 1, 1],
        "drift": [0.1, -0.2, 0.3, -0.1],
    }
    layers, shape = ["conv1", "conv2"], (2, 2, 3, 2)
    explained = np.broadcast_to(np.array([0.0, 0.5, np.nan])[:, None], shape)
    values = {
        f"{name}_{layer}": (("seed", f"weight_{layer}"), np.array([found, found]))
        for name, found in weights.items()
        for layer in layers
    }
    values["explained"] = (("seed", "flow", "strength", "layer"), explained)
    flows, strengths = ["quadratic", "entropy"], [0.0, 10.0, 1000.0]
    return xr.Dataset(values, {"seed": [0, 1], "flow": flows, "strength": strengths, "layer": layers})


def test_drift_counts_weights_that_go_against_their_gradient(paths):
    figure = plots.drift(paths, 1)
    assert labelled(figure) and "75% of weights" in figure.axes[0].get_title()
    agree, against = figure.axes[0].lines[:2]
    assert agree.get_xdata().tolist() == [1.0, -0.5, 0.2] and against.get_ydata().tolist() == [-0.1]


def test_explained_leaves_out_no_strength_and_no_flow(paths):
    figure = plots.explained(paths)
    assert labelled(figure) and len(figure.axes[0].lines) == 4
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [0.5, np.nan])


# Penalties


def test_curves_are_of_paired_changes_in_order_of_strength(table):
    for one in turned(table):
        figure = plots.strength_curves(one)
        clean, worst = figure.axes
        assert labelled(figure)
        np.testing.assert_allclose(worst.lines[0].get_ydata(), [3, -3], atol=1e-5)
        np.testing.assert_allclose(clean.lines[0].get_ydata(), [-3, -3], atol=1e-5)
        assert names(worst.get_xticklabels()) == ["-30", "0", "30"]
        assert (np.diff(worst.lines[0].get_xdata()) > 0).all()


def test_arms_are_listed_by_strength_and_counted_by_their_intervals(table):
    for one in turned(table):
        (ax,) = plots.arms(one).axes
        assert ax.get_title() == "intervals above 0: 2 arms, below: 3, on both sides: 1"
        rows = names(ax.get_yticklabels())
        strong, weak = (rows.index(f"fuzziness {s} layer signed entropy") for s in ("30", "-30"))
        assert len(rows) == 6 and strong < weak
    assert names(plots.arms(table).axes[0].get_yticklabels())[-1] == "fuzziness -30 layer signed entropy"


def test_where_fuzziness_and_robustness_fall_together_they_correlate(table):
    figure = plots.cause(table)
    assert labelled(figure) and [ax.get_title()[-7:] for ax in figure.axes] == [": +1.00"] * 2
