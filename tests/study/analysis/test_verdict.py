"""Verdicts on made-up courses whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from helpers.refusal import refuses
from minmax_jax.study.analysis.verdict import attack_effects, effect, minmax_effects

SEEDS = 6


def table(falls: dict[str, float], wander: float = 0.0) -> xr.Dataset:
    """Fuzziness from 0.9 down by ``falls`` of each condition, of a walk by ``wander``, and some noise."""
    noise = np.random.default_rng(0).normal(0, 0.001, (len(falls), SEEDS, 2, 2, 1, 1, 1))
    noise[:, :, 0] = 0
    ends = (
        np.array(list(falls.values()))[:, None, None, None, None, None, None]
        * np.array([0, 1])[:, None, None, None, None]
    )
    dims = ("condition", "seed", "snapshot", "layer", "reading", "membership", "measure")
    labels = {
        "condition": list(falls),
        "seed": range(SEEDS),
        "layer": ["conv1", "conv2"],
        "reading": ["layer"],
        "membership": ["signed"],
        "measure": ["entropy"],
    }
    walk = np.broadcast_to(wander * np.array([0, 1])[:, None, None, None, None], noise.shape)
    return xr.Dataset(
        {
            "fuzziness": (dims, 0.9 - ends + noise),
            "walk_fuzziness": (dims, 0.9 - walk),
            "test_accuracy": (("condition", "seed", "epoch"), np.full((len(falls), SEEDS, 2), 0.9)),
            "moved_away": (dims[:-1], np.full(noise.shape[:-1], 0.75)),
        },
        labels,
    )


def test_an_effect_by_hand():
    found = effect(np.array([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0], [0.0, 0.0, 0.0]]))
    assert found.mean.tolist() == [2, 5, 0]
    assert found.size.tolist() == [2, np.inf, 0]
    assert (found.low <= found.mean).all() and (found.mean <= found.high).all()
    assert found.low[1] == found.high[1] == 5
    # of 27 equal draws of three, one is all ones: its mean of 1 has probability 1/27 > 2.5 %
    assert found.low[0] == 1 and found.high[0] == 3


def test_equal_seeds_are_equal_also_in_float32():
    found = effect(np.full((2, 3), 0.1, np.float32))
    assert found.size.tolist() == [np.inf, np.inf]
    np.testing.assert_allclose(found.mean, found.low)


def test_a_seed_without_a_value_is_no_effect():
    found = effect(np.array([[1.0, np.nan, 2.0]]))
    assert np.isnan(found.mean).all() and np.isnan(found.low).all()


def test_an_effect_takes_two_seeds():
    with refuses("values are of 1 seed", "two or more"):
        effect(np.ones((3, 1)))


def test_a_fall_everywhere_holds():
    effects = minmax_effects(table({"a": 0.1, "b": 0.2}))
    cell = effects.sel(condition="a", layer="conv2", reading="layer", membership="signed")
    assert float(cell.change) == pytest.approx(-0.1, abs=2e-3)
    assert float(cell.change_low) < float(cell.change) < float(cell.change_high) < 0
    assert int(cell.fell) == SEEDS and float(cell.p) == pytest.approx(2 / 2**SEEDS)
    assert (
        effects.holds.all() and float(cell.moved_away) == 0.75 and float(cell.accuracy) == pytest.approx(0.9)
    )


def test_a_fall_by_wandering_alone_does_not_count():
    effects = minmax_effects(table({"a": 0.1}, wander=0.1))
    assert (effects.change < -0.09).all() and not effects.holds.any()


def test_a_rise_does_not_hold():
    effects = minmax_effects(table({"good": 0.1, "bad": -0.1}))
    assert int(effects.fell.sel(condition="bad", layer="conv1").squeeze()) == 0
    np.testing.assert_array_equal(effects.holds.squeeze(), [[True, True], [False, False]])


def test_layers_are_judged_apart():
    mixed = table({"a": 0.1})
    mixed.fuzziness.loc[{"layer": "conv2"}] = 0.9
    effects = minmax_effects(mixed)
    np.testing.assert_array_equal(effects.holds.squeeze(), [True, False])


def test_the_measure_has_to_be_there():
    with refuses("measure is 'linear'"):
        minmax_effects(table({"a": 0.1}), "linear")


def test_training_under_attack_is_paired_with_its_twin():
    plain = table({"a": 0.1, "b": 0.2})
    attacked = plain.sel(condition=["b"]).assign_coords(condition=["b eps 0.3"], eps=("condition", [0.3]))
    found = attack_effects(plain, attacked.assign(fuzziness=attacked.fuzziness - 0.05))
    cell = found.sel(condition="b eps 0.3", layer="conv1", reading="layer", membership="signed")
    for part in ("mean", "low", "high"):
        assert float(cell[part]) == pytest.approx(-0.05)
    with refuses("plain lacks the conditions ['b']"):
        attack_effects(plain.sel(condition=["a"]), attacked)


def test_twins_are_paired_by_their_labels():
    plain = table({"b": 0.2})
    attacked = plain.assign_coords(condition=["b eps 0.3"], eps=("condition", [0.3]))
    turned = attacked.isel(seed=slice(None, None, -1))
    for part in ("mean", "low", "high"):
        np.testing.assert_allclose(attack_effects(plain, turned)[part], 0, atol=1e-12)
    with refuses("attacked has the seeds [7, 8, 9, 10, 11, 12]; it takes those of plain"):
        attack_effects(plain, attacked.assign_coords(seed=range(7, 13)))
