"""Figures of robustness: accuracy over eps, and over the strength of the fuzziness term."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from minmax_jax.fuzziness import Measure
from minmax_jax.intervals import Membership, Reading
from minmax_jax.plots.style import CREDIT, Figure, credit, draw_accuracies, draw_strengths, new_figure

if TYPE_CHECKING:
    import xarray as xr


def robustness(reports: "xr.Dataset | Mapping[str, xr.Dataset]", attack: str | None = None) -> Figure:
    """Accuracy over eps: every attack of one report, or one attack (by default "worst") of several.

    The worst case is drawn bold. Bands are bootstrap intervals: of the worst case, or of every report.
    Raises ValueError for an ``attack`` with only one report, all of whose attacks are drawn, or reports by
    several norms.
    """
    import xarray as xr  # heavy to import, so only where it is used

    figure, (ax,) = new_figure(5.6, 3.8, 1)
    if not isinstance(reports, xr.Dataset):  # which is a Mapping too
        lines = {name: report.sel(attack=attack or "worst") for name, report in reports.items()}
        ax.set_title(f"accuracy under {attack or 'the worst attack'}")
    elif attack is not None:
        raise ValueError(f"attack is {attack!r}; with one report it takes None, and all are drawn")
    else:
        lines = {str(name): reports.sel(attack=name) for name in reports.attack.values}
        worst, eps = float(lines["worst"].accuracy[-1]), float(reports.eps[-1])
        ax.set_title(f"{reports.clean_accuracy:.1%} clean, {worst:.1%} in the worst case at eps {eps:g}")
    draw_accuracies(ax, lines)
    notes = next(iter(lines.values())).attrs
    text = f"{notes['dataset']}, {notes['model']}, {notes['images']} images, attack seed {notes['seed']}"
    figure.supxlabel(f"{text}; band: {notes['level']:.0%} interval, {notes['resamples']} resamples", **CREDIT)
    return figure


def strengths(
    results: "Mapping[float, xr.Dataset]",
    reading: Reading = "layer",
    membership: Membership = "signed",
    measure: Measure = "entropy",
    marked: float | None = None,
) -> Figure:
    """Accuracy, clean and under attack, and final fuzziness, of runs at several strengths.

    ``results`` maps a strength to the run's history, with a variable ``robust_accuracy`` if it was attacked.
    """
    if not results:
        raise ValueError("results is empty; it takes at least one history")
    figure, axes = new_figure(8.6, 3.6, 2)
    draw_strengths(axes, results, reading, membership, measure, marked)
    return credit(figure, next(iter(results.values())))
