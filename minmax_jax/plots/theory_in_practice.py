"""Figures that compare trained networks with the theory, from the study's result ``theory``."""

from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.plots.style import COLOURS, CREDIT, Figure, new_figure

if TYPE_CHECKING:
    import xarray as xr


def drift(table: "xr.Dataset", seed: int = 0) -> Figure:
    """Where weights went, over how steadily their loss gradient pointed, for both convolutions.

    Right of the centre the gradient mostly called for a larger weight; above it the weight grew. Raises
    ValueError for a seed that the table does not hold.
    """
    if seed not in table.seed.values:
        raise ValueError(f"seed must be one of {table.seed.values.tolist()}, got {seed}")
    layers = [str(name) for name in table.layer.values]
    figure, axes = new_figure(4.6 * len(layers), 3.8, len(layers))
    for ax, layer in zip(axes, layers, strict=True):
        names = ("sign_constancy", "direction", "drift")
        steady, way, moved = (table[f"{name}_{layer}"].sel(seed=seed).values for name in names)
        agree = np.sign(moved) == way
        looks = {"against the gradient": ("o", COLOURS[0], agree), "with it": ("x", COLOURS[1], ~agree)}
        for label, (marker, colour, which) in looks.items():
            pull = (way * steady)[which]
            ax.plot(pull, moved[which], marker, color=colour, markersize=3, alpha=0.5, label=label)
        ax.axhline(0, color="0.6", linewidth=0.8)
        ax.axvline(0, color="0.6", linewidth=0.8)
        ax.set(xlabel="mean of the gradient's sign\n(pull towards larger weights)")
        ax.set_title(f"{layer}: {agree.mean():.0%} of weights go\nagainst their mean gradient")
        ax.legend(frameon=False, fontsize="small")
    axes[0].set_ylabel("change of membership (fixed)")
    figure.supxlabel(f"one point a weight, seed {seed}", **CREDIT)
    return figure


def explained(table: "xr.Dataset") -> Figure:
    """How much of the paths of trained memberships the flow of fuzziness alone explains, by its strength."""
    strengths = [float(one) for one in table.strength.values if one > 0]
    figure, (ax,) = new_figure(5.6, 3.6, 1)
    for i, flow in enumerate(table.flow.values):
        for j, layer in enumerate(table.layer.values):
            course = table.explained.sel(flow=flow, layer=layer, strength=strengths)
            ax.plot(
                strengths,
                course.mean("seed"),
                "os"[j] + ("-", "--")[i],
                color=COLOURS[2 * j + i],
                label=f"{layer}, {flow}",
            )
    ax.set(xscale="log", ylim=(0, 1.02), xlabel="strength λ", ylabel="R² by the flow of fuzziness alone")
    ax.set_title("a strong term decides where weights go")
    ax.legend(frameon=False)
    figure.supxlabel(f"mean of {table.sizes['seed']} seeds; no point where training diverged", **CREDIT)
    return figure
