"""One filter on one image: which of its units a perturbation can switch, and how far it can move them."""

import jax
import numpy as np
from jaxtyping import Float
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from minmax_jax.plots.panels import draw_weights
from minmax_jax.plots.style import COLOURS, Figure, View, lay_out_once, new_figure
from minmax_jax.units import stable, unit_bounds

BINS = np.linspace(-1, 1, 41)
SWITCHED, REST = COLOURS[5], "0.45"


class UnitView(View):
    """A filter w with its threshold, tanh(y) on an image, and where its units lie beside eps.

    Units that some perturbation of radius eps takes to the other side of the threshold are marked. Pixels of
    images lie in [0, 1], also when perturbed.
    """

    def __init__(self, side: int = 28, window: int = 5):
        self.figure, axes = new_figure(11.2, 3.3, 4, width_ratios=(1, 0.8, 1, 1.5))
        self.seen, self.filter, self.sides, self.margins = axes
        self.seen.set_axis_off()
        blank = np.zeros((side, side), np.float32)
        self.picture = self.seen.imshow(blank, cmap="gray", vmin=0, vmax=1)
        self.weights = draw_weights(self.filter, np.zeros((window, window), np.float32), 1.0)
        self.values = draw_weights(self.sides, blank, 1.0)
        self.marks = self.sides.imshow(blank, cmap=ListedColormap([SWITCHED]))
        self.band = self.margins.axvspan(-0.1, 0.1, color=SWITCHED, alpha=0.35, linewidth=0)
        self.bars = self.margins.bar(BINS[:-1], 0 * BINS[1:], np.diff(BINS), align="edge", color=REST)
        (self.curve,) = self.margins.plot([], [], color="black")
        self.margins.set(xlim=(-1, 1), ylim=(-1.05, 1.05), xticks=(-1, -0.5, 0, 0.5, 1), yticks=(-1, 0, 1))
        self.margins.set(xlabel="y / ||w||₁: how far pixels are above the threshold")
        self.margins.set_ylabel("tanh(y); share of units")
        handles = [self.curve, self.bars[0], Patch(color=SWITCHED, alpha=0.35)]
        self.margins.legend(handles, ["tanh(y)", "units", "within eps"], loc="lower right", frameon=False)
        self.seen.title.set_text("image")
        pictures = (self.picture, self.weights, self.values, self.marks)
        titles = [ax.title for ax in (self.filter, self.sides, self.margins)]
        ends = [self.margins.spines[one] for one in ("left", "bottom")]
        self.figure.move(*pictures, self.band, *self.bars, self.curve, *ends, *titles)

    def show(
        self,
        image: Float[np.ndarray, "h w 1"],
        kernel: Float[np.ndarray, "kh kw 1 1"],
        threshold: float,
        eps: float = 0.1,
    ) -> Figure:
        """Draw the units ``tanh(<w, x> - threshold ||w||_1)`` of a filter with weights.

        Raises ValueError for a kernel of zeros, and as ``unit_bounds`` does.
        """
        norm = float(np.abs(kernel).sum())
        if not norm:
            raise ValueError("kernel must have a weight that is not zero")
        bias = np.array([-threshold * norm], np.float32)
        (y, _), (low, high) = (jax.device_get(unit_bounds(kernel, bias, image[None], r)) for r in (0.0, eps))
        y, low, high = (one[0, ..., 0] for one in (y, low, high))
        switched = ~np.asarray(stable(low, high))
        moved = float(((np.tanh(high) - np.tanh(low)) / 2).mean())
        self.picture.set_data(image[..., 0])
        self.weights.set_data(kernel[..., 0, 0] / np.abs(kernel).max())
        self.values.set_data(np.tanh(y))
        self.marks.set_data(np.ma.masked_where(~switched, np.ones_like(y)))
        heights = np.histogram(np.clip(y / norm, -1, 1), BINS)[0] / y.size
        for bar, height in zip(self.bars, heights, strict=True):
            bar.set_height(height)
        grid = np.linspace(-1, 1, 401)
        self.curve.set_data(grid, np.tanh(norm * grid))
        self.band.set(x=-eps, width=2 * eps)
        count = int((kernel != 0).sum())
        taps = f"{count} tap{'s' if count > 1 else ''}"
        self.filter.title.set_text(f"filter\n{taps}, slope {norm:g}")
        self.sides.title.set_text(f"{switched.mean():.1%} of units\ncan be switched")
        self.margins.title.set_text(f"eps {eps:g} can move tanh(y)\nby {moved:.1%} of its range on average")
        self.caption = (
            f"A filter of {taps} with slope {norm:g} and threshold {threshold:g}: at eps {eps:g}, "
            f"{switched.mean():.1%} of its units can be switched (blue), and tanh(y) can be moved by "
            f"{moved:.1%} of its range on average."
        )
        lay_out_once(self.figure)
        return self.figure
