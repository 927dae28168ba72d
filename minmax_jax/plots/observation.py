"""Figures of whether the Min-Max property holds, from the study's result ``observation``."""

from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.fuzziness import Measure
from minmax_jax.plots.style import COLOURS, CREDIT, Figure, new_figure
from minmax_jax.study.analysis.verdict import learned, minmax_effects
from minmax_jax.study.design.condition import CONVOLUTIONS

if TYPE_CHECKING:
    import xarray as xr


def conditions(table: "xr.Dataset", measure: Measure = "entropy") -> Figure:
    """Change of fuzziness in training by reading and membership, a mark for each condition.

    Conditions are data sets, networks and optimisers under which networks learned; bars are 95 % intervals
    over seeds (Student t). Full marks: fuzziness fell, and by more than by random steps and displacements of
    the same size. Readings are those of ``minmax_effects``.
    """
    effects = minmax_effects(table, measure)
    effects = effects.isel(condition=learned(table, effects))
    rows = [(str(r), str(m)) for m in effects.membership.values for r in effects.reading.values]
    figure, axes = new_figure(9.6, 5.2, 2, sharey=True)
    offsets = np.linspace(-0.3, 0.3, effects.sizes["condition"])
    for ax, layer in zip(axes, CONVOLUTIONS, strict=True):
        for place, (reading, membership) in enumerate(reversed(rows)):
            cell = effects.sel(reading=reading, membership=membership, layer=layer)
            for offset, one in zip(offsets, range(cell.sizes["condition"]), strict=True):
                row, colour = cell.isel(condition=one), COLOURS[membership == "magnitude"]
                y = place + offset
                ax.plot([row.change_low, row.change_high], [y, y], color=colour, linewidth=0.8)
                face = colour if row.holds else "white"
                ax.plot(row.change, y, "o", color=colour, markerfacecolor=face, markersize=4)
        ax.axvline(0, color="0.6", linewidth=0.8)
        ax.set(xlabel="change of fuzziness F in training", title=layer)
    axes[0].set_yticks(range(len(rows)), [", ".join(row) for row in reversed(rows)])
    axes[0].set_ylabel("reading, membership")
    text = f"{len(offsets)} conditions of {table.sizes['seed']} seeds each, {measure}"
    figure.supxlabel(f"{text}; full marks: the property holds", **CREDIT)
    return figure
