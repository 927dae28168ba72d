"""The field to draw on, without a browser."""

import numpy as np
import pytest

import minmax_jax as mm
from helpers.refusal import refuses


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


def test_a_field_without_pixels_is_refused():
    with refuses("side is 0"):
        mm.widgets.DrawingField(0)


def test_its_script_is_part_of_the_package():
    assert "export default { render }" in str(mm.widgets.DrawingField._esm)
