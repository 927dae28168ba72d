"""What adversarial training makes of convolutions, by its radius, in one figure."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from minmax_jax.attacks.registry import WORST
from minmax_jax.plots.style import COLOURS, CREDIT, Figure, look, new_figure
from minmax_jax.study.analysis.finding import attacks_of
from minmax_jax.study.analysis.verdict import effect
from minmax_jax.study.analysis.why import percent

if TYPE_CHECKING:
    import xarray as xr

RADIUS = "eps of adversarial training"


def dose(table: "xr.Dataset", variant: str = "modern") -> Figure:
    """Convolutions and robustness by the radius of adversarial training: means, 95 % t intervals over seeds.

    Above, by convolution: share of weights within a tenth of the largest, effective taps of a filter,
    fuzziness in the layer's interval by magnitude and signed. Below: thresholds ``-b / ||w||_1`` of the first
    convolution's live filters, a dot each, share of its units that a perturbation can switch, and accuracy
    under the strongest attack, both by the radius of the attack.

    ``table`` is a result such as "dose_mnist". Raises ValueError for a variant that it does not hold.
    """
    if variant not in table.variant.values:
        raise ValueError(f"variant must be one of {table.variant.values.tolist()}, got {variant!r}")
    cell = table.sel(variant=variant)
    figure, axes = new_figure(12.6, 6.4, 4, rows=2)
    near, taps, magnitude, signed, thresholds, units, attacked, kurtosis = axes
    columns = {name: cell.sel(convolution=name) for name in map(str, cell.convolution.values)}
    _lines(near, {name: 100 * one.near_zero for name, one in columns.items()})
    _lines(taps, {name: one.effective_taps for name, one in columns.items()})
    _lines(kurtosis, {name: one.kurtosis for name, one in columns.items()})
    for ax, membership in ((magnitude, "magnitude"), (signed, "signed")):
        own = {"reading": "layer", "membership": membership, "measure": "entropy"}
        _lines(ax, {name: one.fuzziness.sel(own) for name, one in columns.items()})
        ax.set(ylim=(0, 1.02))
    for ax in (near, taps, kurtosis, magnitude, signed):
        ax.legend(frameon=False)
    last = float(cell.dose[-1])
    share = percent(effect(cell.near_zero.sel(convolution="conv1").isel(dose=-1).values))
    before, after = columns["conv1"].effective_taps.mean("seed").isel(dose=[0, -1]).values
    near.set(title=f"conv1 at {last:g}: {share} near zero", ylabel="near zero (% of weights)", ylim=(0, 104))
    taps.set(
        title=f"conv1: {before:.1f} to {after:.1f} taps", ylabel="effective taps of a filter", ylim=(0, None)
    )
    kurtosis.set(title="tails of the weights", ylabel="excess kurtosis of weights")
    magnitude.set(title="fuzziness by magnitude", ylabel="F, layer's interval")
    signed.set(title="fuzziness, signed", ylabel="F, layer's interval")
    _thresholds(thresholds, cell)
    radii = [float(one) for one in cell.eps.values]
    switched = cell.unstable_boxed.where(cell.live).mean("filter")
    _lines(units, {f"{eps:g}": 100 * switched.sel(eps=eps) for eps in radii})
    units.set(title="units that eps can switch", ylabel="live units of conv1 (%)")
    worst = cell.accuracy.sel(attack=WORST)
    _lines(attacked, {f"{eps:g}": 100 * worst.sel(eps=eps) for eps in radii})
    attacked.set(title="withstand eps", ylabel="accuracy under attack (%)")
    for ax in (units, attacked):  # the legend above all curves
        ax.set(ylim=(-2, 150), yticks=range(0, 101, 20))
        ax.legend(frameon=False, title="eps of the attack", loc="upper center", ncols=3, columnspacing=1)
    text = f"{variant} LeNet; {attacks_of(table)}; {table.sizes['seed']} seeds, 95 % t intervals"
    figure.supxlabel(text, **CREDIT)
    return figure


def _lines(ax: Axes, courses: "dict[str, xr.DataArray]") -> None:
    """Courses over the radius of training, each with an interval over seeds."""
    for number, (name, values) in enumerate(courses.items()):
        values = values.transpose("dose", "seed")
        found = effect(values.values)
        doses = values.dose.values + 0.003 * (number - (len(courses) - 1) / 2)
        bars = [found.mean - found.low, found.high - found.mean]
        ax.errorbar(doses, found.mean, bars, capsize=2, markersize=4, label=name, **look(number))
    ax.set_xlabel(RADIUS)


def _thresholds(ax: Axes, cell: "xr.Dataset") -> None:
    """A dot for each live filter of each seed, and the line on which the threshold is the radius."""
    values = cell.threshold.where(cell.live).transpose("dose", "seed", "filter").values
    doses = cell.dose.values
    flat = values.reshape(len(doses), -1)
    jitter = np.linspace(-0.008, 0.008, flat.shape[1])
    ax.plot((doses[:, None] + jitter).ravel(), flat.ravel(), ".", color=COLOURS[0], markersize=3)
    ax.plot(doses, doses, ":", color="0.5", label="the radius")
    ax.legend(frameon=False)
    ax.set(title="thresholds of conv1's filters", xlabel=RADIUS, ylabel="-b / ||w||₁", ylim=(-0.35, 0.65))
