"""The figure of one image under attack."""

import numpy as np
import pytest

from minmax_jax.plots.attack_view import AttackView


def test_answers_and_changes_are_drawn_and_told():
    view = AttackView(["cat", "dog"])
    image = np.full((4, 4, 1), 0.5, np.float32)
    logits = np.log(np.array([[0.9, 0.1], [0.2, 0.8]], np.float32))
    view.show(image, image + 0.1, logits, 0, 0.1, "pgd")
    assert (view.answers.get_xlabel(), view.answers.get_ylabel()) == ("class", "softmax (%)")
    heights = [round(float(bar.get_height())) for bar in view.answers.patches]
    assert heights == [90, 10, 20, 80]
    assert view.moved.get_title() == "answer: dog"
    np.testing.assert_allclose(view.added.images[0].get_array(), 0.1, atol=1e-6)
    assert view.caption == (
        "An image labelled cat is taken for cat (90%); pgd of eps 0.1 (L-inf, pixel values in [0, 1]) "
        "makes it dog (80%)."
    )


def test_an_image_of_no_label_that_withstands():
    view = AttackView(["cat", "dog"])
    image = np.zeros((4, 4, 1), np.float32)
    view.show(image, image, np.zeros((2, 2), np.float32), None, 0.0, "fgsm")
    assert "of no label" in view.caption and "does not change that" in view.caption


@pytest.mark.parametrize(("classes", "every"), [(20, 1), (21, 2), (100, 5)])
def test_of_many_classes_as_many_are_named_as_have_room(classes, every):
    view, image = AttackView([f"class {i}" for i in range(classes)]), np.zeros((4, 4, 1), np.float32)
    view.show(image, image, np.eye(2, classes, dtype=np.float32), 0, 0.1, "pgd")
    ticks = {tick.get_text(): tick.get_position()[0] for tick in view.answers.get_xticklabels()}
    assert ticks == {f"class {i}": i for i in range(0, classes, every)}
    assert len(view.answers.patches) == 2 * classes


def test_drawn_in_place_it_looks_as_drawn_anew():
    rng = np.random.default_rng(0)
    used, logits = AttackView(["cat", "dog"]), np.array([[2, 0], [0, 1]], np.float32)
    for shape in ((4, 6, 3), (4, 4, 1), (4, 4, 1)):  # the last in place
        image, moved = rng.random(shape, np.float32), rng.random(shape, np.float32)
        fresh = AttackView(["cat", "dog"])
        for view in (used, fresh):
            view.show(image, moved, logits, 0, 0.3, "pgd")
            view.pixels = view.figure.pixels()
        np.testing.assert_array_equal(used.pixels, fresh.pixels)
        logits = logits[::-1]


def test_a_figure_that_could_not_be_prepared_is_prepared_again(monkeypatch):
    view, image, logits = AttackView(["cat", "dog"]), np.zeros((4, 4, 1), np.float32), np.eye(2)
    view.show(image, image, logits, 0, 0.3, "pgd")
    whole = view.figure.pixels()
    monkeypatch.setattr("minmax_jax.plots.attack_view.lay_out", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        view.show(np.zeros((6, 6, 1)), np.zeros((6, 6, 1)), logits, 0, 0.3, "pgd")
    monkeypatch.undo()
    view.show(image, image, logits, 0, 0.3, "pgd")
    np.testing.assert_array_equal(view.figure.pixels(), whole)
