"""Runs at several strengths of the fuzziness term compared: accuracy and final fuzziness."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.fuzziness import Measure
from minmax_jax.intervals import Membership, Reading
from minmax_jax.plots.style import COLOURS, STYLES, Figure, View, new_figure

if TYPE_CHECKING:
    import xarray as xr

HINT = "Move the slider: each strength that you train is added to this comparison."


class StrengthsView(View):
    """Accuracy, clean and under attack, and final fuzziness, of one run a strength; of none it is empty."""

    def __init__(self, width: float = 9.6, height: float = 3.4) -> None:
        self.figure, (self.accuracies, self.fuzziness) = new_figure(width, height, 2)

    def show(
        self,
        results: "Mapping[float, xr.Dataset]",
        reading: Reading = "layer",
        membership: Membership = "signed",
        measure: Measure = "entropy",
        marked: float | None = None,
    ) -> Figure:
        """Draw the histories of runs.

        Args:
            results: Histories by strength, with a variable ``robust_accuracy`` where they were attacked.
            reading: What "interval" means.
            membership: How a weight's membership is read.
            measure: The measure of fuzziness.
            marked: The strength to be marked, by default none.
        """
        order = sorted(results)
        runs = [results[strength] for strength in order]
        for ax in (self.accuracies, self.fuzziness):
            ax.clear()
        if runs:
            self._draw_accuracies(runs)
            self._draw_fuzziness(runs, reading, membership, measure)
            for ax in (self.accuracies, self.fuzziness):
                ax.set_xticks(range(len(order)), [f"{strength:g}" for strength in order])
                ax.set_xlabel("strength λ")
                ax.legend(frameon=False, fontsize="small")
                if marked in order:
                    ax.axvline(order.index(marked), color="0.85", linewidth=8, zorder=0)
        words = [f"λ = {strength:g}: {_words(results[strength])}" for strength in order]
        self.caption = "; ".join(words) + "." if len(words) > 1 else HINT
        return self.figure

    def _draw_accuracies(self, runs: "list[xr.Dataset]") -> None:
        ax, places = self.accuracies, np.arange(len(runs))
        clean = [100 * float(run.test_accuracy[-1]) if run.sizes["epoch"] else np.nan for run in runs]
        ax.plot(places, clean, "o-", color=COLOURS[0], label="clean, all test images")
        attacked = [100 * float(run.get("robust_accuracy", np.nan)) for run in runs]
        if np.isfinite(attacked).any():
            notes = [run.robust_accuracy.attrs["long_name"] for run in runs if "robust_accuracy" in run]
            ax.plot(places, attacked, "s--", color=COLOURS[1], label=notes[0])
        ax.set(ylabel="accuracy (%)", ylim=(0, 101))

    def _draw_fuzziness(
        self, runs: "list[xr.Dataset]", reading: Reading, membership: Membership, measure: Measure
    ) -> None:
        ax, places = self.fuzziness, np.arange(len(runs))
        chosen = {"reading": reading, "membership": membership, "measure": measure}
        for i, layer in enumerate(runs[0].layer.values):
            ends = [float(run.fuzziness.sel(layer=layer, **chosen)[-1]) for run in runs]
            colour, style = COLOURS[i % len(COLOURS)], "os^v"[i % 4] + STYLES[i % 4]
            ax.plot(places, ends, style, color=colour, label=str(layer))
        ax.set(ylabel=f"fuzziness F at the end\n({measure}, {reading}, {membership})", ylim=(0, 1.02))


def _words(run: "xr.Dataset") -> str:
    clean = f"{float(run.test_accuracy[-1]):.2%} clean" if run.sizes["epoch"] else "no whole epoch"
    attacked = f", {float(run.robust_accuracy):.0%} under PGD" if "robust_accuracy" in run else ""
    return clean + attacked
