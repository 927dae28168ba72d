"""Figures of robustness: accuracy over eps, and over the strength of the fuzziness term."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from minmax_jax.fuzziness import Measure
from minmax_jax.intervals import Membership, Reading
from minmax_jax.plots.strengths_view import StrengthsView
from minmax_jax.plots.style import COLOURS, CREDIT, RADII, STYLES, Figure, credit, new_figure

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
        raise ValueError(f"attack must be None with one report, as all are drawn, got {attack!r}")
    else:
        lines = {str(name): reports.sel(attack=name) for name in reports.attack.values}
        worst, eps = float(lines["worst"].accuracy[-1]), float(reports.eps[-1])
        ax.set_title(f"{reports.clean_accuracy:.1%} clean, {worst:.1%} in the worst case at eps {eps:g}")
    _draw_accuracies(ax, lines)
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

    Args:
        results: The history of a run by its strength, with a variable ``robust_accuracy`` if it was attacked.
        reading: What "interval" means.
        membership: How a weight's membership is read.
        measure: The measure of fuzziness.
        marked: The strength to be marked, by default none.

    Raises:
        ValueError: For no results.
    """
    if not results:
        raise ValueError("results must hold at least one history, got none")
    figure = StrengthsView(8.6, 3.6).show(results, reading, membership, measure, marked)
    return credit(figure, next(iter(results.values())))


def _draw_accuracies(ax: Axes, lines: "Mapping[str, xr.Dataset]") -> None:
    """Draw accuracy over eps of reports of one attack each; if one is called "worst", it alone has a band."""
    norms = {line.attrs["norm"] for line in lines.values()}
    if len(norms) != 1:
        raise ValueError(f"reports must be by one norm, got {sorted(norms)}")
    for i, (name, line) in enumerate(lines.items()):
        bold = name == "worst"
        colour = "black" if bold else COLOURS[i % (len(COLOURS) - 1)]  # the last is black
        # Smaller and smaller markers, so that lines that coincide are all seen.
        size = 4 + 3 * (len(lines) - 1 - i) if len(lines) < 5 else 4 + (len(lines) - 1 - i)
        ax.plot(
            line.eps,
            100 * line.accuracy,
            STYLES[0] if bold else STYLES[i % len(STYLES)],
            marker="o",
            markersize=size,
            linewidth=3 if bold else 1.5,
            color=colour,
            label=name,
        )
        if bold or "worst" not in lines:
            low, high = 100 * line.interval
            ax.fill_between(line.eps, low, high, color=colour, alpha=0.2, linewidth=0)
    ax.set(xlabel=RADII[norms.pop()], ylabel="accuracy (%)", ylim=(0, 104))
    ax.legend(frameon=False, ncols=1 + len(lines) // 7, fontsize="small" if len(lines) > 6 else None)
