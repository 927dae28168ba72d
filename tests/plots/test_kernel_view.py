"""The figure of one kernel: numbers by hand, and words that agree."""

import numpy as np
import pytest

from helpers.drawn import drawn_anew
from helpers.refusal import refuses
from minmax_jax.plots.kernel_view import KernelView

PATCH = np.array([[0.0, 1.0], [1.0, 1.0]], np.float32)


@pytest.fixture
def view():
    return KernelView(PATCH)


def test_numbers_by_hand(view):
    """Taps 1, -1, 0.5, 0: y = -0.5, L1 norm 2.5, of it 2.25 / 1 by energy and 0.25 by fuzziness."""
    view.show(np.array([[1.0, -1.0], [0.5, 0.0]]), "signed", "quadratic", 0.2)
    assert "y is -0.50 and can be moved by 0.50 at eps 0.2" in view.caption
    assert view.dots.get_xdata().tolist() == pytest.approx([1, 0, 0.75, 0.5])
    assert view.dots.get_ydata().tolist() == pytest.approx([0, 0, 0.75, 1])
    assert view.lower[0].get_height() == pytest.approx(2.25)
    assert (view.upper[0].get_y(), view.upper[0].get_height()) == pytest.approx((2.25, 0.25))
    assert "fuzziness is 0.438 (signed, quadratic)" in view.caption


def test_by_magnitude_off_is_crisp(view):
    view.show(np.array([[1.0, -1.0], [0.0, 0.0]]), "magnitude")
    assert view.dots.get_xdata().tolist() == [1, 1, 0, 0]
    assert "fuzziness is 0.000 (magnitude, entropy)" in view.caption


def test_a_kernel_of_zeros_can_be_shown(view):
    view.show(np.zeros((2, 2)))
    assert "can be moved by 0.00" in view.caption and view.lower[0].get_height() == 0


def test_what_moves_is_drawn_over_what_stays(view):
    view.show(np.zeros((2, 2)))
    for measure in ("entropy", "quadratic"):
        view.figure.pixels()
        view.show(np.array([[1.0, -1.0], [0.5, 0.0]]), "signed", measure)
        assert not view.figure.stale  # the rest is not drawn again
        np.testing.assert_array_equal(view.figure.pixels(), drawn_anew(view.figure))


def test_another_shape_is_refused(view):
    with refuses("kernel has the shape (3, 3); it takes the patch's, (2, 2)"):
        view.show(np.zeros((3, 3)))
