"""The figure of an arm, on a made-up result."""

import numpy as np
import pytest

from helpers.drawn import labelled
from helpers.made_up import penalties
from helpers.refusal import refuses
from minmax_jax.plots.penalty_view import PenaltyView, verdict
from minmax_jax.study.design.arm import Arm


@pytest.fixture(scope="module")
def table():
    return penalties()


def test_an_arm_is_drawn_and_told(table):
    view = PenaltyView(table, seed=1)
    figure = view.show(Arm("fuzziness", 30.0))
    assert labelled(figure)
    assert view.accuracies.get_title() == "95.0% clean, 60% at eps 0.1"
    assert view.caption.startswith(
        "fuzziness 30 layer signed entropy: 95.0% clean, 60% under the worst attack"
    )
    assert "(63% without the penalty)" in view.caption and view.caption.endswith(
        "masking: no alarm of 3 seeds."
    )
    assert next(line.get_label() for line in view.accuracies.lines) == "no penalty, worst case"
    # fuzziness over the strengths of its kind, the base as 0
    assert [tick.get_text() for tick in view.fuzziness.get_xticklabels()] == ["-30", "0", "30"]
    np.testing.assert_allclose(view.fuzziness.lines[0].get_ydata(), [0.83, 0.8, 0.77], atol=1e-6)
    titles = [ax.get_title() for ax in view.pictures[0]]
    assert titles == ["labelled 7", "eps 0.05: a 7", "eps 0.1: a 7", "eps 0.2: a 3", "eps 0.3: a 3"]
    image = table.image.sel(seed=1).values + table.perturbation.sel(seed=1, arm="none")[0].values
    np.testing.assert_array_equal(view.pictures[0, 1].images[0].get_array(), image)


def test_a_base_is_drawn_among_the_kind_that_is_asked_for(table):
    view = PenaltyView(table)
    view.show(Arm(), Arm("fuzziness", 30.0, membership="magnitude"))
    assert "magnitude" in view.fuzziness.get_ylabel()
    assert len(view.fuzziness.get_xticklabels()) == 3
    view.show(Arm("fuzziness", 10.0, eps=0.1))
    assert [tick.get_text() for tick in view.fuzziness.get_xticklabels()] == ["0", "10"]


def test_alarms_are_counted_by_seeds(table):
    loud = table.copy(deep=True)
    loud.masking.loc[{"arm": "none", "check": "one_step", "seed": [0, 2]}] = 0.1
    loud.masking.loc[{"arm": "none", "check": "transfer", "seed": 0}] = 1 / 64  # one image alarms nobody
    assert verdict(loud.sel(arm="none")) == "Checks for gradient masking: alarms by one_step in 2 of 3 seeds."
    loud["masking"] = loud.masking * np.nan
    assert verdict(loud.sel(arm="none")) == "Checks for gradient masking: not made."


def test_what_is_not_there_is_refused(table):
    with refuses("seed must be one of [0, 1, 2], got 9"):
        PenaltyView(table, seed=9)
    with refuses("arm is 'l2 1'"):
        PenaltyView(table).show(Arm("l2", 1.0))
