"""The arms: what they are called, what they train by, and that the design is the one stated."""

from dataclasses import replace

import pytest
import xarray as xr

from minmax_jax.defences import Adversarial
from minmax_jax.study.design.arm import CURVE, PARTS, PROJECTED, WEAK, Arm, arms_of, coordinates, curve
from minmax_jax.training import ADAM


def test_the_design_is_the_one_stated():
    sizes = {part: len(arms) for part, arms in PARTS.items()}
    assert sizes == {
        "strengths": 19,
        "readings": 14,
        "norms": 11,
        "weak": 9,
        "defended": 5,
        "defended_weak": 6,
    }
    arms = list(dict.fromkeys(arm for part in PARTS.values() for arm in part))
    assert len(arms) == len({arm.name for arm in arms}) == 59  # bases are in several parts
    fuzzy = [arm for arm in arms if arm.penalty == "fuzziness"]
    curve = [arm for arm in fuzzy if (arm.reading, arm.measure) == ("layer", "entropy")]
    for membership in ("signed", "magnitude"):
        strengths = {arm.strength for arm in curve if arm.membership == membership and not arm.eps}
        assert strengths == {*CURVE, *(WEAK if membership == "signed" else (-1.0,))}
    assert max(CURVE) / min(one for one in CURVE if one > 0) == pytest.approx(1e4)  # four decades
    kinds = {(arm.reading, arm.membership, arm.measure) for arm in fuzzy}
    assert len(kinds) == 2 * (3 + 1)  # three readings by entropy, one also by another measure
    for kind in kinds:  # each is pushed down and up
        signs = {a.strength > 0 for a in fuzzy if (a.reading, a.membership, a.measure) == kind}
        assert signs == {True, False}


@pytest.mark.parametrize("part", PARTS)
def test_every_part_holds_what_it_compares_with(part):
    assert all(arm.base in PARTS[part] for arm in PARTS[part])
    assert any(arm != arm.base for arm in PARTS[part])


def test_an_arm_trains_by_its_fields():
    arm = Arm("fuzziness", -30.0, "fixed", "magnitude", "quadratic", eps=0.1)
    training = arm.training()
    objective = training["objective"]
    assert (objective.strength, objective.reading, objective.membership, objective.measure) == (
        *(-30.0, "fixed", "magnitude", "quadratic"),
    )
    assert isinstance(objective.defence, Adversarial) and objective.defence.eps == 0.1
    assert training["optimiser"] is PROJECTED
    assert arm.name == "fuzziness -30 fixed magnitude quadratic eps 0.1"
    assert arm.base == Arm(reading="fixed", eps=0.1)
    assert arm.kind == replace(arm, strength=7.0).kind != replace(arm, eps=0.0).kind


def test_the_other_penalties():
    objective = Arm("l1", 1e-3).training()["objective"]
    assert (objective.l1, objective.l2, objective.strength) == (1e-3, 0, 0)
    plain = Arm().training()
    assert plain["optimiser"] is ADAM and plain["objective"].defence is None
    assert Arm("l2", 0.01).name == "l2 0.01" and Arm(reading="fixed").name == "none fixed"


def test_labels_tell_the_fields():
    labels = coordinates([Arm(), replace(Arm(), eps=0.1)])
    assert labels["arm"] == ["none", "none eps 0.1"]
    assert labels["trained_eps"][1].tolist() == [0.0, 0.1]


def test_arms_come_back_as_they_were():
    arms = PARTS["readings"] + PARTS["norms"] + PARTS["defended"]
    assert arms_of(xr.Dataset(coords=coordinates(arms))) == list(arms)


def test_a_curve_has_the_arms_of_one_reading_and_measure():
    assert curve(PARTS["strengths"]) == list(PARTS["strengths"][1:])
    assert curve(PARTS["readings"]) == []
    assert {arm.strength for arm in curve(PARTS["readings"], "fixed")} == {-30.0, 30.0}
    assert curve(PARTS["defended"], eps=0.1) == list(PARTS["defended"][1:])
