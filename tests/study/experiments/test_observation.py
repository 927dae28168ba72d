"""The observation, on few images: its table says of the networks what the networks say themselves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import minmax_jax as mm
from minmax_jax.study.design.condition import REFERENCE
from minmax_jax.study.design.data import study_data
from minmax_jax.study.experiments.observation import Observation

pytestmark = pytest.mark.slow
CONDITIONS = (REFERENCE, replace(REFERENCE, labels="random"))
SETTING = Observation(
    conditions=CONDITIONS, seeds=(0, 1), epochs=1, snapshots=5, every=2, walks=1, small=True
)
WEIGHTS = {"conv1": 150, "conv2": 2400, "dense1": 48000, "dense2": 10080, "dense3": 840}


@pytest.fixture(scope="module")
def table():
    units = SETTING.experiment("observation", "").units
    return SETTING.table([unit.work(Path("unused"), lambda share: None) for unit in units])


def test_the_table_is_labelled(table):
    axes = "condition", "seed", "snapshot", "layer", "reading", "membership", "measure"
    assert table.fuzziness.dims == axes
    assert table.condition.values.tolist() == ["mnist modern adam", "mnist modern adam random labels"]
    assert table.labels.values.tolist() == ["true", "random"]
    assert table.snapshot.values.tolist() == [0, 5, 10]
    assert all(table[name].attrs["long_name"] for name in table.data_vars)
    assert np.isfinite(table.fuzziness).all() and np.isfinite(table.kurtosis).all()
    assert table.finished.all() and table.finished.dtype == bool


def test_fuzziness_is_that_of_the_networks(table):
    start, data = REFERENCE.model(1, small=True), study_data("mnist", small=True).data
    trained = mm.fit(start, data, seed=1, snapshots=3, progress=False).model
    cell = table.fuzziness.sel(condition="mnist modern adam", seed=1)
    for reading in ("layer", "filter", "fixed"):
        for at, model in zip((0, -1), (start, trained), strict=True):
            for layer in ("conv1", "conv2"):
                expected = mm.fuzziness(model, reading=reading, measure="yager", layers=[layer])
                place = {"layer": layer, "reading": reading, "membership": "signed", "measure": "yager"}
                assert float(cell.isel(snapshot=at).sel(place)) == pytest.approx(float(expected), abs=1e-5)
    dense = mm.kernels(trained, rank=2)["dense2"]
    expected = mm.fuzziness(dense, membership="magnitude", measure="quadratic")
    place = {"layer": "dense2", "reading": "layer", "membership": "magnitude", "measure": "quadratic"}
    assert float(cell.isel(snapshot=-1).sel(place)) == pytest.approx(float(expected), abs=1e-5)


def test_counts_agree_with_shares(table):
    """Share moved away = (away + half of those that kept their distance) / all."""
    total = np.array([WEIGHTS[layer] for layer in table.layer.values])[:, None, None]
    ties = total - table.away - table.towards
    assert (ties >= 0).all()
    share = (table.away + ties / 2) / total
    last = table.moved_away.isel(snapshot=-1)
    np.testing.assert_allclose(share.transpose(*last.dims), last, atol=1e-6)


@pytest.mark.parametrize("null", ["walk", "displaced"])
def test_what_training_is_compared_with_begins_where_it_does(table, null):
    assert (table.moved_away.isel(snapshot=0) == 0.5).all()
    other = table[f"{null}_fuzziness"]
    assert (table[f"{null}_moved_away"].isel(snapshot=0) == 0.5).all()
    for reading in ("layer", "filter", "fixed"):  # in "trajectory" the start depends on the whole path
        pair = [one.sel(reading=reading).isel(snapshot=0) for one in (table.fuzziness, other)]
        np.testing.assert_allclose(*pair, atol=1e-6)
    assert not np.allclose(table.fuzziness.isel(snapshot=-1), other.isel(snapshot=-1))


def test_the_same_network_learns_labels_but_not_chance(table):
    true, chance = (float(table.test_accuracy.isel(condition=i, epoch=-1).mean()) for i in (0, 1))
    assert true > 0.3 and chance < 0.25
