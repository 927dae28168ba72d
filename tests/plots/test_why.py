"""Figures of why: what they draw is what was given, and odd input is refused."""

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from helpers.drawn import labelled
from helpers.refusal import refuses
from minmax_jax import plots

SHARES = {"none": [0.3, 0.0], "crisp": [0.9, 0.8]}


@pytest.fixture
def table():
    accuracy = np.array(list(SHARES.values()))[:, None, None] + np.zeros((2, 3, 2, 1))
    accuracy[..., 0] += np.array([-0.01, 0, 0.01])[:, None]
    return xr.Dataset(
        {
            "accuracy": (("arm", "seed", "attack", "eps"), accuracy),
            "clean_accuracy": (("arm", "seed"), np.full((2, 3), 0.98)),
        },
        {"arm": list(SHARES), "seed": range(3), "attack": ["pgd", "worst"], "eps": [0.1, 0.2]},
    )


def test_filters_are_shown_with_their_sizes_in_order():
    one = jnp.zeros((5, 5, 1, 6)).at[2, 2].set(-3.0)
    figure = plots.filters({"one tap": one, "flat": jnp.ones((5, 5, 1, 6))})
    assert labelled(figure)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["one tap", "flat", "1.0 effective taps", "25.0 effective taps"]
    line = figure.axes[2].lines[0].get_ydata()
    assert line[0] == 1 and not line[1:].any()
    picture = figure.axes[0].images[0].get_array()
    assert picture.shape == (11, 17) and np.nanmin(picture) == -1
    many = plots.filters({"many": jnp.ones((3, 3, 2, 13))}).axes[0].images[0].get_array()
    assert many.shape == (15, 15), "a square of four by four, and not a column"


def test_accuracy_is_a_mean_with_a_t_interval(table):
    figure = plots.withstood(table, {"crisp": "a crisp one"})
    assert labelled(figure)
    (bars,) = figure.axes[0].containers
    np.testing.assert_allclose(bars.lines[0].get_ydata(), [98, 90, 80], atol=1e-4)
    low, high = bars.lines[1][0].get_ydata()[1], bars.lines[1][1].get_ydata()[1]
    np.testing.assert_allclose([90 - low, high - 90], 4.3027 / 3**0.5, rtol=1e-3)
    assert bars.get_label() == "a crisp one"
    assert len(plots.withstood(table).axes[0].containers) == 2


def test_unstable_units_are_those_near_their_threshold():
    images = jnp.array([0.0, 1.0, 0.45, 0.2]).reshape(1, 2, 2, 1)
    tap = jnp.zeros((3, 3, 1, 1)).at[1, 1].set(7.0)
    figure = plots.unstable({"a tap": (tap, jnp.array([-3.5]))}, images, (0.0, 0.1, 0.3, 0.5))
    assert labelled(figure)
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [0, 25, 50, 100])


def test_odd_input_is_refused(table):
    with refuses("kernels must hold at least one"):
        plots.filters({})
    with refuses("layers must hold at least one"):
        plots.unstable({}, np.zeros((1, 2, 2, 1), np.float32))
    with refuses("arms must be some of ['none', 'crisp'], got ['other']"):
        plots.withstood(table, ["other"])
