"""Figures of what penalties did to networks, from the table that ``mm.study.regularised`` gives."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from minmax_jax.intervals import MEMBERSHIPS
from minmax_jax.plots.penalty_view import PenaltyView
from minmax_jax.plots.style import COLOURS, CREDIT, STYLES, Figure, new_figure
from minmax_jax.study.analysis.cause import (
    changed_fuzziness,
    paired_effect,
    rank_correlation,
    robust_accuracy,
)
from minmax_jax.study.analysis.verdict import Effect, effect
from minmax_jax.study.design.arm import Penalty, arms_of, curve
from minmax_jax.study.experiments.measurements import CLAIMED

if TYPE_CHECKING:
    import xarray as xr

LOOKS: dict[Penalty, tuple[str, str]] = {
    "fuzziness": ("o", COLOURS[0]),
    "l1": ("s", COLOURS[1]),
    "l2": ("^", COLOURS[2]),
    "none": ("*", "black"),
}


def network(table: "xr.Dataset", arm: str = "none", seed: int = 0) -> Figure:
    """One arm by its name: filters, accuracy by radius, fuzziness over strengths, attacked images."""
    view = PenaltyView(table, seed)
    if arm not in view.arms:
        raise ValueError(f"arm must be one of {list(view.arms)}, got {arm!r}")
    return view.show(view.arms[arm])


def strength_curves(table: "xr.Dataset", eps: float = CLAIMED) -> Figure:
    """Change of accuracy by the strength of the fuzziness term: clean, and in the worst case at ``eps``.

    Paired with no penalty, seed by seed; bars: 95 % intervals over seeds (Student t). Layer reading, entropy.
    """
    kinds = curve(arms_of(table))
    figure, axes = new_figure(9.6, 3.6, 2)
    outcomes = {
        "clean accuracy": table.clean_accuracy,
        f"worst case, eps {eps:g}": robust_accuracy(table, eps),
    }
    strengths = sorted({0.0} | {arm.strength for arm in kinds})
    for ax, (name, values) in zip(axes, outcomes.items(), strict=True):
        found = paired_effect(table, values)
        for i, membership in enumerate(dict.fromkeys(arm.membership for arm in kinds)):
            course = [arm for arm in kinds if arm.membership == membership and arm.name in found.arm.values]
            course.sort(key=lambda arm: arm.strength)  # parts of the study come one after the other
            places = [strengths.index(arm.strength) + 0.12 * (2 * i - 1) for arm in course]
            _errorbar(ax, places, found.sel(arm=[a.name for a in course]), i, membership)
        ax.axhline(0, color="0.6", linewidth=0.8)
        ax.set_xticks(range(len(strengths)), [f"{one:g}" for one in strengths], rotation=45)
        ax.set(xlabel="strength λ (below 0: towards more fuzziness)", title=name)
    axes[0].set_ylabel("change against no penalty\n(percentage points)")
    axes[0].legend(title="membership", frameon=False)
    text = f"{table.sizes['seed']} paired seeds; arms with a network that diverged are left out"
    figure.supxlabel(text, **CREDIT)
    return figure


def arms(table: "xr.Dataset", eps: float = CLAIMED) -> Figure:
    """Every penalty's change of worst-case accuracy at ``eps`` against its base, with its interval."""
    found = paired_effect(table, robust_accuracy(table, eps))
    shown = [arm for arm in arms_of(table) if arm.name in found.arm.values]
    kinds = list(dict.fromkeys(arm.kind for arm in shown))
    order = sorted(shown, key=lambda arm: (kinds.index(arm.kind), arm.strength))
    figure, (ax,) = new_figure(7.6, 1.2 + 0.19 * len(order), 1)
    for place, arm in enumerate(reversed(order)):
        row = 100 * found.sel(arm=arm.name)
        marker, colour = LOOKS[arm.penalty]
        ax.plot([row.low, row.high], [place, place], color=colour)
        ax.plot(row["mean"], place, marker, color=colour, markersize=4)
    ax.axvline(0, color="0.6", linewidth=0.8)
    ax.set_yticks(range(len(order)), [arm.name for arm in reversed(order)], fontsize="x-small")
    ax.set_ylim(-0.7, len(order) - 0.3)
    ax.set(xlabel=f"change of accuracy in the worst case at eps {eps:g} (percentage points)")
    up, down = int((found.low > 0).sum()), int((found.high < 0).sum())
    ax.set_title(f"intervals above 0: {up} arms, below: {down}, on both sides: {len(order) - up - down}")
    text = f"95 % intervals over {table.sizes['seed']} paired seeds (Student t)"
    figure.supxlabel(text, **CREDIT)
    return figure


def cause(table: "xr.Dataset", eps: float = CLAIMED) -> Figure:
    """Change of worst-case accuracy at ``eps`` over change of fuzziness, a mark for each arm, with intervals.

    Fuzziness is by layer and entropy over the weights of both convolutions, left signed, right by magnitude.
    """
    change = paired_effect(table, robust_accuracy(table, eps))
    figure, axes = new_figure(9.4, 4, 2, sharey=True)
    for ax, membership in zip(axes, MEMBERSHIPS, strict=True):
        fuzzier = changed_fuzziness(table, membership).transpose("arm", "seed")
        _scatter(ax, table, effect(fuzzier.values), change)
        ax.set_xlabel(f"change of fuzziness F (layer, {membership})")
    axes[0].set_ylabel(f"change of accuracy in the\nworst case, eps {eps:g} (points)")
    axes[1].legend(title="penalty", frameon=False)
    return figure


def _scatter(ax: Axes, table: "xr.Dataset", across: Effect, change: "xr.Dataset") -> None:
    known = {arm.name: arm for arm in arms_of(table)}
    for penalty, (marker, colour) in LOOKS.items():
        mine = np.array([known[str(name)].penalty == penalty for name in change.arm.values])
        if not mine.any():
            continue
        x, y = across.mean[mine], 100 * change["mean"].values[mine]
        look: dict[str, Any] = {"color": colour, "linewidth": 0.8}
        ax.vlines(x, 100 * change.low.values[mine], 100 * change.high.values[mine], **look)
        ax.hlines(y, across.low[mine], across.high[mine], **look)
        ax.plot(x, y, marker, color=colour, markersize=5, label=penalty)
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.axvline(0, color="0.6", linewidth=0.8)
    if len(across.mean) > 2:
        together = rank_correlation(across.mean, change["mean"].values)
        ax.set_title(f"rank correlation over {len(across.mean)} arms: {together:+.2f}")


def _errorbar(ax: Axes, places: Sequence[float], rows: "xr.Dataset", i: int, label: str) -> None:
    ax.vlines(places, 100 * rows.low, 100 * rows.high, color=COLOURS[i])
    ax.plot(places, 100 * rows["mean"], "os"[i % 2] + STYLES[i % 4], color=COLOURS[i], label=label)
