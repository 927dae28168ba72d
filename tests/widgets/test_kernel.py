"""The kernel explorer: every control changes the picture, and the words agree."""

import numpy as np
import pytest

import minmax_jax as mm
from helpers.exploring import expect_change
from helpers.refusal import refuses


@pytest.fixture
def explorer():
    explorer = mm.widgets.KernelExplorer()
    explorer.wait()
    return explorer


def test_it_begins_with_an_edge_detector(explorer):
    assert len(explorer.taps) == 9 and explorer.taps[3].value == -1
    np.testing.assert_array_equal(explorer.kernel, [[-0.5, 0, 0.5], [-1, 0, 1], [-0.5, 0, 0.5]])
    assert "y is +2.00 and can be moved by 0.40 at eps 0.1" in explorer.figure.caption.value


@pytest.mark.parametrize(
    ("control", "value", "words"),
    [
        ("eps", 0.5, "can be moved by 2.00 at eps 0.5"),
        ("membership", "magnitude", "(magnitude, entropy)"),
        ("measure", "linear", "(signed, linear)"),
    ],
)
def test_each_control_changes_picture_and_words(explorer, control, value, words):
    expect_change(explorer, control, value, words)


def test_a_tap_moves_y(explorer):
    explorer.taps[5].value = 0.0
    explorer.wait()
    assert "y is +1.00" in explorer.figure.caption.value


def test_another_kernel_and_patch():
    explorer = mm.widgets.KernelExplorer(np.full((1, 2), 0.5), patch=np.array([[1.0, 0.0]]))
    explorer.wait()
    assert "y is +0.50" in explorer.figure.caption.value


def test_an_error_while_drawing_is_shown(explorer, monkeypatch):
    def fail(*_):
        raise RuntimeError("cannot draw")

    monkeypatch.setattr(explorer._view, "show", fail)
    explorer.taps[0].value = 0.3
    explorer.wait()
    assert "RuntimeError: cannot draw" in explorer.status.value
    assert "of an earlier choice: y is +2.00" in explorer.figure.caption.value
    monkeypatch.undo()
    explorer.taps[0].value = 0.0
    explorer.wait()
    assert explorer.status.value == "" and "earlier choice" not in explorer.figure.caption.value


def test_large_taps_move_as_far_to_both_sides():
    explorer = mm.widgets.KernelExplorer(np.array([[0.5, -1.52]]))
    explorer.wait()
    assert [(tap.min, tap.max) for tap in explorer.taps] == [(pytest.approx(-1.55), pytest.approx(1.55))] * 2
    # By magnitude 0.5 and 1.5 of 1.55: the slider takes steps of 0.05.
    explorer.membership.value, explorer.measure.value = "magnitude", "linear"
    explorer.wait()
    mu = np.abs(explorer.kernel) / 1.55
    expected = (1 - np.abs(2 * mu - 1)).mean()
    assert f"fuzziness is {expected:.3f}" in explorer.figure.caption.value


@pytest.mark.parametrize(("tap", "limit"), [(1.0, 1.0), (1.1, 1.1), (1.2, 1.2), (-1.2, 1.2), (1.21, 1.25)])
def test_a_tap_on_a_step_is_the_limit_itself(tap, limit):
    explorer = mm.widgets.KernelExplorer(np.array([[tap, 0.0]]))
    explorer.wait()
    assert explorer.taps[0].max == pytest.approx(limit) and explorer.status.value == ""
    assert explorer.kernel[0, 0] == pytest.approx(tap)


@pytest.mark.parametrize(
    ("kernel", "patch", "words"),
    [
        (np.zeros(3), None, "kernel has the shape (3,); it takes two axes"),
        (np.zeros((6, 6)), None, "kernel has the shape (6, 6); it takes two axes and at most 25 taps"),
        (np.full((2, 2), np.nan), None, "kernel has taps from nan to nan"),
        (np.zeros((2, 2)), np.zeros((3, 3)), "it takes the patch's, (3, 3)"),
    ],
)
def test_bad_kernels_are_refused(kernel, patch, words):
    with refuses(words):
        mm.widgets.KernelExplorer(kernel, patch)
