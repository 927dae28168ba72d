"""The design: what arms, conditions and candidates are called, and train by."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import minmax_jax as mm
from minmax_jax.defences import TRADES, Adversarial
from minmax_jax.study.design.arm import CURVE, PARTS, PROJECTED, Arm, arms_of, curve
from minmax_jax.study.design.candidate import CANDIDATES, Candidate
from minmax_jax.study.design.condition import REFERENCE
from minmax_jax.study.design.data import study_data
from minmax_jax.study.design.treatment import coordinates
from minmax_jax.training import ADAM

pytestmark = pytest.mark.slow


def test_every_arm_is_in_a_part_with_its_base_and_pushed_both_ways():
    """Which arms and conditions there are, ``test_shipped`` compares with the results."""
    for part in PARTS.values():
        assert all(arm.base in part for arm in part) and any(arm != arm.base for arm in part)
    arms = {arm for part in PARTS.values() for arm in part}
    assert len(arms) == len({arm.name for arm in arms}) == 54
    kinds = {replace(arm.kind, eps=0.0) for arm in arms if arm.penalty == "fuzziness"}
    assert len(kinds) == 2 * (3 + 1)  # three readings by entropy, one also by another measure
    assert max(CURVE) / min(one for one in CURVE if one > 0) == pytest.approx(1e4)  # four decades


def test_an_arm_trains_by_its_fields():
    arm = Arm("fuzziness", -30.0, "fixed", "magnitude", "quadratic", eps=0.1)
    training = arm.training()
    objective = training["objective"]
    fields = objective.strength, objective.reading, objective.membership, objective.measure
    assert fields == (-30.0, "fixed", "magnitude", "quadratic")
    assert isinstance(objective.defence, Adversarial) and objective.defence.eps == 0.1
    assert training["optimiser"] is PROJECTED
    assert arm.name == "fuzziness -30 fixed magnitude quadratic eps 0.1"
    assert arm.base == Arm(reading="fixed", eps=0.1)
    assert (objective.defence.steps, objective.defence.warmup) == (5, 0.3)
    assert arm.kind == replace(arm, strength=7.0).kind != replace(arm, eps=0.0).kind
    objective = Arm("l1", 1e-3).training()["objective"]
    assert (objective.l1, objective.l2, objective.strength) == (1e-3, 0, 0)
    plain = Arm().training()
    assert plain["optimiser"] is ADAM and plain["objective"].defence is None
    assert Arm("l2", 0.01).name == "l2 0.01" and Arm(reading="fixed").name == "none fixed"


def test_labels_tell_the_fields_and_give_the_arms_back():
    labels = coordinates("arm", [Arm(), replace(Arm(), eps=0.1)])
    assert labels["arm"] == ["none", "none eps 0.1"]
    assert labels["trained_eps"][1].tolist() == [0.0, 0.1]
    arms = PARTS["readings"] + PARTS["norms"] + PARTS["defended"]
    assert arms_of(xr.Dataset(coords=coordinates("arm", arms))) == list(arms)
    assert coordinates("candidate", CANDIDATES) == {"candidate": [one.name for one in CANDIDATES]}


def test_a_curve_has_the_arms_of_one_reading_and_measure():
    assert curve(PARTS["strengths"]) == list(PARTS["strengths"][1:])
    assert curve(PARTS["readings"]) == []
    assert {arm.strength for arm in curve(PARTS["readings"], "fixed")} == {-30.0, 30.0}
    assert curve(PARTS["defended"], eps=0.1) == list(PARTS["defended"][1:])


def test_candidates_train_by_their_fields():
    one = Candidate("trades", 0.34, 3.0, -10.0, "magnitude")
    objective = one.training(20)["objective"]
    assert isinstance(objective.defence, TRADES)
    assert (objective.defence.eps, objective.defence.beta) == (0.34, 3.0)
    assert (objective.strength, objective.membership) == (-10.0, "magnitude")
    assert one.name == "trades 0.34 beta 3 fuzziness -10 magnitude"
    assert isinstance(Candidate("adversarial").training(20)["objective"].defence, Adversarial)
    assert len({one.name for one in CANDIDATES}) == len(CANDIDATES) == 8


def test_the_parts_of_the_data_are_apart():
    whole, split = mm.load("mnist"), study_data("mnist")
    assert (len(split.data.train), len(split.validation), len(split.data.test)) == (55_000, 5_000, 10_000)
    together = np.concatenate([split.data.train.labels, split.validation.labels])
    np.testing.assert_array_equal(together, whole.train.labels)
    np.testing.assert_array_equal(split.validation.images[-1], whole.train.images[-1])
    small = study_data("mnist", small=True)
    assert (len(small.data.train), len(small.validation), len(small.data.test)) == (1280, 250, 250)
    assert small.checksum != split.checksum


def test_random_labels_are_as_many_of_each_class():
    chosen = study_data("mnist", True)
    shuffled = replace(REFERENCE, labels="random").data(3, small=True)
    assert (np.bincount(shuffled.train.labels) == np.bincount(chosen.data.train.labels)).all()
    assert (shuffled.train.labels == chosen.data.train.labels).mean() < 0.2
    assert shuffled.test is chosen.data.test and REFERENCE.data(3, small=True) is chosen.data
