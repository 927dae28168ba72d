"""Figures of why the property and robustness go together: filters, accuracy under attack, unstable units."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from minmax_jax.attacks.registry import WORST
from minmax_jax.checks import AnyArray
from minmax_jax.plots.panels import draw_weights
from minmax_jax.plots.style import COLOURS, CREDIT, MARKERS, RADII, Figure, look, new_figure
from minmax_jax.study.analysis.finding import attacks_of
from minmax_jax.study.analysis.verdict import effect
from minmax_jax.units import unit_bounds, unstable_share

if TYPE_CHECKING:
    import xarray as xr

SIZES = "|w| / max |w| of a filter"
EPS = tuple(np.linspace(0, 0.5, 26).tolist())  # radii that unstable units are drawn at


def filters(kernels: Mapping[str, Float[AnyArray, "kh kw cin cout"]]) -> Figure:
    """First convolutions by name: each filter, scaled to its own largest weight, and all sizes in order.

    Filters are shown by their first input channel. The line below is ``|w| / max |w|`` of each filter, sorted
    from the largest: for one tap it falls to 0 at once. Raises ValueError for no kernels.
    """
    if not kernels:
        raise ValueError("kernels must hold at least one, got none")
    figure, axes = new_figure(2.4 * len(kernels), 4.4, len(kernels), rows=2)
    pictures, lines = axes[: len(kernels)], axes[len(kernels) :]
    for picture, below, (name, kernel) in zip(pictures, lines, kernels.items(), strict=True):
        draw_filters(picture, below, kernel)
        picture.set_title(name)
    lines[0].set_ylabel(SIZES)
    return figure


def draw_filters(picture: Axes, below: Axes, kernel: Float[AnyArray, "kh kw cin cout"]) -> None:
    """A kernel's filters, each scaled to its own largest weight, and below the sizes of its weights."""
    weights = np.asarray(kernel)
    sizes = np.abs(weights).reshape(-1, weights.shape[-1])
    largest = np.where(sizes.max(0) > 0, sizes.max(0), 1)
    draw_weights(picture, _mosaic(weights[:, :, 0] / largest), 1.0)
    for one in (np.sort(sizes / largest, axis=0)[::-1]).T:
        below.plot(np.arange(1, len(one) + 1), one, color=COLOURS[0], alpha=0.6, linewidth=1)
    taps = (sizes.sum(0) / largest).mean()
    below.set(title=f"{taps:.1f} effective taps", xlabel="weights, by size", ylim=(0, 1.05))


def withstood(table: "xr.Dataset", arms: "Mapping[str, str] | Sequence[str] | None" = None) -> Figure:
    """Accuracy under the strongest attack over eps, by arm: means over seeds with 95 % t intervals.

    Args:
        table: a result with ``accuracy`` and ``clean_accuracy`` by arm and seed, such as "crisp_by_loss".
        arms: the arms to draw, or what each is called in the legend by arm; None draws all.

    Raises:
        ValueError: for an arm that the table does not hold, or none.
    """
    known = [str(one) for one in table.arm.values]
    named = dict(arms) if isinstance(arms, Mapping) else {one: one for one in (arms or known)}
    if not named or set(named) - set(known):
        raise ValueError(f"arms must be some of {known}, got {list(named)}")
    figure, (ax,) = new_figure(8.2, 4.2, 1)
    draw_withstood(ax, {name: table.sel(arm=arm) for arm, name in named.items()})
    ax.set_title("accuracy under attack")
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.supxlabel(f"{attacks_of(table)}; {table.sizes['seed']} seeds, 95 % t intervals", **CREDIT)
    return figure


def draw_withstood(ax: Axes, cells: "Mapping[str, xr.Dataset]") -> None:
    """Accuracy under the strongest attack over eps, of each cell with an interval over its seeds."""
    for number, (name, cell) in enumerate(cells.items()):
        eps = np.concatenate([[0.0], cell.eps.values])
        worst = cell.accuracy.sel(attack=WORST).transpose("eps", "seed").values
        share = effect(100 * np.concatenate([cell.clean_accuracy.values[None], worst]))
        # Beside one another, so that intervals that coincide are all seen.
        shifted = eps + 0.002 * (number - (len(cells) - 1) / 2)
        bars = np.clip([share.mean - share.low, share.high - share.mean], 0, None)
        ax.errorbar(shifted, share.mean, bars, label=name, capsize=3, **look(number))
    ax.set(xlabel=RADII["linf"], ylabel="accuracy (%)", ylim=(-2, 104))


def limits(tables: "Mapping[str, xr.Dataset]") -> Figure:
    """Robustness over the share of units that the same eps can switch: a mark for each arm and radius.

    Means over seeds: of the live units of the first convolution, and of images that withstand the strongest
    attack. Source: design of this study, section 3, statement 6: what no unit of the first layer can be
    brought across, no later one sees; between its threshold and saturation a unit still moves.

    ``tables`` are results with ``unstable_boxed``, ``live`` and ``accuracy`` by what the legend calls them.
    Raises ValueError for none.
    """
    if not tables:
        raise ValueError("tables must hold at least one, got none")
    figure, (ax,) = new_figure(6.4, 4.2, 1)
    for number, (name, table) in enumerate(tables.items()):
        switched = table.unstable_boxed.where(table.live).mean(("filter", "seed"))
        worst = table.accuracy.sel(attack=WORST).mean("seed")
        rows = (100 * one.transpose("arm", "eps").values for one in (switched, worst))
        x, y = (one.ravel() for one in rows)
        ax.plot(x, y, MARKERS[number], color=COLOURS[number], label=name, alpha=0.8)
    ax.set(xlabel="units of conv1 that eps can switch (%)", ylabel="withstand eps (%)", ylim=(-2, 104))
    ax.set_title("robustness ends where pixels lie at the thresholds")
    ax.legend(frameon=False)
    figure.supxlabel("a mark for each arm and eps; means over seeds", **CREDIT)
    return figure


def unstable(
    layers: Mapping[str, tuple[Float[AnyArray, "kh kw cin cout"], Float[AnyArray, " cout"]]],
    images: Float[AnyArray, "n h w cin"],
    eps: Sequence[float] = EPS,
) -> Figure:
    """Share of a layer's units that a perturbation can bring across their threshold, over eps, by name.

    Exact, in the box [0, 1]; means over channels, images and places. Source: design of this study, section 3,
    statement 6.

    Args:
        layers: kernel and bias of each first convolution, "SAME" padded, by the name in the legend.
        images: what they see, in [0, 1].
        eps: radii, L-inf.

    Raises:
        ValueError: for no layers, and what ``unit_bounds`` raises.
    """
    if not layers:
        raise ValueError("layers must hold at least one, got none")
    shares = {
        name: [float(unstable_share(*unit_bounds(*layer, images, radius)).mean()) for radius in eps]
        for name, layer in layers.items()
    }
    return unstable_shares(shares, len(images), eps)


def unstable_shares(shares: Mapping[str, Sequence[float]], images: int, eps: Sequence[float]) -> Figure:
    """The figure of ``unstable`` from the shares themselves, in [0, 1], of so many images."""
    figure, (ax,) = new_figure(5.6, 3.8, 1)
    for number, (name, share) in enumerate(shares.items()):
        ax.plot(eps, 100 * np.array(share), label=name, **look(number) | {"marker": ""})
    title = "units that a perturbation can switch"
    ax.set(xlabel=RADII["linf"], ylabel="share of units (%)", ylim=(0, 104), title=title)
    ax.legend(frameon=False)
    figure.supxlabel(f"{images} images", **CREDIT)
    return figure


def _mosaic(pictures: Float[np.ndarray, "h w n"]) -> Float[np.ndarray, "h2 w2"]:
    """Pictures side by side with gaps of NaN, in rows of three, or for more than nine in a square."""
    height, width, count = pictures.shape
    across = min(count, max(3, math.isqrt(count - 1) + 1))
    rows = -(-count // across)
    canvas = np.full((rows * (height + 1) - 1, across * (width + 1) - 1), np.nan)
    for number in range(count):
        top, left = number // across * (height + 1), number % across * (width + 1)
        canvas[top : top + height, left : left + width] = pictures[:, :, number]
    return canvas
