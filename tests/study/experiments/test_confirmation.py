"""The choice of what is confirmed: by stated rules, from means over seeds."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from helpers.refusal import refuses
from minmax_jax.study.design.arm import Arm, coordinates
from minmax_jax.study.engine.result import write
from minmax_jax.study.experiments import confirmation, regularisation

BASE = Arm()
DOWN, MORE, UP = (Arm("fuzziness", strength) for strength in (10.0, 30.0, -10.0))
FIXED = Arm("fuzziness", 30.0, "fixed")
L1 = Arm("l1", 1e-3)
HARD = Arm("fuzziness", 10.0, eps=0.1)
ARMS = (BASE, BASE.base, DOWN, MORE, UP, FIXED, FIXED.base, L1, HARD)


def table(clean: dict[Arm, float], robust: dict[Arm, float]) -> xr.Dataset:
    arms = list(dict.fromkeys(ARMS))
    spread = np.array([-0.001, 0.001])
    values = [[clean.get(arm, 0.98) + spread, robust.get(arm, 0.3) + spread] for arm in arms]
    cleans, robusts = np.moveaxis(np.array(values), 1, 0)
    accuracy = np.stack([robusts, robusts + 0.2], axis=-1)[:, :, None]  # at eps 0.1 and 0.05
    return xr.Dataset(
        {
            "clean_accuracy": (("arm", "seed"), cleans),
            "finished": (("arm", "seed"), np.ones(cleans.shape, bool)),
            "accuracy": (("arm", "seed", "attack", "eps"), accuracy),
        },
        coordinates(arms) | {"seed": [0, 1], "attack": ["worst"], "eps": np.float32([0.1, 0.05])},
    )


def test_the_most_robust_of_each_kind():
    found = confirmation.choose(table({}, {MORE: 0.5, DOWN: 0.4, UP: 0.6, L1: 0.1, HARD: 0.9}))
    assert found == (BASE, MORE, UP, L1)  # adversarial training is another question


def test_accuracy_is_not_given_away():
    found = confirmation.choose(table({MORE: 0.974, L1: 0.976}, {MORE: 0.9, DOWN: 0.4, L1: 0.9}))
    assert found == (BASE, DOWN, UP, L1)


def test_a_kind_that_costs_accuracy_is_left_out():
    found = confirmation.choose(table({UP: 0.9}, {}))
    assert not any(arm.strength < 0 for arm in found)


def test_an_arm_that_diverged_is_not_chosen():
    one = table({}, {MORE: 0.5, DOWN: 0.4})
    one.finished.loc[{"arm": MORE.name, "seed": 1}] = False
    assert DOWN in confirmation.choose(one) and MORE not in confirmation.choose(one)


def test_of_equals_the_better_one_at_other_radii():
    one = table({}, {MORE: 0.0, DOWN: 0.0, FIXED: 0.0, UP: 0.0})
    one.accuracy.loc[{"arm": MORE.name}] += np.array([0.0, 0.1])
    assert MORE in confirmation.choose(one)


def test_bases_come_along():
    assert confirmation.choose(table({}, {FIXED: 0.9}))[:2] == (BASE, FIXED.base)


def test_the_plan_takes_new_seeds_and_test_images(tmp_path, monkeypatch):
    kept = {
        "strengths": (BASE, DOWN, MORE, UP),
        "readings": (FIXED, FIXED.base),
        "norms": (L1,),
    }
    settings = {part: replace(regularisation.QUICK[part], arms=arms) for part, arms in kept.items()}
    monkeypatch.setattr(regularisation, "QUICK", settings)
    whole, checksums = table({}, {MORE: 0.5, L1: 0.2}), []
    for part, arms in kept.items():
        planned = regularisation.plan(part, quick=True)
        notes = {"experiment": planned.name, "config": planned.config, "data": planned.data}
        rows = whole.sel(arm=[arm.name for arm in dict.fromkeys(arms)])
        checksums.append(write(tmp_path / f"{planned.name}.nc", rows, notes).checksum)
    config = confirmation.plan("confirmation", tmp_path, quick=True).config
    assert config["chosen by"] == checksums
    assert config["seeds"] == [100, 101] and config["part"] == "test"
    assert [one["strength"] for one in config["arms"]] == [0, 30, -10, 1e-3]


def test_the_second_is_chosen_among_weak_terms_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(
        regularisation.QUICK, "weak", replace(regularisation.QUICK["weak"], arms=(BASE, DOWN, MORE))
    )
    planned = regularisation.plan("weak", quick=True)
    notes = {"experiment": planned.name, "config": planned.config, "data": planned.data}
    rows = table({}, {MORE: 0.5, L1: 0.9}).sel(arm=[one.name for one in (BASE, DOWN, MORE)])
    write(tmp_path / f"{planned.name}.nc", rows, notes)
    found = confirmation.plan("confirmation_weak", tmp_path, quick=True)
    assert found.name == "confirmation_weak"
    # DOWN and MORE are both towards less fuzziness: the more robust of them, and no L1 arm of another part.
    assert [one["strength"] for one in found.config["arms"]] == [0, MORE.strength]


def test_without_the_regularisation(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"regularisation_strengths\.nc does not exist"):
        confirmation.plan("confirmation", tmp_path)
    with refuses("regularisation_strengths.nc is no netCDF file"):
        (tmp_path / "regularisation_strengths.nc").touch()
        confirmation.plan("confirmation", tmp_path)
