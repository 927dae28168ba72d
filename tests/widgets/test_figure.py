"""A figure as an image of fixed size with a caption."""

import matplotlib.figure

from helpers.refusal import refuses
from minmax_jax.plots.style import Figure
from minmax_jax.widgets import FigureImage


def test_the_image_follows_the_figure():
    figure = Figure(figsize=(2, 1))
    ax = figure.subplots()
    (line,) = ax.plot([0, 1], [0, 1])
    image = FigureImage(figure, dpi=50)
    image.refresh("a < b")
    first = bytes(image.image.value)
    assert first.startswith(b"\x89PNG") and "a &lt; b" in image.caption.value
    line.set_ydata([1, 0])
    image.refresh("again")
    assert bytes(image.image.value) != first
    assert image.image.tooltip == "again", "what the image is called"
    assert (image.image.width, image.image.height) == ("100", "50")


def test_a_marked_figure_says_so_until_it_is_drawn_again():
    image = FigureImage(Figure(figsize=(2, 1)), dpi=50)
    image.refresh("one")
    for _ in range(2):
        image.mark()
        assert image.image.tooltip == "Not of what the controls say now, but of an earlier choice: one"
        assert image.image.layout.border_left == "3px dashed #D55E00"
    image.refresh("two")
    assert image.image.tooltip == "two" and image.image.layout.border_left == "3px solid transparent"


def test_before_the_first_figure_there_is_nothing_to_mark():
    image = FigureImage(Figure(figsize=(2, 1)), dpi=50)
    image.mark()
    assert image.caption.value == "" and image.image.layout.border_left == "3px solid transparent"


def test_a_figure_of_matplotlib_itself_is_refused():
    with refuses("figure must be a minmax_jax.plots.style.Figure, got a Figure", error=TypeError):
        FigureImage(matplotlib.figure.Figure())
