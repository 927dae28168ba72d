"""Panels that several figures are made of: weights as pictures, memberships, fuzziness over training."""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from minmax_jax.intervals import READINGS
from minmax_jax.plots.style import COLOURS, STYLES

if TYPE_CHECKING:
    import xarray as xr

WEIGHTS = "PuOr_r"
BINS = np.linspace(0, 1, 21)


def mosaic(kernel: Float[np.ndarray, "*window cin cout"]) -> Float[np.ndarray, "h w"]:
    """All filters of a kernel as one picture, NaN between them; of a dense kernel, the matrix.

    One input channel: filters side by side in two rows. Else input channels are rows and output channels
    columns. A window of one axis is a column; one of three lies slice below slice.
    """
    *window, cin, cout = kernel.shape
    if not window:
        return kernel
    kernel = kernel.reshape(-1, window[-1] if len(window) > 1 else 1, cin, cout)
    kh, kw = kernel.shape[:2]
    tiles = np.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)), constant_values=np.nan)
    grid = tiles.transpose(2, 3, 0, 1)
    if cin == 1 and cout % 2 == 0:
        grid = grid.reshape(2, cout // 2, kh + 1, kw + 1)
    rows, columns = grid.shape[:2]
    picture = grid.transpose(0, 2, 1, 3).reshape(rows * (kh + 1), columns * (kw + 1))
    return picture[:-1, :-1]


def draw_weights(ax: Axes, picture: Float[np.ndarray, "h w"], limit: float) -> Any:
    """A picture of weights on a colour scale that has white at zero."""
    ax.set_axis_off()
    return ax.imshow(picture, cmap=WEIGHTS, vmin=-limit, vmax=limit)


def shares(mu: Float[np.ndarray, " weights"]) -> Float[np.ndarray, " bins"]:
    """Share of weights in each of the ``BINS`` of membership. Identity: they add up to 1."""
    return np.histogram(mu, BINS)[0] / len(mu)


def draw_memberships(
    ax: Axes, start: Float[np.ndarray, " weights"], reading: str, membership: str
) -> tuple[Any, list[Artist]]:
    """Histogram of membership at the start: bars to be moved, and what lies over them, an outline first."""
    heights = shares(start)
    bars = ax.bar(BINS[:-1], heights, np.diff(BINS), align="edge", color=COLOURS[5], label="now")
    outline = ax.stairs(heights, BINS, color="black", label="step 0")
    centre = ax.axvline(0.5, color="0.5", linestyle=":")
    ax.set(xlim=(0, 1), xlabel=f"membership μ\n({reading} reading, {membership})")
    ax.set_ylabel("share of weights")
    # Labels of one width, so that panels need not move from one reading to another.
    ax.yaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter("{x:.2f}")
    ax.legend(frameon=False, loc="upper center", ncols=2)
    return bars, [outline, centre, ax.spines["left"], ax.spines["bottom"]]


def draw_parts(ax: Axes, places: Any, energy: Any, fuzzy: Any) -> tuple[Any, Any]:
    """Bars of the two parts of a worst case; both are returned to be moved."""
    lower = ax.bar(places, energy, color=COLOURS[0], label="energy, ||w||² / m")
    upper = ax.bar(places, fuzzy, bottom=energy, color=COLOURS[4], hatch="//", label="fuzziness, n m F / 4")
    return lower, upper


def draw_courses(ax: Axes, courses: "xr.DataArray", reading: str | None = None) -> None:
    """Fuzziness over training by each reading; the one named is drawn strongly."""
    for name, colour, style in zip(READINGS, COLOURS, STYLES, strict=False):
        strong = reading in (None, name)
        ax.plot(
            courses.snapshot,
            courses.sel(reading=name),
            style,
            color=colour,
            linewidth=2.4 if strong else 1.3,
            alpha=1 if strong else 0.8,
            label=name,
        )
    ax.set(xlabel="training step", ylim=(0, 1.02))
    ax.legend(title="reading", frameon=False, ncols=2, loc="lower right", fontsize="small")
