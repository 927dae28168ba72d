"""The explorer of a result's networks: every choice shows the arm that it names."""

import numpy as np
import pytest
import xarray as xr

import minmax_jax as mm
from helpers.made_up import doses
from helpers.refusal import refuses
from minmax_jax.widgets.arms import cell

pytestmark = pytest.mark.versions

W = mm.widgets
MADE = [("a", 1, 5.0), ("b", 1, 20.0), ("c", 2, 5.0), ("d", 2, 20.0), ("e", 2, 20.0)]


@pytest.fixture(scope="module")
def table():
    names, taps, slopes = zip(*MADE, strict=True)
    numbers = np.arange(len(MADE))
    seeds = np.array([-0.01, 0.0, 0.01])
    accuracy = (numbers[:, None] / 10 + 0.2 + seeds)[:, :, None, None]
    kernel = np.random.default_rng(0).normal(size=(len(MADE), 3, 5, 5, 1, 6))
    return xr.Dataset(
        {
            "accuracy": (("arm", "seed", "attack", "eps"), accuracy),
            "clean_accuracy": (("arm", "seed"), accuracy[..., 0, 0]),
            "kernel_conv1": (("arm", "seed", "row", "column", "channel", "filter"), kernel),
        },
        {
            "arm": list(names),
            "made_taps": ("arm", list(taps)),
            "made_slope": ("arm", list(slopes)),
            "seed": range(3),
            "attack": ["worst"],
            "eps": [0.1],
        },
    )


def test_each_choice_shows_the_first_arm_that_fits(table):
    explorer = W.ArmExplorer(table, {"taps": [1, 2], "slope": None}, {"a": "a"}, start={"slope": 20.0})
    assert explorer.axes == {"taps": [1, 2], "slope": [5.0, 20.0]}
    for taps, slope, share in ((1, 5.0, 20), (1, 20.0, 30), (2, 5.0, 40), (2, 20.0, 50)):
        caption = explorer.caption(taps=taps, slope=slope)
        assert caption.startswith(f"taps {taps}, slope {slope:g}: ") and f"withstand {share} % [" in caption
    assert cell(table, {"slope": 20.0}).arm == "b" and cell(table, {}).arm == "a"
    held = W.ArmExplorer(table, {"slope": None}, where={"taps": 2})
    assert "withstand 50 %" in held.caption(slope=20.0)


def test_axes_of_a_table_are_chosen_too():
    beside = {"plain": {"dose": 0.0}}
    explorer = W.ArmExplorer(doses(), {"dose": None}, beside, {"variant": "classic"}, {"dose": 0.3})
    assert explorer.axes == {"dose": [0.0, 0.15, 0.3]} and explorer.start == {"dose": 0.3}
    assert "withstand 90 %" in explorer.caption()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"controls": {"taps": [1, 3]}}, "taps must be one of [1, 2], got 3"),
        ({"controls": {"size": None}}, "labels must be of ['taps', 'slope', 'arm', 'seed', 'attack', 'eps'"),
        ({"controls": {"taps": None}, "seed": 7}, "seed must be one of [0, 1, 2], got 7"),
        ({"controls": {"slope": None}, "where": {"taps": 1, "arm": "c"}}, "an arm for every choice"),
    ],
)
def test_what_does_not_fit_is_named(table, options, words):
    with refuses(words):
        W.ArmExplorer(table, **options)
