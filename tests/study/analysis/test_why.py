"""Findings and verdicts on why, on made-up tables whose answer is known."""

import json

import numpy as np
import pytest
import xarray as xr

from helpers.made_up import doses, observation
from minmax_jax.study.analysis import verdicts
from minmax_jax.study.analysis.verdict import effect
from minmax_jax.study.analysis.why import baseline, kept, percent, robust_arms

SEEDS = np.arange(5)


def table(arms, small=False):
    """Accuracy at eps 0.1 by arm, and a fifth of it at 0.2; seeds differ by a point to either side."""
    spread = np.linspace(-0.01, 0.01, 5)
    shares = np.array(list(arms.values()))[:, None] + spread
    accuracy = np.stack([shares, shares / 5], -1)[:, :, None].repeat(2, 2)
    return xr.Dataset(
        {
            "accuracy": (("arm", "seed", "attack", "eps"), accuracy),
            "clean_accuracy": (("arm", "seed"), np.full(shares.shape, 0.98)),
        },
        {"arm": list(arms), "seed": SEEDS, "attack": ["pgd", "worst"], "eps": [0.1, 0.2]},
        {"about": json.dumps({"config": {"small": small}})},
    )


CRISP = table(
    {"classic, none": 0.1, "modern, none": 0.3, "classic, units 100": 0.9, "modern, l1 - l2 1": 0.3}
)


def test_arms_are_compared_with_the_plain_network_of_their_variant():
    names = [baseline(CRISP, str(arm)) for arm in CRISP.arm.values]
    assert names == ["classic, none", "modern, none", "classic, none", "modern, none"]
    assert baseline(table({"none": 0.1, "plain, both": 0.2}), "plain, both") == "none"
    found = {one.reading: one for one in robust_arms(CRISP, "crisp_by_loss")}
    assert found["classic, none"].result == "the baseline"
    best = found["classic, units 100"]
    assert (
        best.result == "more robust" and "90 % [89, 91] at eps 0.1, 18 % [18, 18] at eps 0.2" in best.effect
    )
    assert "+80.0 [+80.0, +80.0] points" in best.effect and best.attack == "pgd" and best.seeds == 5
    assert found["modern, l1 - l2 1"].result == "no effect beyond 0 points"


def test_shares_stay_in_the_interval():
    assert percent(effect(np.array([0.9, 1.0, 1.0, 1.0]))) == "98 % [90, 100]"
    assert float(kept(CRISP, "classic, none", 0.1).mean) == pytest.approx(0.1)


def test_a_verdict_needs_its_results_and_its_arms_and_a_quick_one_is_a_toys():
    assert verdicts.verdicts({}) == []
    tables = {"crisp_by_loss": CRISP}
    (row,) = verdicts.verdicts(tables)
    assert "withstand eps 0.1: 30 % [29, 31], without it 30 % [29, 31]; 0.2: 6 %" in row.amount
    assert row.here == verdicts.MIXED
    assert verdicts.verdicts({"crisp_by_loss": CRISP.isel(arm=[0])}) == []
    (toy,) = verdicts.verdicts({"crisp_by_loss": CRISP.assign_attrs(table({"a": 0.1}, small=True).attrs)})
    assert toy.amount.endswith("(a toy's verdict: of a quick run)")


def test_transplants_are_judged_by_arrangement_and_thresholds():
    both = "adversarial 0.3, both"
    arms = {
        "none": 0.3,
        both: 0.9,
        f"{both}, snapped": 0.8,
        f"{both}, permuted": 0.2,
        f"{both}, no bias": 0.25,
    }
    (row,) = verdicts.verdicts({"transplants_ablations": table(arms)})
    assert (
        "thresholds" in row.here
        and "trained at 0.3 90 % [89, 91], without 30 %" in row.amount
        and "permuted 20 % [19, 21]" in row.amount
    )
    other = arms | {f"{both}, permuted": 0.9}
    (row,) = verdicts.verdicts({"transplants_ablations": table(other)})
    assert row.here == verdicts.MIXED


def test_what_training_needs_is_judged_at_the_largest_radius():
    arms = {
        "none, eps 0.3": 0.9,
        "plain, both, eps 0.3": 0.1,
        "none, eps 0.3, no zeros": 0.5,
        "none, eps 0.3, no biases": 0.4,
    }
    (row,) = verdicts.verdicts({"transplants_necessity": table(arms)})
    assert "withstand it: 18 % [18, 18]" in row.amount and row.amount.endswith("trained plainly 2 % [2, 2]")
    assert "far less" in row.here
    (row,) = verdicts.verdicts({"transplants_necessity": table(arms | {"none, eps 0.3, no zeros": 0.9})})
    assert row.here == verdicts.MIXED


def test_magnitudes_approach_zero_where_they_do_with_relu_alone():
    made = doses()
    (row,) = verdicts.verdicts({"dose_mnist": made})
    assert row.here == verdicts.MIXED and "90 % [90, 90] at eps 0.3; with tanh 90 % [90, 90]" in row.amount
    made["near_zero"] = made.near_zero.where(made.variant == "modern", 0.2)
    (row,) = verdicts.verdicts({"dose_mnist": made})
    assert "with ReLU" in row.here and "0 % [0, 0] trained plainly" in row.amount


def test_where_weights_move_is_counted_over_conditions():
    falls = {
        "mnist modern adam": {"layer": -0.1, "fixed": 0.2},
        "mnist modern sgd": {"layer": -0.1, "fixed": 0.3},
    }
    made = observation(falls).assign_attrs(table({"a": 0.1}).attrs)
    (row,) = verdicts.verdicts({"observation": made})
    assert "in 2 of 2 conditions, in the second interval in 0" in row.amount


def test_rows_are_a_markdown_table_or_lines():
    rows = verdicts.verdicts({"crisp_by_loss": CRISP})
    assert verdicts.markdown(rows).splitlines()[2].count(" | ") == 2
    table = verdicts.VerdictTable(rows)
    assert table._repr_markdown_() == verdicts.markdown(rows) and str(table) == verdicts.plain(rows, 100)
    lines = verdicts.plain(rows, 60).splitlines()
    assert max(map(len, lines)) <= 60 and lines[-1].startswith("  ")
