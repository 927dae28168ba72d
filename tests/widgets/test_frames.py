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


@pytest.mark.parametrize(
    ("axes", "start", "words"),
    [
        ({}, None, "no choices"),
        ({"x": []}, None, "'x': 0"),
        ({"x": range(501)}, None, "at most 500"),
        ({"x": [1]}, {"x": 2}, "start has x = 2"),
        ({"x": [1]}, {"y": 1}, r"start names \['y'\]; it takes some of \['x'\]"),
    ],
)
def test_unfit_axes_are_refused(axes, start, words):
    with pytest.raises(ValueError, match=words):
        mm.widgets.Frames(draw, axes, start)


def test_unfit_choices_are_refused(frames):
    with pytest.raises(ValueError, match="height is 3"):
        frames.frame(height=3)
    with pytest.raises(ValueError, match="width"):
        frames.caption(width=1)
