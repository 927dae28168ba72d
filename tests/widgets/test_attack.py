"""The explorer of one image under attack."""

import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.exploring import expect_change
from helpers.small import digits, lenet, run


@pytest.fixture
def explorer():
    found = mm.widgets.AttackExplorer(run().model, digits())
    found.wait()
    return found


def test_each_control_changes_the_picture(explorer):
    assert explorer.status.value == ""
    expect_change(explorer, "eps", 0.3, "of eps 0.3")
    expect_change(explorer, "attack", "fgsm", "fgsm of eps 0.3")
    digit = int(digits().test.labels[7])
    expect_change(explorer, "number", 7, f"labelled {digit}")


def test_a_drawing_is_attacked_as_it_changes(explorer):
    expect_change(explorer, "source", "my drawing", "of no label")
    assert explorer.number.disabled and explorer.field in explorer._drawing.children
    before = explorer.figure.image.value
    explorer.field.pixels = bytes(np.full(784, 200, np.uint8))
    explorer.wait()
    assert explorer.figure.image.value != before
    explorer.wipe.click()
    explorer.wait()
    assert not explorer.field.image.any()


def test_another_model_is_taken(explorer):
    before = explorer.figure.image.value
    explorer.use(lenet(3), digits())
    explorer.wait()
    assert explorer.figure.image.value != before and explorer.status.value == ""


def test_images_that_cannot_be_drawn_are_picked_alone():
    images = np.random.default_rng(0).random((40, 12, 16, 3), np.float32)
    part = mm.Split(images, np.arange(40) % 3)
    data = mm.Dataset("colours", part, part)
    model = nnx.Sequential(
        nnx.Conv(3, 4, (3, 3), rngs=nnx.Rngs(0)),
        lambda x: x.mean((1, 2)),
        nnx.Linear(4, 3, rngs=nnx.Rngs(0)),
    )
    explorer = mm.widgets.AttackExplorer(model, data)
    explorer.wait()
    assert list(explorer.source.options) == ["test image"] and explorer.status.value == ""
    assert "taken for" in explorer.figure.caption.value


def test_images_too_large_to_draw_are_picked_alone():
    part = mm.Split(np.zeros((8, 300, 300, 1), np.float32), np.arange(8) % 2)
    model = nnx.Sequential(
        lambda x: x[:, ::50, ::50].reshape(len(x), -1), nnx.Linear(36, 2, rngs=nnx.Rngs(0))
    )
    explorer = mm.widgets.AttackExplorer(model, mm.Dataset("large", part, part))
    explorer.wait()
    assert list(explorer.source.options) == ["test image"] and explorer.status.value == ""


def test_after_an_error_the_figure_is_marked(explorer, monkeypatch):
    def fail(*_):
        raise RuntimeError("cannot attack")

    monkeypatch.setattr("minmax_jax.widgets.attack.attack_one", fail)
    explorer.eps.value = 0.2
    explorer.wait()
    assert "RuntimeError: cannot attack" in explorer.status.value
    assert "of an earlier choice:" in explorer.figure.caption.value
    assert "dashed" in explorer.figure.image.layout.border_top
