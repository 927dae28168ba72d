"""Transplants in quick mode: arms are what donor and recipient say, and finished ones are not done again."""

from dataclasses import replace

import numpy as np
import pytest

import minmax_jax as mm
from helpers.quick import quick
from helpers.small import lenet
from minmax_jax.study.design.ablation import transplanted
from minmax_jax.study.design.data import study_data
from minmax_jax.study.design.transplant import WEAKLY, Transplant
from minmax_jax.study.experiments import transplants
from minmax_jax.study.experiments.measurements import in_turn
from minmax_jax.study.experiments.plans import PLANS

pytestmark = pytest.mark.slow
QUICK = PLANS["transplants_ablations"].quick
SOME = replace(QUICK, arms=(Transplant(), Transplant(WEAKLY, "all"), Transplant(WEAKLY, "both")), seeds=(1,))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    assert len(QUICK.experiment("transplants_ablations", "").units) == 2 * 2  # donors and seeds
    return quick("transplants_ablations", tmp_path_factory.mktemp("results"), seeds=(1,))


def test_the_table_is_by_arm_and_seed(table):
    assert table.accuracy.dims == ("arm", "seed", "attack", "eps") and table.finished.all()
    assert table.arm.values.tolist() == [arm.name for arm in QUICK.arms]
    assert table.accuracy.sel(arm="adversarial 0.1, conv1, permuted", eps=0.2).dims == ("seed", "attack")
    assert all(table[name].attrs["long_name"] for name in table.data_vars)
    assert PLANS["transplants_fashion_mnist"].full.datasets == ("fashion_mnist",)


def test_a_network_has_the_donors_convolutions_and_learns_the_rest(table):
    data = study_data("mnist", small=True)
    options = {"snapshots": 2, "progress": False}
    donor = mm.fit(lenet(201), data.data, seed=201, **options, **WEAKLY.training()).model
    start = transplanted(donor, lenet(1), ("conv1", "conv2"))
    model = mm.fit(start, data.data, seed=1, **options, **Transplant(WEAKLY, "both").training()).model
    for arm, network in (("adversarial 0.1, all", donor), ("adversarial 0.1, both", model)):
        cell = table.sel(arm=arm, seed=1)
        assert float(cell.clean_accuracy) == pytest.approx(mm.accuracy(network, data.validation))
        np.testing.assert_allclose(
            cell.accuracy, in_turn(network, data.validation[:8], QUICK.eps, ["pgd"], 1)
        )
    pair = (table.sel(arm=f"adversarial 0.1, {layers}") for layers in ("all", "both"))
    np.testing.assert_array_equal(*(one.unstable for one in pair))


def test_what_is_forbidden_is_not_there(tmp_path):
    table = quick("transplants_necessity", tmp_path, seeds=(0,))
    assert (table.near_zero.sel(arm="none, eps 0.3, no zeros", convolution="conv1") == 0).all()
    assert (table.threshold.sel(arm="none, eps 0.3, no biases") == 0).all()


def test_an_interrupted_unit_resumes_after_its_last_arm_to_the_same_bits(tmp_path):
    def undisturbed(share):
        return False

    expected = SOME.together(WEAKLY, 1, tmp_path / "whole", undisturbed)
    folder = tmp_path / "broken"
    for share in (0.1, 0.5):  # in the donor's training, and after the first of two arms
        with pytest.raises(KeyboardInterrupt):
            SOME.together(WEAKLY, 1, folder, lambda now, share=share: now >= share)
    kept = list(folder.glob("arm-*.npz"))
    times = [file.stat().st_mtime_ns for file in kept]
    assert len(kept) == 1
    found = SOME.together(WEAKLY, 1, folder, undisturbed)
    assert [file.stat().st_mtime_ns for file in kept] == times
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_units_with_most_arms_come_first():
    assert [donor.name for donor in SOME.groups] == ["adversarial 0.1", "none"]
    donors = {name: list(plan.full.groups) for name, plan in transplants.PLANS.items()}
    assert [one.name for one in donors["transplants_ablations"]] == ["adversarial 0.3", "none"]
    assert len(donors["transplants_donors"]) == 5
