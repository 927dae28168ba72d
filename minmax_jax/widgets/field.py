"""A field to draw a small image on by hand."""

from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from jaxtyping import Float

from minmax_jax.checks import check_count

LEVELS = 255
MOST_SIDE = 280  # pixels


class DrawingField(anywidget.AnyWidget):
    """A square of ``side`` x ``side`` pixels to draw on, white on black as MNIST's digits are.

    Mouse, finger or pen draw; so do the arrow keys, which move, and the space bar, which paints. ``pixels``
    are its bytes, row by row, which change when a stroke ends; ``image`` is what is drawn, in [0, 1].
    """

    _esm = Path(__file__).with_name("field.js")
    side = traitlets.Int(28).tag(sync=True)
    pixels = traitlets.CBytes(b"").tag(sync=True)  # from a browser they come as a memoryview

    def __init__(self, side: int = 28, **options: Any):
        side = check_count("side", side, most=MOST_SIDE)
        super().__init__(side=side, pixels=bytes(side * side), **options)

    @property
    def image(self) -> Float[np.ndarray, "side side 1"]:
        """What is drawn, as ``mm.load`` has images."""
        values = np.frombuffer(self.pixels, np.uint8).astype(np.float32)
        return values.reshape(self.side, self.side, 1) / np.float32(LEVELS)

    def clear(self) -> None:
        """Wipe everything out."""
        self.pixels = bytes(self.side * self.side)
