"""The observation, on few images: its table says of the networks what the networks say themselves."""

from dataclasses import replace

import numpy as np
import pytest

import minmax_jax as mm
from helpers.small import lenet
from minmax_jax.study.design.condition import REFERENCE
from minmax_jax.study.design.images import pictures
from minmax_jax.study.engine.result import about, read
from minmax_jax.study.engine.runner import run as carry_out
from minmax_jax.study.experiments import observation
from minmax_jax.training import Diverged, Run

CONDITIONS = (REFERENCE, replace(REFERENCE, labels="random"))
SETTING = observation.Setting(CONDITIONS, seeds=2, epochs=1, snapshots=5, every=2, walks=1, small=True)
WEIGHTS = {"conv1": 150, "conv2": 2400, "dense1": 48000, "dense2": 10080, "dense3": 840}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    file, _ = carry_out(observation.experiment("observation", SETTING), folder, "a test", progress=False)
    return read(file)


@pytest.fixture(scope="module")
def trained():
    """The network of the reference and seed 1, trained again."""
    data = pictures("mnist", small=True).data
    start = REFERENCE.model(1, small=True)
    return start, mm.fit(start, data, seed=1, snapshots=3, progress=False).model


def test_the_table_is_labelled(table):
    assert table.fuzziness.dims == (
        *("condition", "seed", "snapshot", "layer", "reading", "membership", "measure"),
    )
    assert table.condition.values.tolist() == ["mnist modern adam", "mnist modern adam random labels"]
    assert table.labels.values.tolist() == ["true", "random"]
    assert table.snapshot.values.tolist() == [0, 5, 10]
    assert all(table[name].attrs["long_name"] for name in table.data_vars)
    assert np.isfinite(table.fuzziness).all() and np.isfinite(table.kurtosis).all()
    assert about(table)["config"]["seeds"] == [0, 1]


def test_fuzziness_is_that_of_the_networks(table, trained):
    cell = table.fuzziness.sel(condition="mnist modern adam", seed=1)
    for reading in ("layer", "filter", "fixed"):
        for at, model in zip((0, -1), trained, strict=True):
            for layer in ("conv1", "conv2"):
                expected = mm.fuzziness(model, reading=reading, measure="yager", layers=[layer])
                found = cell.isel(snapshot=at).sel(
                    layer=layer, reading=reading, membership="signed", measure="yager"
                )
                assert float(found) == pytest.approx(float(expected), abs=1e-5)


def test_dense_layers_are_seen_too(table, trained):
    weights = mm.kernels(trained[1], rank=2)["dense2"]
    expected = mm.fuzziness(weights, membership="magnitude", measure="quadratic")
    cell = table.fuzziness.sel(condition="mnist modern adam", seed=1, layer="dense2").isel(snapshot=-1)
    found = cell.sel(reading="layer", membership="magnitude", measure="quadratic")
    assert float(found) == pytest.approx(float(expected), abs=1e-5)


def test_counts_agree_with_shares(table):
    """Share moved away = (away + half of those that kept their distance) / all."""
    total = np.array([WEIGHTS[layer] for layer in table.layer.values])[:, None, None]
    ties = total - table.away - table.towards
    assert (ties >= 0).all()
    share = (table.away + ties / 2) / total
    last = table.moved_away.isel(snapshot=-1)
    np.testing.assert_allclose(share.transpose(*last.dims), last, atol=1e-6)


def test_a_walk_begins_where_training_does(table):
    for reading in ("layer", "filter", "fixed"):  # in "trajectory" the start depends on the whole path
        pair = [table[name].sel(reading=reading).isel(snapshot=0) for name in ("fuzziness", "walk_fuzziness")]
        np.testing.assert_allclose(*pair, atol=1e-6)
    assert (table.moved_away.isel(snapshot=0) == 0.5).all()
    assert (table.walk_moved_away.isel(snapshot=0) == 0.5).all()
    assert not np.allclose(table.fuzziness.isel(snapshot=-1), table.walk_fuzziness.isel(snapshot=-1))


def test_the_same_network_learns_labels_but_not_chance(table):
    true, chance = (float(table.test_accuracy.isel(condition=i, epoch=-1).mean()) for i in (0, 1))
    assert true > 0.3 and chance < 0.25


def test_random_labels_are_as_many_of_each_class():
    chosen = pictures("mnist", small=True)
    shuffled = chosen.with_random_labels(3)
    assert (np.bincount(shuffled.train.labels) == np.bincount(chosen.data.train.labels)).all()
    assert (shuffled.train.labels == chosen.data.train.labels).mean() < 0.2
    assert shuffled.test is chosen.data.test


def test_the_parts_of_the_data_are_apart():
    whole, cut = mm.load("mnist"), pictures("mnist")
    assert (len(cut.data.train), len(cut.validation), len(cut.data.test)) == (55_000, 5_000, 10_000)
    together = np.concatenate([cut.data.train.labels, cut.validation.labels])
    np.testing.assert_array_equal(together, whole.train.labels)
    np.testing.assert_array_equal(cut.validation.images[-1], whole.train.images[-1])


def test_the_full_plan_is_the_stated_design():
    plain, attacked = (observation.FULL[name].conditions for name in ("observation", "observation_attacked"))
    assert len({one.name for one in (*plain, *attacked)}) == len(plain) + len(attacked) == 15
    factorial = [one for one in plain if one.labels == "true" and one.optimiser != "adamw"]
    assert {(one.dataset, one.variant, one.optimiser) for one in factorial} == {
        (data, variant, optimiser)
        for data in ("mnist", "fashion_mnist")
        for variant in ("modern", "classic")
        for optimiser in ("adam", "sgd")
    }
    assert all(setting.seeds == 10 for setting in observation.FULL.values())
    assert not any(one.eps for one in plain)
    assert [one.eps for one in attacked] == [0.1, 0.3, 0.1, 0.1, 0.1]


def test_a_diverged_network_leaves_a_hole(monkeypatch, tmp_path):
    def diverge(*_, **__):
        raise Diverged("too far", Run(lenet(), None, "diverged"))

    good = observation.observe(REFERENCE, 0, replace(SETTING, conditions=(REFERENCE,)), tmp_path, print)
    monkeypatch.setattr(observation, "fit", diverge)
    hole = observation.observe(REFERENCE, 1, SETTING, tmp_path, print)
    assert list(hole) == ["finished"] and not hole["finished"]
    table = observation.tabulate(replace(SETTING, conditions=(REFERENCE,)), [good, hole])
    assert table.finished.values.tolist() == [[True, False]]
    assert np.isnan(table.fuzziness.sel(seed=1)).all() and np.isfinite(table.fuzziness.sel(seed=0)).all()


def test_a_stopped_run_is_not_taken_for_a_finished_one(monkeypatch, tmp_path):
    monkeypatch.setattr(observation, "fit", lambda *_, **__: Run(lenet(), None, "stopped"))
    with pytest.raises(KeyboardInterrupt):
        observation.observe(REFERENCE, 0, SETTING, tmp_path, print)
