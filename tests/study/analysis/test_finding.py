"""Findings in words: signs and intervals decide, by rules that are written down."""

import numpy as np
import pytest

from minmax_jax.study.analysis.finding import Finding, counted, direction, markdown, number, points
from minmax_jax.study.analysis.verdict import Effect


def made(low: float, high: float) -> Effect:
    return Effect(*(np.array(value) for value in ((low + high) / 2, low, high, 1.0)))


@pytest.mark.parametrize(
    ("holds", "words"),
    [
        ([True, True], "holds in all 2 conditions"),
        ([True, False, False], "holds in 1 of 3 conditions"),
        ([False], "does not hold"),
        (np.zeros(0, bool), "no conditions to judge"),
    ],
)
def test_counts(holds, words):
    assert counted(np.array(holds), "conditions") == words


def test_conditions_are_named_by_the_shorter_list():
    names = ["a", "b", "c"]
    assert counted(np.array([True, False, False]), "cases", names) == "holds in 1 of 3 cases (only: a)"
    assert counted(np.array([True, False, True]), "cases", names) == "holds in 2 of 3 cases (not: b)"
    assert counted(np.array([True, True, True]), "cases", names) == "holds in all 3 cases"
    assert counted(np.array([False, False, False]), "cases", names) == "does not hold"


def test_an_interval_that_holds_zero_shows_nothing():
    words = {"falls": "down", "rises": "up"}
    assert direction([made(-2, -1)], **words) == "down"
    assert direction([made(1, 2), made(0.1, 3)], **words) == "up"
    assert direction([made(-1, 1)], **words) == "no clear effect"
    assert direction([made(-2, -1), made(1, 2)], **words) == "no clear effect"


def test_figures():
    assert number(made(-0.02, 0.01)) == "-0.005 [-0.020, +0.010]"
    assert points(made(0.01, 0.03)) == "+2.0 [+1.0, +3.0] points"


def test_the_table_is_markdown():
    table = markdown([Finding("a", "b", "c", "d", "e", 5, "f", "1_one#Two words")])
    assert table.splitlines() == [
        "| claim | reading | result | effect | attack | seeds | experiment |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| a | b | c | d | e | 5 | [f](notebooks/1_one.ipynb#Two-words) |",
    ]
