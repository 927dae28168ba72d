"""Figures of what penalties did, on a made-up result."""

import numpy as np
import pytest

from helpers.drawn import labelled
from helpers.made_up import ARMS, penalties
from helpers.refusal import refuses
from minmax_jax import plots
from minmax_jax.study.design.arm import Arm


@pytest.fixture(scope="module")
def table():
    return penalties()


@pytest.mark.parametrize("name", ["strength_curves", "arms", "trade_off", "cause", "certified", "network"])
def test_every_figure_is_labelled_and_can_be_drawn(table, name):
    figure = getattr(plots, name)(table)
    figure.draw_without_rendering()
    assert labelled(figure) or name == "arms"  # whose rows name themselves


def test_the_curve_is_of_paired_changes_in_points(table):
    clean, worst = plots.strength_curves(table).axes
    signed = worst.lines[0]
    np.testing.assert_allclose(signed.get_ydata(), [3, -3], atol=1e-5)
    np.testing.assert_allclose(clean.lines[0].get_ydata(), [-3, -3], atol=1e-5)
    assert [tick.get_text() for tick in worst.get_xticklabels()] == ["-30", "0", "30"]


def test_the_curve_runs_by_strength_whatever_the_order_of_arms(table):
    lines = [
        plots.strength_curves(one).axes[1].lines[0] for one in (table, table.isel(arm=slice(None, None, -1)))
    ]
    np.testing.assert_array_equal(*(line.get_xydata() for line in lines))
    assert (np.diff(lines[0].get_xdata()) > 0).all()


def test_arms_are_counted_by_their_intervals(table):
    (ax,) = plots.arms(table).axes
    assert ax.get_title() == "intervals above 0: 2 arms, below: 3, on both sides: 1"
    assert ax.get_yticklabels()[-1].get_text() == "fuzziness -30 layer signed entropy"


def test_arms_of_a_kind_are_listed_by_strength_whatever_their_order(table):
    listed = [
        [tick.get_text() for tick in plots.arms(one).axes[0].get_yticklabels()]
        for one in (table, table.isel(arm=slice(None, None, -1)))
    ]
    for names in listed:
        assert names.index("fuzziness 30 layer signed entropy") < names.index(
            "fuzziness -30 layer signed entropy"
        )
    assert sorted(listed[0]) == sorted(listed[1])


def test_the_trade_off_leaves_adversarial_training_out(table):
    (ax,) = plots.trade_off(table).axes
    found = {line.get_label(): line.get_xdata() for line in ax.lines}
    np.testing.assert_allclose(found["none"], [98], atol=1e-4)
    np.testing.assert_allclose(sorted(found["fuzziness"]), [95] * 4, atol=1e-4)


def test_the_less_fuzzy_the_more_robust_would_be_a_correlation_of_minus_one(table):
    """Here fuzziness and robustness fall together."""
    assert [ax.get_title()[-7:] for ax in plots.cause(table).axes] == [": +1.00"] * 2


def test_certificates_are_shown_of_plain_and_of_adversarial_training():
    table = penalties((*ARMS, Arm("fuzziness", -1.0, eps=0.1), Arm("l2", 3e-3, eps=0.1)))
    left, right = plots.certified(table).axes
    names = [[text.get_text() for text in ax.get_legend().get_texts()] for ax in (left, right)]
    assert names[0] == ["none", "-30 signed", "30 signed", "-30 magnitude", "30 magnitude"]
    assert names[1] == ["none eps 0.1", "10 signed"]
    course = 100 * table.verified.sel(arm="none eps 0.1").mean("seed")
    np.testing.assert_array_equal(right.lines[0].get_ydata(), course)


def test_a_radius_that_was_not_attacked_is_refused(table):
    with refuses("eps must be one of [0.05, 0.1, 0.2, 0.3], got 0.15"):
        plots.strength_curves(table, eps=0.15)


def test_an_unknown_arm_is_refused(table):
    with refuses("arm is 'many'; it takes one of ['none',"):
        plots.network(table, "many")
