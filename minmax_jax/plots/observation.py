"""Figures of whether the Min-Max property holds, from the study's result ``observation``."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from minmax_jax.fuzziness import Measure
from minmax_jax.plots.style import COLOURS, CREDIT, MARKERS, Figure, new_figure
from minmax_jax.study.analysis.verdict import learned, minmax_effects
from minmax_jax.study.design.condition import CONVOLUTIONS

if TYPE_CHECKING:
    import xarray as xr


def conditions(table: "xr.Dataset", measure: Measure = "entropy") -> Figure:
    """Change of fuzziness in training by reading and membership, a mark for each condition.

    Conditions are data sets, networks and optimisers under which networks learned; bars are 95 % intervals
    over seeds (Student t). Full marks: fuzziness fell, and by more than by random steps and displacements of
    the same size; beside each row stands in how many conditions. Readings are those of ``minmax_effects``.
    """
    effects = minmax_effects(table, measure)
    effects = effects.isel(condition=learned(table, effects))
    rows = [(str(r), str(m)) for m in effects.membership.values for r in effects.reading.values]
    figure, axes = new_figure(11.6, 5.4, 2, sharex=True, sharey=True)
    shapes, colours = _looks(effects)
    count = effects.sizes["condition"]
    offsets = np.linspace(0.34, -0.34, count)
    for ax, layer in zip(axes, CONVOLUTIONS, strict=True):
        for place, (reading, membership) in enumerate(reversed(rows)):
            cell = effects.sel(reading=reading, membership=membership, layer=layer)
            if place % 2:
                ax.axhspan(place - 0.5, place + 0.5, color="0.95", zorder=0)
            for offset, one in zip(offsets, range(count), strict=True):
                row, y = cell.isel(condition=one), place + offset
                shape, colour = shapes[_network(row)], colours[str(row.optimiser.values)]
                ax.plot([row.change_low, row.change_high], [y, y], color=colour, linewidth=0.8)
                face = colour if row.holds else "white"
                ax.plot(row.change, y, shape, color=colour, markerfacecolor=face, markersize=4.5)
            held = f"{int(cell.holds.sum())} of {count}"
            ax.text(1.01, place, held, transform=ax.get_yaxis_transform(), va="center", fontsize="small")
        ax.axvline(0, color="0.4", linewidth=0.8)
        ax.set(xlabel="change of fuzziness F in training", title=layer)
    axes[0].set_yticks(range(len(rows)), [", ".join(row) for row in reversed(rows)])
    axes[0].set(ylabel="reading, membership", ylim=(-0.5, len(rows) - 0.5))
    grey: dict[str, Any] = {"color": "0.3", "linestyle": ""}
    marks = [Line2D([], [], marker=shape, label=name, **grey) for name, shape in shapes.items()]
    marks += [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=marks, loc="outside right center", frameon=False, fontsize="small")
    counts = effects.holds.sum("condition").max("layer").sel(membership="signed")
    best = str(counts.reading.values[int(counts.argmax("reading"))])
    figure.suptitle(f"signed, weights leave the centre of the {best} interval (full marks: it holds)")
    text = f"{count} conditions of {table.sizes['seed']} seeds each, {measure}; 95 % t intervals"
    figure.supxlabel(text, **CREDIT)
    return figure


def _network(condition: "xr.Dataset") -> str:
    """Data set and network of a condition, in words."""
    return f"{condition.dataset.values} {condition.variant.values}"


def _looks(effects: "xr.Dataset") -> tuple[dict[str, str], dict[str, str]]:
    """A shape for each pair of a data set and a network, and a colour for each optimiser."""
    cells = [effects.isel(condition=one) for one in range(effects.sizes["condition"])]
    networks = dict.fromkeys(_network(one) for one in cells)
    optimisers = dict.fromkeys(str(one.optimiser.values) for one in cells)
    return dict(zip(networks, MARKERS, strict=False)), dict(zip(optimisers, COLOURS, strict=False))
