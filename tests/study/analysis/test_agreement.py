"""How often weights went against their gradient, of made-up weights whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from minmax_jax.study.analysis import agreement


def made_up(steady: list[float], direction: list[int], drift: list[float]) -> xr.Dataset:
    """The same weights in both layers for two seeds; in the second all go the other way."""
    rows = {"sign_constancy": [steady] * 2, "direction": [direction] * 2}
    rows["drift"] = [drift, [-one for one in drift]]
    return xr.Dataset(
        {
            f"{name}_{layer}": (("seed", f"weight_{layer}"), np.array(row))
            for name, row in rows.items()
            for layer in ("conv1", "conv2")
        }
    )


def test_shares_are_counted_by_layer_and_seed():
    # Of ten weights the first, the steadiest, goes with its direction; three others go against it.
    steady = [1.0, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0]
    found = agreement(made_up(steady, [1] * 10, [0.1] * 7 + [-0.1] * 3))
    assert dict(found.sizes) == {"layer": 2, "seed": 2}
    np.testing.assert_allclose(found.agree, [[0.7, 0.3]] * 2)
    np.testing.assert_array_equal(found.steadiest, [[1, 0]] * 2)
    np.testing.assert_allclose(found.steadiness, 0.45)


def test_a_weight_that_did_not_move_went_nowhere():
    found = agreement(made_up([0.5, 0.5], [1, -1], [0.0, -0.1]))
    assert float(found.agree.sel(layer="conv1", seed=0)) == pytest.approx(0.5)
