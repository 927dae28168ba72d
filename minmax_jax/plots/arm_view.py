"""What became of the networks of one arm of a study, in one figure: filters, their weights, robustness."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from minmax_jax.plots.style import CREDIT, Figure, View, lay_out_once, layout
from minmax_jax.plots.why import SIZES, draw_filters, draw_withstood
from minmax_jax.study.analysis.finding import attacks_of
from minmax_jax.study.analysis.verdict import effect
from minmax_jax.study.analysis.why import percent, withstanding

if TYPE_CHECKING:
    import xarray as xr


class ArmView(View):
    """A figure of the networks of one arm, from all seeds, beside others that stay.

    Left: the filters of one seed's first convolution, each scaled to its own largest weight. Middle: the
    sizes of their weights. Right: accuracy under the strongest attack by radius, with 95 % t intervals.

    Args:
        beside: cells of results, by what the legend calls them; each is what ``show`` takes.
        seed: whose filters are shown.
    """

    def __init__(self, beside: "Mapping[str, xr.Dataset]", seed: int = 0):
        self.beside, self.seed = dict(beside), seed
        self.figure = Figure(figsize=(11.4, 3.6), layout=layout())
        self.filters, self.sizes, self.accuracies = self.figure.subplots(1, 3, width_ratios=(1.15, 1, 1.5))
        self.credit = self.figure.supxlabel(" ", **CREDIT)

    def show(self, cell: "xr.Dataset", name: str) -> Figure:
        """Draw one arm by its name, and set the caption.

        ``cell`` has ``kernel_conv1``, ``clean_accuracy`` and ``accuracy`` along ``seed``.
        """
        for ax in (self.filters, self.sizes, self.accuracies):
            ax.clear()
            ax.spines[["top", "right"]].set_visible(False)
        draw_filters(self.filters, self.sizes, cell.kernel_conv1.sel(seed=self.seed).values)
        self.filters.set_title("filters of conv1")
        self.sizes.set_ylabel(SIZES)
        draw_withstood(self.accuracies, {**self.beside, "this": cell})
        self.accuracies.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        shares = {eps: percent(withstanding(cell, eps)) for eps in cell.eps.values.tolist()}
        first = next(iter(shares))
        self.accuracies.set_title(f"{shares[first]} withstand eps {first:g}")
        seeds = cell.sizes["seed"]
        self.credit.set_text(
            f"{attacks_of(cell)}; {seeds} seeds, 95 % t intervals; filters of seed {self.seed}"
        )
        listed = ", ".join(f"{share} eps {eps:g}" for eps, share in shares.items())
        self.caption = f"{name}: {self.sizes.get_title()} a filter; withstand {listed}; clean " + percent(
            effect(cell.clean_accuracy.values), 1
        )
        lay_out_once(self.figure)
        return self.figure
