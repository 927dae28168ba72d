"""The search and the report of the most robust network, in quick mode."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from flax import nnx

import minmax_jax as mm
from helpers.refusal import refuses
from helpers.small import lenet
from minmax_jax.defences import TRADES, Adversarial
from minmax_jax.study.design.images import pictures
from minmax_jax.study.engine.result import about, read
from minmax_jax.study.engine.runner import run
from minmax_jax.study.experiments import robust, search
from minmax_jax.training import Diverged, Run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    run(search.plan(quick=True), folder, "a test", progress=False)
    run(robust.plan(folder, quick=True), folder, "a test", progress=False)
    return folder


def test_the_search_has_a_row_for_each_candidate(folder):
    table = read(folder / "robust_search.nc")
    assert table.candidate.values.tolist() == ["adversarial 0.3", "trades 0.3 beta 6"]
    data = pictures("mnist", small=True)
    for number, candidate in enumerate(search.QUICK.candidates):
        model = mm.fit(
            lenet(search.SEED),
            data.data,
            seed=search.SEED,
            snapshots=2,
            progress=False,
            **candidate.training(data.data, 1),
        ).model
        row = table.isel(candidate=number)
        assert float(row.clean_accuracy) == pytest.approx(mm.accuracy(model, data.validation))
        report = mm.robustness(model, data.validation[:8], [0.3], attacks=["pgd"], progress=False)
        assert float(row.robust_accuracy) == pytest.approx(float(report.accuracy[0, 0]))


def test_the_shipped_network_is_the_one_that_was_measured(folder):
    table = read(folder / "robust.nc")
    test = pictures("mnist", small=True).data.test
    for seed in (0, 1):
        model = robust.robust_lenet(table, seed)
        cell = table.sel(seed=seed)
        assert float(cell.clean_accuracy) == pytest.approx(mm.accuracy(model, test))
        report = mm.robustness(model, test[:8], robust.RADII, attacks=["pgd"], progress=False)
        np.testing.assert_allclose(cell.accuracy, report.accuracy)
    first, second = (nnx.state(robust.robust_lenet(table, seed)) for seed in (0, 1))
    assert not np.array_equal(first["conv1"]["kernel"][...], second["conv1"]["kernel"][...])


def test_a_seed_that_is_not_there(folder):
    with refuses("seed must be one of [0, 1], got 7"):
        robust.robust_lenet(read(folder / "robust.nc"), 7)


def test_the_winner_is_the_most_robust():
    table = xr.Dataset({"robust_accuracy": ("candidate", [0.2, 0.7, 0.7])}, {"candidate": ["a", "b", "c"]})
    assert search.winner(table) == "b"


def test_a_search_of_another_study_is_named(folder, monkeypatch):
    monkeypatch.setattr(search, "QUICK", replace(search.QUICK, images=9))
    with refuses("robust_search.nc", "with another attacked validation images: 8", "it is 9"):
        robust.plan(folder, quick=True)


def test_the_report_names_the_search_it_builds_on(folder):
    config = about(read(folder / "robust.nc"))["config"]
    assert config["chosen by"] == read(folder / "robust_search.nc").checksum


def test_a_candidate_that_diverges_loses(monkeypatch, tmp_path):
    def diverge(*_, **__):
        raise Diverged("too far", Run(lenet(), None, "diverged"))

    monkeypatch.setattr(search, "fit", diverge)
    found = search.attempt(search.CANDIDATES[0], search.QUICK, tmp_path, print)
    assert found == {"clean_accuracy": 0, "robust_accuracy": 0}


def test_candidates_train_by_their_fields():
    data = pictures("mnist", small=True).data
    one = search.Candidate("trades", 0.34, 3.0, -10.0, "magnitude")
    objective = one.training(data, 2)["objective"]
    assert isinstance(objective.defence, TRADES)
    assert (objective.defence.eps, objective.defence.beta) == (0.34, 3.0)
    assert (objective.strength, objective.membership) == (-10.0, "magnitude")
    assert one.name == "trades 0.34 beta 3 fuzziness -10 magnitude"
    assert isinstance(search.Candidate("adversarial").training(data, 2)["objective"].defence, Adversarial)
    assert len({one.name for one in search.CANDIDATES}) == len(search.CANDIDATES)


def test_a_stopped_run_is_not_taken_for_a_finished_one(monkeypatch, tmp_path):
    monkeypatch.setattr(search, "fit", lambda *_, **__: Run(lenet(), None, "stopped"))
    with pytest.raises(KeyboardInterrupt):
        search.attempt(search.CANDIDATES[0], search.QUICK, tmp_path, print)
