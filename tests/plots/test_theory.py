"""Figures of the theory: what stands on them is what the formulas give."""

import numpy as np
import pytest

import minmax_jax as mm
from helpers.drawn import labelled
from helpers.small import lenet
from minmax_jax import plots
from minmax_jax.plots.style import COLOURS

pytestmark = pytest.mark.versions

KERNEL = np.random.default_rng(0).normal(0, 0.3, (3, 3, 1, 2)).astype(np.float32)

IMAGE = np.random.default_rng(1).random((9, 10, 1)).astype(np.float32)


def test_a_matrix_holds_the_weights_of_its_tile():
    figure = plots.matrices(KERNEL, [(1, 1), (2, 2)])
    assert labelled(figure) and figure._repr_png_()[0].startswith(b"\x89PNG")
    plain, tiled = (ax.images[0].get_array().filled(np.nan) for ax in figure.axes[:2])
    np.testing.assert_array_equal(plain, KERNEL.reshape(9, 2))
    assert np.isfinite(tiled).sum() == 4 * 9 * 2  # every output of the tile has all weights
    assert "16 x 8" in figure.axes[1].get_title()


def test_outputs_stand_there_up_to_their_tile():
    figure = plots.tile(KERNEL, IMAGE, (2, 3), 4)
    assert labelled(figure)
    axes = figure.axes
    y = np.asarray(mm.convolve(IMAGE[None], KERNEL))[0, ..., 0]  # of 7 rows and 8 columns, 3 tiles a row
    shown = axes[3].images[0].get_array().filled(np.nan)
    np.testing.assert_array_equal(shown[2:4, :6], y[2:4, :6])
    assert np.isfinite(shown).sum() == 2 * 8 + 2 * 6
    row, matrix = (ax.images[0].get_array().filled(0) for ax in axes[1:3])
    product = row.ravel() @ np.nan_to_num(matrix)
    np.testing.assert_allclose(product, y[2:4, 3:6].ravel(), rtol=1e-4, atol=1e-6)
    corners = [ax.patches[0].get_bbox().bounds for ax in (axes[0], axes[3])]
    assert corners == [(2.5, 1.5, 5, 4), (2.5, 1.5, 3, 2)]


def test_measures_are_drawn_with_their_slopes():
    figure = plots.measures()
    values, slopes = ({line.get_label(): line.get_ydata() for line in ax.lines} for ax in figure.axes)
    assert labelled(figure) and list(values) == ["entropy", "quadratic", "linear", "yager"]
    assert {(f[0], round(f[200], 6), f[-1]) for f in values.values()} == {(0, 1, 0)}
    np.testing.assert_allclose(slopes["linear"][[0, -1]], [2, -2], rtol=1e-4)


def test_sharpening_is_drawn_through_the_kernels_own_fuzziness():
    figure = plots.sharpening(KERNEL, factors=(1.0, 100.0))
    start, end = figure.axes[0].lines[0].get_ydata()
    assert start == pytest.approx(float(mm.fuzziness(KERNEL)), abs=1e-6) and end < 0.1
    assert labelled(figure)


def test_the_flow_ends_where_the_closed_form_does():
    figure = plots.flow("linear", 0.12, [0.2, 0.6])
    lines = [line for line in figure.axes[0].lines if line.get_color() == COLOURS[0]]
    assert [line.get_ydata()[-1] for line in lines] == pytest.approx([0, 0.84], abs=1e-4)
    assert "50% of these are at an end" in figure.axes[0].get_title() and labelled(figure)
    (legend,) = plots.flow("yager", starts=[0.2]).axes[0].get_legend().get_texts()
    assert legend.get_text() == "gradient descent", "yager has no closed form"


def test_bars_are_as_high_as_the_worst_case():
    figure = plots.amplification(KERNEL, 0.5)
    tops = [bar.get_y() + bar.get_height() for bar in figure.axes[0].containers[1]]
    np.testing.assert_allclose(tops, mm.certify.amplification(KERNEL, 0.5), rtol=1e-5)
    layers = plots.amplification(lenet(), 0.1)
    assert labelled(figure) and [ax.get_title()[:5] for ax in layers.axes] == ["conv1", "conv2"]
