"""Pictures drawn ahead: all there, in order, and told apart by what they show."""

import io
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

import minmax_jax as mm
from helpers.made_up import penalties
from helpers.small import run
from minmax_jax.plots.minmax_view import MinMaxView

pytestmark = pytest.mark.versions

AXES = {"height": [1, 2, 4], "colour": ["red", "blue"]}


def draw(height, colour):
    figure = Figure(figsize=(1, 1), facecolor=colour)
    return figure, f"{height} <b> {colour}"


def flat(height, colour):
    """A picture whose one colour tells its choice."""
    figure = Figure(figsize=(1, 1))
    figure.subplots().set_axis_off()
    figure.axes[0].set_position((0, 0, 1, 1))
    figure.axes[0].imshow([[(height / 4, 0, float(colour == "blue"))]])
    return figure


def test_titles_are_read_out_where_no_words_are_given():
    def titled(x):
        figure = flat(x, "red")
        figure.axes[0].set_title(f"twice\nis {2 * x}")
        return figure

    frames = mm.widgets.Frames(titled, {"x": [1, 2]}, dpi=20)
    assert frames.captions == ["x 1: twice is 2", "x 2: twice is 4"]


@pytest.fixture(scope="module")
def frames():
    return mm.widgets.Frames(draw, AXES, {"height": 2}, dpi=20)


def content(frames):
    return json.loads(re.search(r'application/json">(.*?)</script>', frames.to_html(), re.S).group(1))


def test_every_choice_has_its_picture():
    frames = mm.widgets.Frames(flat, AXES, dpi=20)
    for height in AXES["height"]:
        for colour in AXES["colour"]:
            picture = Image.open(io.BytesIO(frames.frame(height=height, colour=colour)))
            middle = picture.getpixel((10, 10))
            assert middle == pytest.approx((255 * height / 4, 0, 255 * (colour == "blue")), abs=1)
    assert frames.caption(height=4) == "height 4, colour red"


def test_a_bar_tells_the_time_unless_it_is_not_wanted(capsys):
    mm.widgets.Frames(draw, AXES, dpi=20, progress=False)
    assert capsys.readouterr().err == ""
    mm.widgets.Frames(draw, AXES, dpi=20)
    assert "6/6" in capsys.readouterr().err


def test_pictures_are_those_that_matplotlib_saves():
    """However little is drawn anew for each."""
    history = run().history
    frames = mm.widgets.TimeFrames(history, most=2, progress=False)
    view, saved = MinMaxView(), io.BytesIO()
    view.figure.set_dpi(90)
    view.show(history, "conv1", snapshot=0).savefig(saved, format="png", dpi=90)
    shown = (Image.open(io.BytesIO(frames.frame(layer="conv1", **{"training step": 0}))), Image.open(saved))
    np.testing.assert_array_equal(*(np.asarray(one.convert("RGB")) for one in shown))


@pytest.mark.slow
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.data())
def test_pictures_lie_as_the_script_looks_for_them(sizes, data):
    """The place of a choice is that of numpy's order of rows, by which the script computes it too."""
    drawn = []
    figure = Figure(figsize=(0.1, 0.1))
    axes = {f"axis {i}": list(range(size)) for i, size in enumerate(sizes)}
    frames = mm.widgets.Frames(lambda **choice: (drawn.append(choice), figure)[1], axes, dpi=10)
    chosen = [data.draw(st.integers(0, size - 1)) for size in sizes]
    place = int(np.ravel_multi_index(chosen, sizes))
    choice = dict(zip(axes, chosen, strict=True))
    assert drawn[place] == choice
    assert content(frames)["captions"][place] == frames.caption(**choice)


def test_the_element_asks_nobody_and_is_labelled(frames):
    found = frames.to_html()
    assert "http" not in found and found.count('type="range"') == 1 and found.count("<option") == 2
    assert 'alt="2 &lt;b&gt; red"' in found and 'aria-valuetext="2"' in found
    assert content(frames)["words"] == [["1", "2", "4"], ["red", "blue"]]
    assert len(content(frames)["frames"]) == 6
    # captions cannot end the script that holds them
    assert "<b>" not in re.search(r'application/json">(.*?)</script>', found, re.S).group(1)


def test_where_nothing_runs_it_is_a_picture(frames):
    bundle, notes = frames._repr_mimebundle_()
    assert notes == {"image/png": {"alt": bundle["text/plain"]}}
    assert bundle["text/plain"] == "2 <b> red"
    shown, first = (
        Image.open(io.BytesIO(one)).convert("RGB") for one in (bundle["image/png"], frames.frame())
    )
    np.testing.assert_array_equal(shown, first)


# Of a run


def test_frames_over_time_are_those_of_the_explorer():
    history = run().history
    frames = mm.widgets.TimeFrames(history, "conv2", reading="fixed", most=3)
    assert frames.axes == {"layer": ["conv1", "conv2"], "training step": [0, 5, 10]}
    assert frames.start == {"layer": "conv2", "training step": 10}
    view = MinMaxView()
    view.show(history, "conv1", "fixed", "signed", "entropy", 5)
    assert frames.caption(layer="conv1", **{"training step": 5}) == view.caption
    assert len({frames.frame(layer=layer) for layer in ("conv1", "conv2")}) == 2


# Of the study's networks


@pytest.mark.slow
def test_every_arm_has_its_picture_and_a_hole_is_said():
    hole, table = "fuzziness -30 layer magnitude entropy", penalties()
    found = mm.widgets.PenaltyExplorer(table.isel(arm=[name != hole for name in table.arm.values]))
    assert found.axes == {"strength λ": [-30.0, 0.0, 30.0], "membership": ["signed", "magnitude"]}
    assert found.start == {"strength λ": 0.0, "membership": "signed"}
    assert found.caption().startswith("none: 98.0% clean")
    choice = {"strength λ": 30.0, "membership": "magnitude"}
    assert found.caption(**choice).startswith("fuzziness 30 layer magnitude entropy: 95.0% clean")
    assert len({found.frame(**{"strength λ": s}) for s in (-30.0, 0.0, 30.0)}) == 3
    choice["strength λ"] = -30.0
    assert found.caption(**choice) == f"{hole}: not trained in this study."
    assert found.frame(**choice) != found.frame(**(choice | {"membership": "signed"}))


def test_arms_with_adversarial_training_are_asked_for_by_radius():
    found = mm.widgets.PenaltyExplorer(penalties(), eps=0.1)
    assert found.axes == {"strength λ": [0.0, 10.0], "membership": ["signed"]}
    assert found.caption().startswith("none eps 0.1")
