"""Regularisation in quick mode: paired arms, each seed with its own images; and what is confirmed of it."""

import numpy as np
import pytest
import xarray as xr
from flax import nnx

import minmax_jax as mm
from helpers.made_up import penalties
from helpers.quick import quick
from helpers.small import lenet, same_weights
from minmax_jax.intervals import initial_bound
from minmax_jax.study.design.arm import Arm, arms_of
from minmax_jax.study.design.data import study_data
from minmax_jax.study.engine.result import about, write
from minmax_jax.study.experiments import regularisation
from minmax_jax.study.experiments.confirmation import choose
from minmax_jax.study.experiments.measurements import RADII
from minmax_jax.study.experiments.plans import PLANS
from minmax_jax.study.experiments.rival import rival

PARTS = ("strengths", "readings", "norms")
BASE = Arm()
DOWN, MORE, UP = (Arm("fuzziness", strength) for strength in (10.0, 30.0, -10.0))
FIXED = Arm("fuzziness", 30.0, "fixed")
L1 = Arm("l1", 1e-3)
HARD = Arm("fuzziness", 10.0, eps=0.1)
ARMS = (BASE, DOWN, MORE, UP, FIXED, FIXED.base, L1, HARD)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The quick results of some parts."""
    folder = tmp_path_factory.mktemp("results")
    return {part: quick(regularisation.NAMES[part], folder) for part in PARTS}


@pytest.mark.slow
def test_networks_are_those_that_fit_trains(results):
    table, data = results["strengths"], study_data("mnist", small=True)
    assert table.arm.values.tolist() == ["none", "fuzziness 30 layer signed entropy"]
    assert table.accuracy.dims == ("arm", "seed", "attack", "eps")
    assert all(table[name].attrs["long_name"] for name in table.data_vars) and table.finished.all()
    assert about(table)["config"]["attacked images of each seed"] == 8
    model = mm.LeNet(rngs=nnx.Rngs(1))
    objective = mm.Objective(strength=30.0)
    trained = mm.fit(model, data.data, objective, seed=1, snapshots=2, progress=False).model
    cell = table.isel(arm=1, seed=1)
    assert float(cell.clean_accuracy) == pytest.approx(mm.accuracy(trained, data.validation))
    report = mm.robustness(trained, data.validation[8:16], RADII, attacks=["fgsm"], seed=1, progress=False)
    np.testing.assert_allclose(cell.accuracy, report.accuracy)
    expected = mm.fuzziness(trained, layers=["conv1"])
    place = {"convolution": "conv1", "reading": "layer", "membership": "signed", "measure": "entropy"}
    assert float(cell.fuzziness.sel(place)) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.slow
def test_every_part_trains_by_its_arms(results):
    one = results["readings"]
    assert arms_of(one) == [Arm(reading="fixed"), Arm("fuzziness", 30.0, "fixed")]
    largest = one.largest.sel(layer="conv2").values
    assert (largest <= initial_bound((5, 5, 6, 16)) + 1e-6).all()  # projected
    assert (results["norms"].l1.sum("layer").diff("arm") < 0).all()


@pytest.mark.slow
def test_results_in_a_folder_make_one_table(results, tmp_path):
    for part, table in results.items():
        write(tmp_path / f"{regularisation.NAMES[part]}.nc", table, about(table))
    whole = mm.study.regularised(tmp_path)
    assert whole.attrs == {"images": 8} and whole.image.dims == ("seed", "height", "width")
    assert arms_of(whole) == list(dict.fromkeys(arm for table in results.values() for arm in arms_of(table)))
    for one in results.values():
        same = whole.sel(arm=one.arm)
        for name in ("clean_accuracy", "fuzziness", "image"):
            np.testing.assert_array_equal(same[name], one[name])
    assert all(whole[name].attrs["long_name"] for name in whole.data_vars)


@pytest.mark.slow
def test_the_rival_is_plainly_trained():
    data = study_data("mnist", small=True).data
    plain = mm.fit(lenet(1000), data, seed=1000, progress=False).model
    assert same_weights(rival("mnist", True), plain)
    assert rival("mnist", True) is rival("mnist", True)


def table(clean: dict[Arm, float], robust: dict[Arm, float], arms: tuple[Arm, ...] = ARMS) -> xr.Dataset:
    """Made-up results: by default 98 % are classified correctly, and 30 % at eps 0.1 and at other radii."""
    one, spread = penalties(arms, 2), xr.DataArray([-0.001, 0.001], dims="seed")
    for name, values, default in (("clean_accuracy", clean, 0.98), ("accuracy", robust, 0.3)):
        level = xr.DataArray([values.get(arm, default) for arm in arms], dims="arm")
        one[name] = one[name] * 0 + level + spread
    return one


def test_of_each_kind_the_most_robust_is_chosen_that_costs_no_accuracy():
    found = choose(table({}, {MORE: 0.5, DOWN: 0.4, UP: 0.6, L1: 0.1, HARD: 0.9}))
    assert found == (BASE, MORE, UP, L1)  # adversarial training is another question
    found = choose(table({MORE: 0.974, L1: 0.976}, {MORE: 0.9, DOWN: 0.4, L1: 0.9}))
    assert found == (BASE, DOWN, UP, L1)
    assert not any(arm.strength < 0 for arm in choose(table({UP: 0.9}, {})))
    assert choose(table({}, {FIXED: 0.9}))[:2] == (BASE, FIXED.base), "bases come along"


def test_an_arm_that_diverged_is_not_chosen():
    one = table({}, {MORE: 0.5, DOWN: 0.4})
    one.finished.loc[{"arm": MORE.name, "seed": 1}] = False
    assert DOWN in choose(one) and MORE not in choose(one)


def test_of_equals_the_better_one_at_other_radii_is_chosen():
    one = table({}, {MORE: 0.0, DOWN: 0.0, FIXED: 0.0, UP: 0.0})
    one.accuracy.loc[{"arm": MORE.name, "eps": one.eps[-1]}] += 0.1
    assert MORE in choose(one)


def test_a_confirmation_takes_new_seeds_and_test_images(tmp_path):
    checksums = {}
    for part in ("strengths", "readings", "norms", "weak"):
        planned = PLANS[regularisation.NAMES[part]].experiment(tmp_path, quick=True)
        notes = {"experiment": planned.name, "config": planned.config, "data": planned.data}
        arms = PLANS[planned.name].quick.arms
        file = tmp_path / f"{planned.name}.nc"
        made = table({}, {Arm("fuzziness", 30.0): 0.5, FIXED: 0.4}, arms)
        checksums[part] = write(file, made, notes).checksum
    config = PLANS["confirmation"].experiment(tmp_path, quick=True).config
    assert config["chosen by"] == [checksums[part] for part in ("strengths", "readings", "norms")]
    assert config["seeds"] == [100, 101] and config["part"] == "test"
    assert [one["strength"] for one in config["arms"]] == [0, 30, 1e-3]
    weak = PLANS["confirmation_weak"].experiment(tmp_path, quick=True)
    assert weak.name == "confirmation_weak" and weak.config["chosen by"] == [checksums["weak"]]
    assert [one["strength"] for one in weak.config["arms"]] == [0, -1]
    full = PLANS["confirmation"].full
    assert (full.part, full.seeds, full.images) == ("test", (100, 101, 102, 103, 104), 128)
