"""Runs side by side."""

import numpy as np
import pytest

from helpers.drawn import drawn_anew, labelled
from helpers.refusal import refuses
from helpers.small import run
from minmax_jax.plots.play_view import PlayView


def test_nothing_yet_is_said():
    view = PlayView()
    view.show({})
    assert view.caption.startswith("No run yet")


def test_two_runs_are_drawn_side_by_side():
    view, history = PlayView(), run().history
    figure = view.show({"this run": history, "kept run": history.isel(snapshot=slice(0, 3))}, "fixed")
    assert labelled(figure)
    np.testing.assert_array_equal(view.loss.lines[0].get_ydata(), history.cross_entropy)
    names = [text.get_text() for text in view.fuzziness.get_legend().get_texts()]
    assert names == ["this run, conv1", "this run, conv2", "kept run, conv1", "kept run, conv2"]
    course = history.fuzziness.sel(layer="conv2", reading="fixed", membership="signed", measure="entropy")
    np.testing.assert_array_equal(view.fuzziness.lines[1].get_ydata(), course)
    assert view.filters[0].get_title() == "this run: conv1 at step 10"
    assert f"test accuracy {float(history.test_accuracy[-1]):.2%}" in view.caption
    view.show({"this run": history})
    assert not view.filters[1].images


@pytest.mark.filterwarnings("error")
def test_a_run_without_an_epoch_is_drawn():
    view = PlayView()
    view.show({"this run": run().history.isel(epoch=slice(0, 0))}).draw_without_rendering()
    assert "no whole epoch yet" in view.caption


def test_three_runs_are_refused():
    with refuses("histories are of 3 runs; a figure takes at most 2"):
        PlayView().show(dict.fromkeys("abc", run().history))


def told(ax):
    """All that a panel says: its lines, pictures, words and limits."""
    lines = [line.get_xydata().tolist() for line in ax.lines]
    pictures = [
        (np.nan_to_num(one.get_array()).tolist(), one.get_clim(), one.get_extent()) for one in ax.images
    ]
    legend = ax.get_legend()
    names = [] if legend is None else [text.get_text() for text in legend.get_texts()]
    return lines, pictures, names, ax.get_title(), ax.get_ylabel(), ax.get_xlim(), ax.get_ylim()


def test_drawn_in_place_it_tells_what_a_new_figure_does():
    used, whole = PlayView(), run().history
    attacked = whole.assign_attrs(objective_defence="adversarial")
    begun = whole.isel(snapshot=slice(0, 2), step=slice(0, 3), epoch=slice(0, 0))
    two = {"this run": attacked, "kept run": begun}
    for shown in ({"this run": begun}, {"this run": whole}, two, dict(reversed(two.items()))):
        fresh = PlayView()
        for view in (used, fresh):
            view.show(shown, "filter", "magnitude", "linear").pixels()
        for one, other in zip(used.figure.axes, fresh.figure.axes, strict=True):
            assert told(one) == told(other)
        np.testing.assert_array_equal(used.figure.pixels(), drawn_anew(fresh.figure))


def test_a_figure_that_could_not_be_prepared_is_prepared_again(monkeypatch):
    view, history = PlayView(), run().history
    view.show({"this run": history})
    monkeypatch.setattr("minmax_jax.plots.play_view.lay_out", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        view.show({"this run": history, "kept run": history})
    monkeypatch.undo()
    view.show({"this run": history})
    assert len(view.loss.lines) == 1 and not view.filters[1].images


def test_a_few_steps_more_leave_axes_and_words_as_they_are():
    view, history = PlayView(), run().history
    view.show({"this run": history.isel(step=slice(0, 9))}).pixels()
    view.show({"this run": history})
    assert not view.figure.stale, "all would be drawn again"
    assert view.loss.get_xlim() == (0, 10) and view.loss.get_ylim()[1] in (1, 3, 10)


def test_limits_hold_all_that_is_known():
    view, history = PlayView(), run().history
    steep = history.assign(cross_entropy=history.cross_entropy * 0 + np.array([np.inf, 40] + [2e-3] * 8))
    view.show({"this run": steep})
    assert view.loss.get_ylim() == (0.001, 100) and view.loss.get_xlim() == view.fuzziness.get_xlim()
