"""Figures of why: what they draw is what was given, and odd input is refused."""

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from helpers.drawn import labelled
from helpers.made_up import doses
from helpers.refusal import refuses
from minmax_jax import plots
from minmax_jax.plots.arm_view import ArmView

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


def test_the_dose_is_drawn_as_it_is():
    made = doses()
    figure = plots.dose(made, "classic")
    assert labelled(figure)
    by_label = {ax.get_ylabel(): ax for ax in figure.axes}
    near = by_label["near zero (% of weights)"]
    np.testing.assert_allclose(near.containers[0].lines[0].get_ydata(), [0.1, 45.1, 90.1], atol=1e-4)
    assert near.get_title() == "conv1 at 0.3: 90 % [90, 90] near zero"
    under = by_label["accuracy under attack (%)"]
    assert [bars.get_label() for bars in under.containers] == ["0.1", "0.2", "0.3"]
    dots = by_label["-b / ||w||₁"].lines[0].get_ydata()
    assert len(dots) == 3 * 3 * 6 and np.isnan(dots).sum() == 9  # dead filters have no threshold to see


def test_limits_are_of_live_units_alone(table):
    switched = np.zeros((2, 3, 6, 2))
    switched[1, :, :3] = [0.1, 0.4]
    switched[:, :, 3:] = 1.0
    live = np.arange(6) < 3
    axes = ("arm", "seed", "filter", "eps")
    made = table.assign(unstable_boxed=(axes, switched), live=(axes[:3], np.tile(live, (2, 3, 1))))
    figure = plots.limits({"here": made})
    assert labelled(figure)
    (marks,) = figure.axes[0].lines
    np.testing.assert_allclose(marks.get_xydata(), [[0, 30], [0, 0], [10, 90], [40, 80]], atol=1e-5)


def test_a_view_of_an_arm_tells_its_numbers(table):
    weights = np.zeros((5, 5, 1, 6))
    weights[2, 2] = 1
    cell = table.sel(arm="crisp").assign(kernel_conv1=(("row", "column", "channel", "filter"), weights))
    cell = cell.assign(kernel_conv1=cell.kernel_conv1.expand_dims(seed=cell.seed))
    view = ArmView({"plain": table.sel(arm="none")}, seed=1)
    for _ in range(2):  # changed in place
        figure = view.show(cell, "taps 1")
        assert labelled(figure)
        filters, sizes, accuracies = figure.axes
        assert sizes.get_title() == "1.0 effective taps" and filters.images
        assert accuracies.get_title() == "90 % [88, 92] withstand eps 0.1"
        assert [bars.get_label() for bars in accuracies.containers] == ["plain", "this"]
    assert view.caption.startswith("taps 1: 1.0 effective taps a filter; withstand 90 % [88, 92] eps 0.1, 80")


def test_odd_input_is_refused(table, tmp_path):
    with refuses("tables must hold at least one"):
        plots.limits({})
    with refuses("variant must be one of ['modern', 'classic'], got 'large'"):
        plots.dose(doses(), "large")
    with refuses("does not hold transplants_ablations.nc", error=FileNotFoundError):
        plots.overview(tmp_path)
    with refuses("kernels must hold at least one"):
        plots.filters({})
    with refuses("layers must hold at least one"):
        plots.unstable({}, np.zeros((1, 2, 2, 1), np.float32))
    with refuses("arms must be some of ['none', 'crisp'], got ['other']"):
        plots.withstood(table, ["other"])
