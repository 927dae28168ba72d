"""The figure of the observation, on the shipped result."""

from pathlib import Path

import pytest

from helpers.drawn import labelled
from minmax_jax import plots
from minmax_jax.study import read
from minmax_jax.study.analysis.verdict import minmax_effects

RESULT = Path(__file__).parents[2] / "notebooks/results/observation.nc"


@pytest.fixture(scope="module")
def table():
    return read(RESULT)


def test_a_mark_for_every_condition_that_learned(table):
    figure = plots.conditions(table)
    assert labelled(figure)
    effects = minmax_effects(table)
    learned = int(((effects.accuracy > 0.5).values & (table.labels == "true").values).sum())
    assert learned == 9
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names[0] == "trajectory, magnitude" and names[-1] == "layer, signed"
    for ax in figure.axes:
        assert sum(line.get_marker() == "o" for line in ax.lines) == 8 * learned


def test_full_marks_are_those_that_hold(table):
    effects = minmax_effects(table).sel(layer="conv1")
    effects = effects.isel(condition=(effects.accuracy > 0.5).values & (table.labels == "true").values)
    marks = [line for line in plots.conditions(table).axes[0].lines if line.get_marker() == "o"]
    full = sum(line.get_markerfacecolor() != "white" for line in marks)
    assert full == int(effects.holds.sum())
