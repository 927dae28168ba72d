"""The pieces that explorers are made of: lines of text, controls, a figure, a field to draw on."""

import numpy as np
import pytest

import minmax_jax as mm
from helpers.exploring import offered
from helpers.refusal import refuses, unchecked
from minmax_jax.plots.style import Figure
from minmax_jax.widgets import FigureImage, Status
from minmax_jax.widgets.controls import WholeNumber, slider
from minmax_jax.widgets.status import Downloads

pytestmark = pytest.mark.versions


def test_messages_are_spoken_and_errors_shown_not_raised():
    status, seen = Status(), []
    status.guard(seen.append)(1)
    assert seen == [1] and status.value == ""
    status.info("loss < 1")
    assert status.value == '<span role="status">loss &lt; 1</span>'

    def callback(change):
        raise ValueError(f"{change} is <too> large")

    status.guard(callback)("λ")
    assert 'role="alert"' in status.value and "ValueError: λ is &lt;too&gt; large" in status.value
    assert "<details><summary>traceback</summary>" in status.value and "in callback" in status.value


def test_links_hold_the_files():
    line = Downloads()
    line.offer({"a.bin": b"\x00\xff" * 600, "b<.txt": b"hello"})
    assert offered(line) == {"a.bin": b"\x00\xff" * 600, "b&lt;.txt": b"hello"}
    assert "a.bin (1 kB)</a>" in line.value


def test_a_slider_is_in_order_and_holds_its_value():
    found = slider("eps", (0.3, 0.0), 0.15, continuous_update=False)
    assert found.options == (("0", 0.0), ("0.15", 0.15), ("0.3", 0.3))
    assert (found.value, found.description, found.continuous_update) == (0.15, "eps", False)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "in [1, 30], got 0"),
        (31, "in [1, 30], got 31"),
        (2.5, "a whole number, got 2.5"),
        (np.inf, "a whole number, got inf"),
    ],
)
def test_a_number_is_kept_as_typed_and_refused_when_it_is_asked_for(value, words):
    field = WholeNumber("n", 30, 1, 9)
    assert field.number == 30, "what it begins with is in its range"
    field.value = value
    assert field.value == value
    with refuses(f"n must be {words}"):
        _ = field.number


def test_an_image_follows_its_figure_and_is_marked_until_then():
    figure = Figure(figsize=(2, 1))
    (line,) = figure.subplots().plot([0, 1], [0, 1])
    shown = FigureImage(figure, dpi=50)
    shown.mark()  # before the first figure there is nothing to mark
    assert shown.caption.value == "" and shown.image.layout.border_left == "3px solid transparent"
    shown.refresh("a < b")
    first = bytes(shown.image.value)
    assert first.startswith(b"\x89PNG") and "a &lt; b" in shown.caption.value
    assert (shown.image.width, shown.image.height) == ("100", "50")
    for _ in range(2):
        shown.mark()
        assert shown.image.tooltip == "Not of what the controls say now, but of an earlier choice: a < b"
        assert shown.image.layout.border_left == "3px dashed #D55E00"
    line.set_ydata([1, 0])
    shown.refresh("again")
    assert bytes(shown.image.value) != first
    assert shown.image.tooltip == "again" and shown.image.layout.border_left == "3px solid transparent"


def test_pixels_are_an_image_row_by_row():
    field = mm.widgets.DrawingField(3)
    assert field.image.shape == (3, 3, 1) and not field.image.any()
    field.pixels = bytes([0, 51, 0, 0, 0, 0, 255, 0, 0])
    assert field.image[0, 1, 0] == pytest.approx(0.2) and field.image[2, 0, 0] == 1
    assert field.image.dtype == np.float32
    field.set_state({"pixels": memoryview(bytes([255] * 9))})  # as a browser sends them
    assert field.image.all() and field.pixels == bytes([255] * 9)
    field.clear()
    assert not field.image.any() and len(field.pixels) == 9
    with unchecked():
        assert mm.widgets.DrawingField(np.uint8(28)).image.shape == (28, 28, 1)  # 28 * 28 would wrap around
    assert "export default { render }" in str(mm.widgets.DrawingField._esm), "its script is packaged"
