"""The explorers of a history, a kernel and one image: each control changes the picture, the words agree."""

import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.exploring import expect_change, sendable
from helpers.small import digits, lenet, run, train

pytestmark = pytest.mark.versions


@pytest.fixture(scope="module")
def explorers():
    found = {
        "time": mm.widgets.TimeExplorer(run().history),
        "kernel": mm.widgets.KernelExplorer(),
        "attack": mm.widgets.AttackExplorer(run().model, digits()),
        "unit": mm.widgets.UnitExplorer(digits()),
    }
    for one in found.values():
        one.wait()
        assert one.status.value == "" and one.status in one.children and one.figure in one.children
        assert sendable(one)
    return found


@pytest.mark.parametrize(
    ("explorer", "control", "value", "words"),
    [
        ("time", "step", 5, "step 5 of 10"),
        ("time", "layer", "conv2", "conv2, step 5"),
        ("time", "reading", "fixed", "by the fixed reading"),
        ("time", "membership", "magnitude", "magnitude membership"),
        ("time", "measure", "linear", "(linear)"),
        ("kernel", "eps", 0.5, "can be moved by 2.00 at eps 0.5"),
        ("kernel", "membership", "magnitude", "(magnitude, entropy)"),
        ("kernel", "measure", "linear", "(magnitude, linear)"),
        ("attack", "eps", 0.3, "of eps 0.3"),
        ("attack", "attack", "fgsm", "fgsm of eps 0.3"),
        ("attack", "number", 7, f"labelled {int(digits().test.labels[7])}"),
        ("attack", "source", "my drawing", "of no label"),
        ("unit", "taps", 5, "A filter of 5 taps with slope 20"),
        ("unit", "slope", 2, "with slope 2 and threshold 0.5"),
        ("unit", "threshold", 0.2, "threshold 0.2: at eps 0.1"),
        ("unit", "eps", 0.25, "at eps 0.25"),
        ("unit", "number", 3, "can be switched"),
    ],
)
def test_each_control_changes_picture_and_words(explorers, explorer, control, value, words):
    expect_change(explorers[explorer], control, value, words)


# A history


def test_time_begins_at_the_end_of_training():
    explorer = mm.widgets.TimeExplorer(run().history)
    explorer.wait()
    assert (explorer.step.value, explorer.layer.value) == (10, "conv1")
    assert "step 10 of 10" in explorer.figure.caption.value


@pytest.mark.slow
def test_another_history_keeps_the_choices_that_fit():
    explorer = mm.widgets.TimeExplorer(run().history)
    other = train(lenet(1), epochs=4).history
    explorer.layer.value, explorer.reading.value = "conv2", "filter"
    explorer.show_history(other)
    explorer.wait()
    assert explorer.step.options == tuple(other.snapshot.values.tolist())
    assert (explorer.layer.value, explorer.reading.value) == ("conv2", "filter")
    assert "step 20 of 20" in explorer.figure.caption.value


# A kernel


def test_the_first_kernel_is_an_edge_detector_whose_taps_move():
    explorer = mm.widgets.KernelExplorer()
    explorer.wait()
    np.testing.assert_array_equal(explorer.kernel, [[-0.5, 0, 0.5], [-1, 0, 1], [-0.5, 0, 0.5]])
    assert "y is +2.00 and can be moved by 0.40 at eps 0.1" in explorer.figure.caption.value
    explorer.taps[5].value = 0.0
    explorer.wait()
    assert "y is +1.00" in explorer.figure.caption.value


def test_large_taps_move_as_far_to_both_sides():
    explorer = mm.widgets.KernelExplorer(np.array([[0.5, -1.52]]), patch=np.array([[1.0, 0.0]]))
    explorer.wait()
    assert [(tap.min, tap.max) for tap in explorer.taps] == [(pytest.approx(-1.55), pytest.approx(1.55))] * 2
    # By magnitude 0.5 and 1.5 of 1.55: the slider takes steps of 0.05.
    explorer.membership.value, explorer.measure.value = "magnitude", "linear"
    explorer.wait()
    mu = np.abs(explorer.kernel) / 1.55
    expected = (1 - np.abs(2 * mu - 1)).mean()
    assert "y is +0.50" in explorer.figure.caption.value
    assert f"fuzziness is {expected:.3f}" in explorer.figure.caption.value


@pytest.mark.parametrize(("tap", "limit"), [(1.0, 1.0), (1.2, 1.2), (-1.2, 1.2), (1.21, 1.25)])
def test_a_tap_on_a_step_is_the_limit_itself(tap, limit):
    explorer = mm.widgets.KernelExplorer(np.array([[tap, 0.0]]))
    explorer.wait()
    assert explorer.taps[0].max == pytest.approx(limit) and explorer.status.value == ""
    assert explorer.kernel[0, 0] == pytest.approx(tap)


# The units of one filter


@pytest.mark.parametrize(("threshold", "eps"), [(0.5, 0.1), (0.2, 0.25), (0.05, 0.1)])
def test_units_of_one_tap_are_switched_where_pixels_are_within_eps(threshold, eps):
    explorer = mm.widgets.UnitExplorer(digits())
    explorer.threshold.value, explorer.eps.value, explorer.slope.value = threshold, eps, 5
    explorer.wait()
    x = np.asarray(digits().test.images[0], np.float64)
    low, high = (np.clip(x + r, 0, 1) for r in (-eps, eps))
    moved = (np.tanh(5 * (high - threshold)) - np.tanh(5 * (low - threshold))) / 2
    share = ((low <= threshold) & (high >= threshold)).mean()
    assert f"{share:.1%} of its units can be switched" in explorer.figure.caption.value
    assert f"moved by {moved.mean():.1%} of its range" in explorer.figure.caption.value


# One image


def test_a_drawing_is_attacked_as_it_changes_by_any_model():
    explorer = mm.widgets.AttackExplorer(run().model, digits())
    assert not explorer.number.disabled
    explorer.source.value = "my drawing"
    explorer.wait()
    assert explorer.number.disabled and explorer.field in explorer.children[1].children
    pictures = [bytes(explorer.figure.image.value)]

    def draw():
        explorer.field.pixels = bytes(np.full(784, 200, np.uint8))

    other = lenet(3)
    for change in (draw, lambda: explorer.use(lambda x: other(x), digits()), explorer.wipe.click):
        change()
        explorer.wait()
        pictures.append(bytes(explorer.figure.image.value))
        assert explorer.status.value == ""
    assert len(set(pictures)) == 4 and not explorer.field.image.any()


@pytest.mark.parametrize("shape", [(12, 16, 3), (300, 300, 1)], ids=["of colours", "too large"])
def test_images_that_cannot_be_drawn_are_picked_alone(shape):
    images = np.random.default_rng(0).random((8, *shape), np.float32)
    part = mm.Split(images, np.arange(8) % 3)
    last = nnx.Linear(shape[-1], 3, rngs=nnx.Rngs(0))
    explorer = mm.widgets.AttackExplorer(
        nnx.Sequential(lambda x: x.mean((1, 2)), last), mm.Dataset("others", part, part)
    )
    explorer.wait()
    assert list(explorer.source.options) == ["test image"] and explorer.status.value == ""
    assert "taken for" in explorer.figure.caption.value
