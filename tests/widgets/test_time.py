"""The explorer over time: each control changes the picture, and the words agree."""

import pytest

import minmax_jax as mm
from helpers.exploring import expect_change
from helpers.small import lenet, run, train
from minmax_jax.plots.run_view import MinMaxView


@pytest.fixture(scope="module")
def history():
    return run().history


@pytest.fixture
def explorer(history):
    explorer = mm.widgets.TimeExplorer(history)
    explorer.wait()
    return explorer


def test_it_begins_at_the_end_of_training(explorer, history):
    assert explorer.step.value == history.snapshot.values[-1]
    assert explorer.layer.value == "conv1"
    assert "step 10 of 10" in explorer.figure.caption.value
    assert bytes(explorer.figure.image.value).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("control", "value", "words"),
    [
        ("step", 5, "step 5 of 10"),
        ("layer", "conv2", "conv2, step 10"),
        ("reading", "fixed", "by the fixed reading"),
        ("membership", "magnitude", "magnitude membership"),
        ("measure", "linear", "(linear)"),
    ],
)
def test_each_control_changes_picture_and_words(explorer, control, value, words):
    expect_change(explorer, control, value, words)


def test_another_history_keeps_the_choices_that_fit(explorer):
    other = train(lenet(1), epochs=4).history
    explorer.layer.value, explorer.reading.value = "conv2", "filter"
    explorer.show_history(other)
    explorer.wait()
    assert explorer.step.options == tuple(other.snapshot.values.tolist())
    assert (explorer.layer.value, explorer.reading.value) == ("conv2", "filter")
    assert "step 20 of 20" in explorer.figure.caption.value


def test_an_error_while_drawing_is_shown(explorer, monkeypatch):
    def fail(*_):
        raise RuntimeError("cannot draw")

    monkeypatch.setattr(explorer._view, "show", fail)
    explorer.step.value = 0
    explorer.wait()
    assert 'role="alert"' in explorer.status.value and "cannot draw" in explorer.status.value


def test_frames_are_those_of_the_explorer():
    history = run().history
    frames = mm.widgets.TimeFrames(history, "conv2", reading="fixed", most=3)
    assert frames.axes == {"layer": ["conv1", "conv2"], "training step": [0, 5, 10]}
    assert frames.start == {"layer": "conv2", "training step": 10}
    view = MinMaxView(history)
    view.show("conv1", "fixed", "signed", "entropy", 5)
    assert frames.caption(layer="conv1", **{"training step": 5}) == view.caption
    assert len({frames.frame(layer=layer) for layer in ("conv1", "conv2")}) == 2
