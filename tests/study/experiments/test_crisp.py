"""Crisp convolutions in quick mode: arms are what they say, and the best is confirmed on test images."""

import numpy as np
import pytest
import xarray as xr

import minmax_jax as mm
from helpers.quick import quick
from minmax_jax.study.design.crisp import UNITS, Found
from minmax_jax.study.design.data import study_data
from minmax_jax.study.engine.result import about
from minmax_jax.study.experiments import crisp
from minmax_jax.study.experiments.plans import PLANS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    names = ("crisp_by_hand", "crisp_by_loss", "crisp_confirmed")
    return {name: quick(name, folder) for name in names}


def test_tables_are_by_arm_and_seed(tables):
    for name, table in tables.items():
        assert table.accuracy.dims == ("arm", "seed", "attack", "eps") and table.finished.all(), name
        assert all(table[one].attrs["long_name"] for one in table.data_vars)
    assert tables["crisp_by_loss"].found_term.values.tolist() == ["none", "none", "units"]
    full = PLANS["crisp_by_hand"].full
    assert full.checks and full.epochs == 5 and len(full.seeds) == 5 and full.part == "validation"


def test_a_network_is_the_one_that_fit_trains(tables):
    data = study_data("mnist", small=True)
    run_ = mm.fit(UNITS.model(1), data.data, seed=1, snapshots=2, progress=False, **UNITS.training())
    cell = tables["crisp_by_loss"].sel(arm=UNITS.name, seed=1)
    np.testing.assert_array_equal(cell.kernel_conv1, run_.model.conv1.kernel[...])
    assert float(cell.clean_accuracy) == pytest.approx(mm.accuracy(run_.model, data.validation))


def test_the_confirmation_takes_the_best_and_other_seeds_and_images(tables):
    chosen = crisp.best(tables["crisp_by_loss"])
    again = tables["crisp_confirmed"]
    assert chosen in again.arm.values and again.seed.values.tolist() == [100, 101]
    notes = about(again)["config"]
    assert notes["part"] == "test" and notes["chosen by"] == tables["crisp_by_loss"].attrs["checksum"]


def test_the_best_is_robust_and_accurate_enough():
    names = [one.name for one in (Found(), UNITS)]

    def table(clean, robust):
        dims = ("arm", "seed")
        return xr.Dataset(
            {
                "clean_accuracy": (dims, np.array(clean)[:, None]),
                "accuracy": ((*dims, "attack", "eps"), np.array(robust)[:, None, None, None]),
                "finished": (dims, np.ones((2, 1), bool)),
            },
            {"arm": names, "attack": ["worst"], "eps": [0.1]},
        )

    assert crisp.best(table([0.99, 0.985], [0.2, 0.9])) == names[1]
    assert crisp.best(table([0.99, 0.98], [0.2, 0.9])) == names[0]  # too much clean accuracy for it
    assert crisp.best(table([0.9, 0.95], [0.9, 0.2])) == names[0]
