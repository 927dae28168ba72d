"""The explorer of the study's networks: a picture for each strength and membership."""

import pytest

import minmax_jax as mm
from helpers.made_up import penalties
from helpers.refusal import refuses


@pytest.fixture(scope="module")
def table():
    return penalties()


def test_every_arm_of_the_curve_has_its_picture(table):
    found = mm.widgets.PenaltyExplorer(table)
    assert found.axes == {"strength λ": [-30.0, 0.0, 30.0], "membership": ["signed", "magnitude"]}
    assert found.start == {"strength λ": 0.0, "membership": "signed"}
    assert found.caption().startswith("none: 98.0% clean")
    choice = {"strength λ": 30.0, "membership": "magnitude"}
    assert found.caption(**choice).startswith("fuzziness 30 layer magnitude entropy: 95.0% clean")
    assert len({found.frame(**{"strength λ": s}) for s in (-30.0, 0.0, 30.0)}) == 3


def test_arms_with_adversarial_training_are_asked_for_by_radius(table):
    found = mm.widgets.PenaltyExplorer(table, eps=0.1)
    assert found.axes == {"strength λ": [0.0, 10.0], "membership": ["signed"]}
    assert found.caption().startswith("none eps 0.1")


def test_other_arms_are_refused(table):
    with refuses("table holds no arm with reading 'fixed', measure 'entropy' and eps 0"):
        mm.widgets.PenaltyExplorer(table, reading="fixed")


def test_a_hole_in_the_grid_is_said(table):
    holed = table.isel(arm=[name != "fuzziness 30 layer magnitude entropy" for name in table.arm.values])
    found = mm.widgets.PenaltyExplorer(holed)
    choice = {"strength λ": 30.0, "membership": "magnitude"}
    assert found.caption(**choice) == "fuzziness 30 layer magnitude entropy: not trained in this study."
    assert found.frame(**choice) != found.frame(**(choice | {"membership": "signed"}))
