"""The grid of a sweep: what its axes hold, how they are labelled, and how it is split into groups."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import minmax_jax as mm
from minmax_jax.sweeps.grid import Cell, make_grid

MIXED = [mm.Objective(1.0, reading="layer"), mm.Objective(2.0, reading="filter", layers=["conv1"])]


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
    labels = grid.coordinates()
    assert labels["strength"].tolist() == [0.5, 1] and labels["seed"].tolist() == [3, 1]
    assert make_grid([mm.Objective(1, l1=0.1), mm.Objective(2, l1=0.1)], [0]).dimension == "strength"


def test_objectives_that_differ_in_more_lie_along_an_axis_of_their_own():
    labels = make_grid(MIXED, [0]).coordinates()
    assert labels["objective"].tolist() == [0, 1]
    assert labels["objective_strength"] == ("objective", [1.0, 2.0])
    assert labels["objective_reading"] == ("objective", ["layer", "filter"])
    assert labels["objective_layers"] == ("objective", ["None", "('conv1',)"])
    assert make_grid([1.0, mm.Objective(1.0, l2=0.1)], [0]).dimension == "objective"


def test_defences_are_told_by_their_text_and_their_numbers():
    defended = mm.Objective(defence=mm.defences.Adversarial(0.1))
    labels = make_grid([mm.Objective(), defended], [0]).coordinates()
    assert labels["objective_defence"] == ("objective", ["None", defended.facts()["defence"]])
    np.testing.assert_array_equal(labels["objective_defence_eps"][1], [np.nan, 0.1])
