"""An explorer of the units of one filter, made by hand."""

from typing import Any

import ipywidgets
import numpy as np

from minmax_jax.checks import check_type
from minmax_jax.data import Dataset
from minmax_jax.plots.unit_view import UnitView
from minmax_jax.study.design.crisp import made_kernel
from minmax_jax.widgets.controls import radius, row, slider
from minmax_jax.widgets.explorer import DrawnExplorer

SHAPE = (5, 5, 1, 1)
SLOPES = (1, 2, 5, 10, 20, 40, 80)


class UnitExplorer(DrawnExplorer):
    """Slide the taps, slope and threshold of a filter, and eps: units of a real image flip or hold.

    A unit is tanh(y), ``y = slope (mean of the taps' pixels - threshold)``, as in statement 6 of the theory.
    ``data.test`` has the images. Raises ValueError unless they have one channel.
    """

    def __init__(self, data: Dataset):
        check_type("data", data, Dataset)
        if data.image_shape[-1] != 1:
            raise ValueError(f"data must have images of one channel, got {data.image_shape[-1]}")
        super().__init__()
        self.data = data
        self._use(UnitView())
        style = {"description_width": "initial"}
        count = min(len(data.test), 200)
        self.number = ipywidgets.IntSlider(max=count - 1, description="test image", style=style)
        self.taps = ipywidgets.IntSlider(value=1, min=1, max=25, description="taps", style=style)
        self.slope = slider("slope", SLOPES, 20)
        self.threshold = ipywidgets.FloatSlider(
            value=0.5, min=0, max=1, step=0.05, description="threshold", style=style
        )
        self.eps = radius()
        self.controls = [self.taps, self.slope, self.threshold, self.eps, self.number]
        for control in self.controls:
            control.observe(self._guard(self._changed), "value")
        self.children = [row(*self.controls), self.figure, self.status]
        self._changed()

    def _changed(self, _: Any = None) -> None:
        image = np.asarray(self.data.test.images[self.number.value], np.float32)
        kernel = made_kernel(SHAPE, self.taps.value, self.slope.value)
        self._push(image, kernel, self.threshold.value, self.eps.value)
