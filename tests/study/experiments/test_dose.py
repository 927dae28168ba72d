"""Dose in quick mode; and what is said of convolutions, for filters whose units are known by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

import minmax_jax as mm
from helpers.quick import quick
from helpers.small import lenet
from minmax_jax.study.design.condition import Condition
from minmax_jax.study.design.data import study_data
from minmax_jax.study.experiments import dose, filters
from minmax_jax.study.experiments.measurements import in_turn
from minmax_jax.study.experiments.plans import PLANS

pytestmark = pytest.mark.slow
QUICK = PLANS["dose_mnist"].quick


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return quick("dose_mnist", tmp_path_factory.mktemp("results"), seeds=(1,))


def test_the_table_is_by_variant_dose_and_seed(table):
    assert table.accuracy.dims == ("variant", "dose", "seed", "attack", "eps")
    assert table.kernel_conv2.dims[3:] == ("row", "column", "filter", "filter_conv2")
    assert table.unstable.dims == ("variant", "dose", "seed", "filter", "eps") and table.finished.all()
    assert all(table[name].attrs["long_name"] for name in table.data_vars) and "masking" not in table
    assert dose.PLANS["dose_fashion_mnist"].full.datasets == ("fashion_mnist",)
    full = PLANS["dose_mnist"].full
    assert len(full.doses) == 7 and full.variants == ("modern", "classic") and full.epochs == 3


def test_networks_are_those_that_fit_trains(table):
    data, condition = study_data("mnist", small=True), Condition(eps=0.3)
    trained = mm.fit(lenet(1), data.data, seed=1, snapshots=2, progress=False, **condition.training()).model
    cell = table.sel(variant="modern", dose=0.3, seed=1)
    for layer in ("conv1", "conv2"):
        for part in ("kernel", "bias"):
            expected = getattr(getattr(trained, layer), part)[...]
            np.testing.assert_array_equal(cell[f"{part}_{layer}"], expected)
        fuzzy = mm.fuzziness(trained, layers=[layer], membership="magnitude", reading="filter")
        place = {"convolution": layer, "reading": "filter", "membership": "magnitude", "measure": "entropy"}
        assert float(cell.fuzziness.sel(place)) == pytest.approx(float(fuzzy), abs=1e-5)
    attacked = data.validation[:8]
    np.testing.assert_allclose(cell.accuracy, in_turn(trained, attacked, (0.1, 0.2, 0.3), ["pgd"], 1))
    assert float(cell.clean_accuracy) == pytest.approx(mm.accuracy(trained, data.validation))


def test_a_stopped_run_is_not_taken_for_a_finished_one(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        QUICK.work("modern", 0.0, 0, tmp_path, lambda share: True)


def test_units_of_one_tap_are_unstable_where_their_pixel_is_near_the_threshold():
    """Filters look at one pixel, times 2: units are 2 (x - theta), and the box matters at its ends alone."""
    theta = np.array([0.5, 0.3, 0.05, -0.05, 1.2, 0.0], np.float32)
    model, images = lenet(), study_data("mnist", small=True).validation.images
    model.conv1.kernel[...] = jnp.zeros((5, 5, 1, 6)).at[2, 2].set(2.0)
    model.conv1.bias[...] = jnp.asarray(-2 * theta)
    eps = (0.1, 0.2)
    found = filters.measure(model, images, eps)
    np.testing.assert_allclose(found["threshold"], theta, atol=1e-7)
    assert found["live"].tolist() == [True, True, True, True, False, True]
    assert (
        (found["taps"] == 1).all()
        and found["effective_taps"][0] == 1
        and found["near_zero"][0] == pytest.approx(24 / 25)
    )
    pixels = images.astype(np.float64)[..., None]
    for i, radius in enumerate(eps):
        low, high = pixels - radius, pixels + radius
        free = ((low <= theta) & (theta <= high)).mean((0, 1, 2, 3))
        boxed = ((low.clip(0, 1) <= theta) & (theta <= high.clip(0, 1))).mean((0, 1, 2, 3))
        np.testing.assert_allclose(found["unstable"][:, i], free, atol=1e-3)
        np.testing.assert_allclose(found["unstable_boxed"][:, i], boxed, atol=1e-3)
    model.conv1.kernel[...] = jnp.zeros((5, 5, 1, 6))
    assert all(np.isnan(one).all() for one in filters.thresholds(model).values())
