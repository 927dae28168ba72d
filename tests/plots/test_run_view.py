"""The figure over time: what it shows is what the history says."""

import numpy as np
import pytest

import minmax_jax as mm
from helpers.drawn import drawn_anew, labelled
from helpers.refusal import refuses
from helpers.small import digits, lenet, run, train
from minmax_jax.plots.run_view import MinMaxView
from minmax_jax.plots.style import mosaic


@pytest.fixture(scope="module")
def history():
    return run().history


def test_view_shows_the_snapshot_it_was_asked_for(history):
    view = MinMaxView(history)
    for snapshot in (0, 2, -1):
        view.show("conv1", "fixed", "signed", "linear", snapshot)
        shown = np.ma.filled(view.picture.get_array(), np.nan)
        np.testing.assert_array_equal(shown, mosaic(history.kernel_conv1.values[snapshot]))
        fuzziness = history.fuzziness.sel(
            layer="conv1", reading="fixed", membership="signed", measure="linear"
        ).values
        assert view.marker.get_ydata()[0] == fuzziness[snapshot]
        assert sum(bar.get_height() for bar in view.bars) == pytest.approx(1)
        assert f"{fuzziness[snapshot]:.3f}" in view.caption


def test_caption_says_which_way_fuzziness_went(history):
    view = MinMaxView(history)
    course = history.fuzziness.copy()
    for change, words in ((-0.2, "has fallen"), (0.2, "has risen"), (0.0, "is level")):
        course[-1] = course[0] + change
        view.use(history.assign(fuzziness=course))
        view.show("conv2")
        assert words in view.caption


def test_view_takes_another_history(history):
    other = train(lenet(1), seed=1).history
    view = MinMaxView(history)
    view.show("conv1")
    view.use(other)
    view.show("conv1")
    shown = np.ma.filled(view.picture.get_array(), np.nan)
    np.testing.assert_array_equal(shown, mosaic(other.kernel_conv1.values[-1]))


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_what_moves_is_drawn_over_what_stays(history, layer):
    view = MinMaxView(history)
    view.show(layer)
    for snapshot in (0, 3):
        view.figure.pixels()
        view.show(layer, snapshot=snapshot)
        assert not view.figure.stale  # the rest is not drawn again
        np.testing.assert_array_equal(view.figure.pixels(), drawn_anew(view.figure))


def test_dense_layers_are_pictures_too():
    data = digits()
    history = mm.fit(lenet(), data, epochs=1, record=["conv1", "dense2"], progress=False).history
    view = MinMaxView(history)
    for layer in ("dense2", "conv1", "dense2"):
        assert labelled(view.show(layer))
    np.testing.assert_array_equal(view.picture.get_array(), history.kernel_dense2.values[-1])


def test_bad_choices_are_named(history):
    view = MinMaxView(history)
    with refuses("snapshot must be in [-11, 10], got 99"):
        view.show("conv1", snapshot=99)
    with refuses("measure is 'foo'"):
        view.show("conv1", measure="foo")
