"""Rows are chosen by name, and both sides know how to measure them."""

import pytest

from helpers.refusal import refuses
from minmax_jax.attacks.registry import NAMED
from minmax_jax.benchmark import jax_side as ours
from minmax_jax.benchmark import whole
from minmax_jax.benchmark.rows import (
    DEVICE,
    GROWTH,
    LONG,
    MAIN,
    PGD_STEPS,
    QUICK,
    RESTARTS,
    ROWS,
    WHOLE,
    choose,
)


def test_rows_that_are_not_long_are_the_default_and_quick_leaves_growth_and_whole_attacks_out():
    assert {*ROWS} - {*choose(None, quick=False, device=False)} == {"autoattack"}
    quick = {n for n, row in ROWS.items() if not row.axis and not row.needs}
    assert {*choose(None, quick=True, device=False)} == quick
    assert choose(None, quick=True, device=True) == DEVICE


def test_rows_come_as_they_are_named():
    assert [*choose("pgd, batch", quick=True, device=False)] == ["pgd", "batch"]


@pytest.mark.parametrize("only", ["pdg", "train,pdg", ",", ""])
def test_an_unknown_row_is_a_clear_error(only):
    words = ["unknown row pdg"] if "pdg" in only else ["--only is empty"]
    with refuses(*words, *ROWS):
        choose(only, quick=False, device=False)


def test_sizes():
    assert ROWS["train"].size(False, None) == MAIN and ROWS["batch"].size(False, None) == GROWTH
    assert ROWS["batch"].size(True, None) == QUICK
    assert ROWS["train"].size(True, 7).runs == 7


def test_what_takes_minutes_is_measured_less_often():
    for quick in (True, False):
        assert ROWS["autoattack"].size(quick, None) == LONG
        assert ROWS["pgd40"].size(quick, None) == WHOLE
    assert LONG.repeats == LONG.runs == 1 and WHOLE.repeats < MAIN.repeats


def test_our_side_measures_every_row():
    assert {row.measure for row in (ROWS | DEVICE).values()} <= set(ours.MEASURES | whole.MEASURES)


def test_the_steps_counted_are_those_that_robustness_takes():
    assert NAMED["pgd"].function.keywords == {"steps": PGD_STEPS, "restarts": RESTARTS}


@pytest.mark.parametrize("models", [2**i for i in range(13)])
def test_a_sweep_has_as_many_models_as_asked_for(models):
    objectives, seeds = ours.grid(models)
    assert len(objectives) * len(seeds) == models and len(seeds) in (len(objectives), 2 * len(objectives))
    assert len({one.strength for one in objectives}) == len(objectives)
