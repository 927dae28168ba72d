"""Figures drawn in parts, and pictures of kernels."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from helpers.drawn import drawn_anew
from minmax_jax.plots.panels import mosaic, shares
from minmax_jax.plots.style import View, lay_out, lay_out_once, new_figure

pytestmark = pytest.mark.versions


def test_mosaics_by_hand():
    kernel, nan = np.arange(8.0).reshape(1, 2, 2, 2), np.nan  # (kh, kw, cin, cout)
    expected = [[0, 4, nan, 1, 5], [nan] * 5, [2, 6, nan, 3, 7]]
    np.testing.assert_array_equal(mosaic(kernel), expected)
    dense = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(mosaic(dense), dense)
    line = np.arange(4.0).reshape(2, 1, 2)  # a window of two, one input channel, two outputs
    np.testing.assert_array_equal(mosaic(line)[:, 0], [0, 2, nan, 1, 3])
    assert mosaic(np.ones((2, 3, 4, 1, 1))).shape == (6, 4)


@pytest.mark.parametrize(("cin", "cout"), [(1, 6), (1, 5), (6, 16)])
def test_a_mosaic_shows_every_weight_once(cin, cout):
    kernel = np.random.default_rng(0).normal(size=(5, 5, cin, cout))
    picture = mosaic(kernel)
    np.testing.assert_array_equal(np.sort(picture[~np.isnan(picture)]), np.sort(kernel.ravel()))


def test_pixels_are_those_of_all_drawn_anew():
    figure, (ax,) = new_figure(2, 1, 1)
    (line,) = ax.plot([0, 1], [0, 1])
    figure.move(line, ax.title)
    lay_out_once(figure)
    figure.pixels()
    line.set_ydata([1, 0])
    ax.title.set_text("moved")
    assert not figure.stale, "the rest is not drawn again"
    before = figure.pixels()
    np.testing.assert_array_equal(before, drawn_anew(figure))
    line.set_ydata([0.2, 0.9])
    drawn_anew(figure)  # another canvas in between does no harm
    np.testing.assert_array_equal(figure.pixels(), drawn_anew(figure))
    line.set_ydata([1, 0])
    ax.set_facecolor("yellow")  # what stays is drawn again once it changes
    assert (figure.pixels() != before).any()
    np.testing.assert_array_equal(figure.pixels(), drawn_anew(figure))


def test_a_figure_comes_with_words_for_who_cannot_see_it():
    figure, (left, right, bare) = new_figure(3, 1, 3)
    left.set(title="two\nlines", xlabel="step", ylabel="loss")
    right.set_xlabel("class")
    bare.set_axis_off()
    png, notes = figure._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert notes == {"alt": "two lines (loss over step); class"}


def test_a_view_that_failed_makes_its_artists_anew():
    class Bars(View):
        def __init__(self):
            self.made, (self.figure, self.axes) = [], new_figure(2, 1, 1)

        def show(self, count, height):
            with self._artists(count) as fresh:
                if fresh:
                    self.made.append(count)
                assert 1 / height

    view = Bars()
    for count, height in ((2, 1), (2, 2), (3, 1)):
        view.show(count, height)
    assert view.made == [2, 3]
    with pytest.raises(ZeroDivisionError):
        view.show(3, 0)
    view.show(3, 1)
    assert view.made == [2, 3, 3]


def test_shares_of_weights_add_up_to_one():
    found = shares(np.array([0.0, 0.01, 0.5, 1.0]))
    assert found[[0, 10, 19]].tolist() == [0.5, 0.25, 0.25] and found.sum() == 1


def test_figures_are_drawn_by_several_threads_at_once():
    """Explorers draw in threads of their own, beside the one that a button is pressed in."""

    def drawn(number):
        for size in range(6, 14):
            figure, axes = new_figure(6, 3, 3)
            for ax in axes:
                ax.set(yscale="log", xlabel=f"run {number}, {size}", title="accuracy under attack")
                ax.plot([1, size], label="$10^{-3}$")
                ax.legend(fontsize=size)
            lay_out(figure)
            figure.pixels()
        return number

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(drawn, range(4))) == [0, 1, 2, 3]
