"""The grid of a sweep: what its axes take, how they are labelled, and how it is cut into groups."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minmax_jax as mm
from helpers.refusal import refuses
from minmax_jax.sweeps.grid import Cell, make_grid

READ = [mm.Objective(1.0, reading="layer"), mm.Objective(2.0, reading="filter", layers=["conv1"])]


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 30))
def test_every_cell_is_in_one_group(strengths, seeds, size):
    groups = make_grid([*map(float, range(strengths))], range(seeds)).groups(size)
    cells = [cell for group in groups for cell in group]
    assert sorted(cells) == [Cell(i, j) for i in range(strengths) for j in range(seeds)]
    assert [len(group) for group in groups[:-1]] == [size] * (len(groups) - 1)
    assert 1 <= len(groups[-1]) <= size


def test_objectives_of_different_programs_are_never_in_one_group():
    objectives = [mm.Objective(1.0), mm.Objective(1.0, reading="filter"), mm.Objective(2.0)]
    groups = make_grid(objectives, [5, 6]).groups(3)
    assert [[cell.objective for cell in group] for group in groups] == [[0, 0, 2], [2], [1, 1]]


def test_numbers_stand_for_strengths():
    grid = make_grid(np.array([0.5, 1]), np.array([3, 1]))
    assert grid.objectives == (mm.Objective(0.5), mm.Objective(1.0)) and grid.seeds == (3, 1)
    assert grid.dimension == "strength"
    assert grid.coordinates()["strength"].tolist() == [0.5, 1] and grid.coordinates()["seed"].tolist() == [
        3,
        1,
    ]
    assert make_grid([mm.Objective(1, l1=0.1), mm.Objective(2, l1=0.1)], [0]).dimension == "strength"


def test_objectives_that_differ_in_more_lie_along_an_axis_of_their_own():
    grid = make_grid(READ, [0])
    assert grid.dimension == "objective"
    labels = grid.coordinates()
    assert labels["objective"].tolist() == [0, 1]
    assert labels["objective_strength"] == ("objective", [1.0, 2.0])
    assert labels["objective_reading"] == ("objective", ["layer", "filter"])
    assert labels["objective_layers"] == ("objective", ["None", "('conv1',)"])
    assert make_grid([1.0, mm.Objective(1.0, l2=0.1)], [0]).dimension == "objective"


@pytest.mark.parametrize(
    ("objectives", "seeds", "error", "words"),
    [
        ([], [0], ValueError, ["objectives is empty"]),
        ([0.1], [], ValueError, ["seeds is empty"]),
        ([0.1, 0.2, 0.1], [0], ValueError, ["objectives holds", "0.1", "twice, at 0 and 2"]),
        ([0.1, mm.Objective(0.1)], [0], ValueError, ["objectives holds", "twice, at 0 and 1"]),
        ([0.1], [1, 2, 1], ValueError, ["seeds holds 1 twice, at 0 and 2"]),
        ([0.1], [-1], ValueError, ["seeds must be in [0, 2147483647], got -1"]),
        ([0.1], [2**31], ValueError, ["seeds is 2147483648"]),
        ([0.1], [0.5], TypeError, ["seeds must be an int, got 0.5"]),
        ([0.1], [True], TypeError, ["seeds is True"]),
        ([0.1], "12", TypeError, ["seeds must be a sequence, got '12'"]),
        ([0.1], 3, TypeError, ["seeds must be a sequence, got 3"]),
        (0.1, [0], TypeError, ["objectives must be a sequence, got 0.1"]),
        ("0.1", [0], TypeError, ["objectives is '0.1'"]),
        (mm.Objective(), [0], TypeError, ["objectives is Objective("]),
        (["0.1"], [0], TypeError, ["strength is '0.1'"]),
        ([float("nan")], [0], ValueError, ["strength is nan"]),
        ([mm.Objective(jnp.ones(2))], [0], ValueError, ["objectives holds", "one number"]),
    ],
)
def test_unfit_axes_are_named(objectives, seeds, error, words):
    with refuses(*words, error=error):
        make_grid(objectives, seeds)
