"""Verdicts on made-up courses whose answer is known."""

import numpy as np
import pytest
from scipy import stats

from helpers.made_up import SEEDS, observation
from minmax_jax.study.analysis.practice import agreement
from minmax_jax.study.analysis.verdict import effect, learned, minmax_effects

FALLS = {"a": {"layer": 0.1, "fixed": 0.2}, "b": {"layer": -0.1, "fixed": 0.2}}
PLACE = {"condition": "a", "layer": "conv2", "reading": "layer", "membership": "signed"}


def test_an_effect_by_hand():
    found = effect(np.array([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0], [0.0, 0.0, 0.0]]))
    assert found.mean.tolist() == [2, 5, 0]
    assert found.size.tolist() == [2, np.inf, 0]
    half = 4.302653 / 3**0.5  # of Student's t with two degrees of freedom
    np.testing.assert_allclose(found.low, [2 - half, 5, 0], rtol=1e-6)
    np.testing.assert_allclose(found.high, [2 + half, 5, 0], rtol=1e-6)


def test_the_interval_over_seeds_is_students_and_covers_as_it_says():
    seeds = np.random.default_rng(0).normal(0.3, 2, (4000, 5))
    found = effect(seeds)
    expected = stats.ttest_1samp(seeds, 0, axis=1).confidence_interval(0.95)
    np.testing.assert_allclose([found.low, found.high], expected)
    assert ((found.low < 0.3) & (found.high > 0.3)).mean() == pytest.approx(0.95, abs=0.01)


def test_equal_seeds_have_no_spread_and_a_missing_one_leaves_no_effect():
    found = effect(np.full((2, 3), 0.1, np.float32))
    assert found.size.tolist() == [np.inf, np.inf]
    np.testing.assert_allclose(found.mean, found.low)
    found = effect(np.array([[1.0, np.nan, 2.0]]))
    assert np.isnan(found.mean).all() and np.isnan(found.low).all()


def test_where_fuzziness_falls_the_property_holds():
    effects = minmax_effects(observation(FALLS))
    cell = effects.sel(PLACE)
    assert float(cell.change) == pytest.approx(-0.1, abs=2e-3)
    assert float(cell.excess) == pytest.approx(-0.11, abs=2e-3)
    assert float(cell.change_low) < float(cell.change) < float(cell.change_high) < 0
    assert int(cell.fell) == SEEDS and float(cell.p) == pytest.approx(2 / 2**SEEDS)
    assert float(cell.moved_away) == 0.5 and float(cell.accuracy) == pytest.approx(0.9)
    assert effects.holds.sel(condition="a").all()
    rise = effects.sel(condition="b", reading="layer")
    assert not rise.holds.any() and (rise.fell == 0).all()
    assert effects.sel(condition="b", reading="fixed").holds.all()


def test_a_fall_by_wandering_alone_does_not_count():
    table = observation({"a": {"layer": 0.1, "fixed": 0.1}})
    table.walk_fuzziness[:, :, 1] = 0.8
    effects = minmax_effects(table)
    assert (effects.change < -0.09).all() and not effects.holds.any()


def test_a_fall_by_displacement_alone_does_not_count():
    """Of the two nulls, that which fell more counts, seed by seed; older results have the walk alone."""
    older = observation({"a": {"layer": 0.1, "fixed": 0.1}})
    assert minmax_effects(older).nulls == ["walk"] and minmax_effects(older).holds.all()
    table = older.assign(displaced_fuzziness=older.walk_fuzziness.copy())
    assert minmax_effects(table).nulls == ["walk", "displaced"] and minmax_effects(table).holds.all()
    table.displaced_fuzziness[:, :2, 1] = 0.8
    table.walk_fuzziness[:, 2:, 1] = 0.85
    effects = minmax_effects(table)
    assert (effects.change < -0.09).all() and not effects.holds.any()
    np.testing.assert_allclose(effects.excess, -0.025, atol=2e-3)


def test_no_verdict_rests_on_each_weights_own_path():
    table = observation(FALLS).assign_coords(reading=["layer", "trajectory"])
    assert minmax_effects(table).reading.values.tolist() == ["layer"]


def test_layers_are_judged_apart():
    table = observation({"a": FALLS["a"]})
    table.fuzziness.loc[{"layer": "conv2"}] = 0.9
    effects = minmax_effects(table)
    assert not effects.holds.sel(layer="conv2").any() and effects.holds.sel(layer="conv1").all()


def test_to_learn_takes_true_labels_and_more_than_half_of_the_images():
    table = observation(FALLS | {"c random labels": FALLS["a"]})
    table.test_accuracy[1] = 0.5
    assert learned(table, minmax_effects(table)).tolist() == [True, False, False]


def test_agreement_is_counted_by_layer_and_seed():
    import xarray as xr

    # Of ten weights the first, the steadiest, goes with its direction; three others go against it.
    # In the second seed all go the other way, but for one that did not move, and so went nowhere.
    steady, drift = np.arange(10)[::-1] / 9, np.array([0.1] * 7 + [-0.1] * 3)
    other = -drift
    other[9] = 0
    rows = {"sign_constancy": [steady] * 2, "direction": np.ones((2, 10)), "drift": [drift, other]}
    table = xr.Dataset(
        {
            f"{name}_{layer}": (("seed", f"weight_{layer}"), np.array(row))
            for name, row in rows.items()
            for layer in ("conv1", "conv2")
        }
    )
    found = agreement(table)
    assert dict(found.sizes) == {"layer": 2, "seed": 2}
    np.testing.assert_allclose(found.agree, [[0.7, 0.2]] * 2)
    np.testing.assert_array_equal(found.steadiest, [[1, 0]] * 2)
    np.testing.assert_allclose(found.steadiness, 0.5)
