"""An explorer of one small kernel, a slider for each tap."""

import math
from typing import Any

import ipywidgets
import numpy as np
from jaxtyping import Float

from minmax_jax.checks import AnyArray
from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import MEMBERSHIPS
from minmax_jax.plots.kernel_view import LIMIT, KernelView
from minmax_jax.widgets.controls import dropdown, grid, radius, row
from minmax_jax.widgets.explorer import DrawnExplorer

EDGE = ((-0.5, 0.0, 0.5), (-1.0, 0.0, 1.0), (-0.5, 0.0, 0.5))  # Sobel's kernel, halved


class KernelExplorer(DrawnExplorer):
    """Slide the taps of a kernel and see y, membership, fuzziness and the worst case follow.

    ``kernel`` (kh, kw) is where the taps begin (by default half of Sobel's); they move in [-1, 1], or as far
    to both sides as the largest of them needs. ``patch``, of the same shape, is the part of an image under
    the kernel (by default a dark-to-bright edge). Raises ValueError unless the kernel has two axes and at
    most 25 taps, all finite, and the patch has its shape.
    """

    _view: KernelView

    def __init__(
        self, kernel: Float[AnyArray, "kh kw"] | None = None, patch: Float[AnyArray, "kh kw"] | None = None
    ):
        start = np.asarray(EDGE if kernel is None else kernel, np.float32)
        if start.ndim != 2 or not 1 <= start.size <= 25:
            raise ValueError(f"kernel must have two axes and 1 to 25 taps, got the shape {start.shape}")
        if not np.isfinite(start).all():
            raise ValueError(f"kernel must have finite taps, got {start.min():g} to {start.max():g}")
        step = 0.05
        # Rounded, as 1.2 is a little more than 24 steps in 32 bits.
        limit = max(LIMIT, step * math.ceil(round(float(np.abs(start).max()) / step, 4)))
        start = start.clip(-limit, limit)
        edge = np.broadcast_to(np.linspace(0, 1, start.shape[1], dtype=np.float32), start.shape)
        view = KernelView(edge if patch is None else np.asarray(patch, np.float32), limit)
        view.show(start)  # raises now for a patch of another shape
        super().__init__()
        self._use(view)
        self.taps = [
            ipywidgets.FloatSlider(
                value=float(start[i, j]),
                min=-limit,
                max=limit,
                step=step,
                description=f"w[{i}, {j}]",
                style={"description_width": "initial"},
            )
            for i, j in np.ndindex(start.shape)
        ]
        self.eps = radius()
        self.membership = dropdown("membership", MEMBERSHIPS)
        self.measure = dropdown("measure", MEASURES)
        for control in (*self.taps, self.eps, self.membership, self.measure):
            control.observe(self._guard(self._changed), "value")
        above = [row(self.membership, self.measure, self.eps), grid(self.taps, start.shape[1])]
        self.children = [*above, self.figure, self.status]
        self._changed()

    @property
    def kernel(self) -> np.ndarray:
        """The taps as the sliders say."""
        values = np.array([slider.value for slider in self.taps], np.float32)
        return values.reshape(self._view.patch.shape)

    def _changed(self, _: Any = None) -> None:
        self._push(self.kernel, self.membership.value, self.measure.value, self.eps.value)
