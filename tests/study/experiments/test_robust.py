"""The search and the report of the most robust network, in quick mode."""

import numpy as np
import pytest
import xarray as xr
from flax import nnx

import minmax_jax as mm
from helpers.quick import quick
from helpers.small import lenet
from minmax_jax.study import robust_lenet
from minmax_jax.study.design.candidate import Candidate
from minmax_jax.study.design.data import study_data
from minmax_jax.study.engine.result import about, read
from minmax_jax.study.experiments import search

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for name in ("robust_search", "robust"):
        quick(name, folder)
    return folder


def test_the_search_has_a_row_for_each_candidate(folder):
    table, data = read(folder / "robust_search.nc"), study_data("mnist", small=True)
    assert table.candidate.values.tolist() == ["adversarial 0.3", "trades 0.3 beta 6"]
    row = table.isel(candidate=1)
    options = {"seed": search.SEED, "snapshots": 2, "progress": False} | Candidate("trades").training(10)
    model = mm.fit(lenet(search.SEED), data.data, **options).model
    assert float(row.clean_accuracy) == pytest.approx(mm.accuracy(model, data.validation))
    report = mm.robustness(model, data.validation[:8], [0.3], attacks=["pgd"], progress=False)
    assert float(row.robust_accuracy) == pytest.approx(float(report.accuracy[0, 0]))


def test_the_shipped_network_is_the_one_that_was_measured(folder):
    table = read(folder / "robust.nc")
    test = study_data("mnist", small=True).data.test
    assert about(table)["config"]["chosen by"] == read(folder / "robust_search.nc").checksum
    for seed in (0, 1):
        model, cell = robust_lenet(table, seed), table.sel(seed=seed)
        assert float(cell.clean_accuracy) == pytest.approx(mm.accuracy(model, test))
        report = mm.robustness(model, test[:8], [0.1, 0.2, 0.3], attacks=["pgd"], progress=False)
        np.testing.assert_allclose(cell.accuracy, report.accuracy)
        np.testing.assert_allclose(cell.interval, report.interval)
    first, second = (nnx.state(robust_lenet(table, seed)) for seed in (0, 1))
    assert not np.array_equal(first["conv1"]["kernel"][...], second["conv1"]["kernel"][...])
    assert all(table[name].attrs["long_name"] for name in table.data_vars)


def test_the_winner_is_the_most_robust_and_of_equals_the_first():
    table = xr.Dataset({"robust_accuracy": ("candidate", [0.2, 0.7, 0.7])}, {"candidate": ["a", "b", "c"]})
    assert search.winner(table) == "b"
