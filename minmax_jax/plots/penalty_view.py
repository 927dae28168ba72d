"""What a penalty made of networks, in one figure: filters, accuracy, fuzziness, attacked images."""

from typing import TYPE_CHECKING, Any

import numpy as np

from minmax_jax.attacks.registry import WORST
from minmax_jax.plots.panels import draw_weights, mosaic
from minmax_jax.plots.style import COLOURS, CREDIT, RADII, STYLES, Figure, View, lay_out_once, layout
from minmax_jax.study.analysis.cause import robust_accuracy
from minmax_jax.study.design.arm import Arm, arms_of
from minmax_jax.study.experiments.example import LEVELS
from minmax_jax.study.experiments.measurements import CLAIMED, alarms

if TYPE_CHECKING:
    import xarray as xr


class PenaltyView(View):
    """A figure of one arm of the ``table`` that ``mm.study.regularised`` gives.

    Top: the filters of ``seed``'s first convolution; accuracy by radius, the mean over seeds with the range
    of the worst case, beside that without a penalty; and final fuzziness by the arm's own reading over all
    strengths of its kind. Below: the seed's image under PGD of each radius, and what PGD added.
    """

    def __init__(self, table: "xr.Dataset", seed: int = 0):
        if seed not in table.seed.values:
            raise ValueError(f"seed must be one of {table.seed.values.tolist()}, got {seed}")
        self.table, self.seed = table, seed
        self.arms = {arm.name: arm for arm in arms_of(table)}
        self.figure = Figure(figsize=(9.8, 6.4), layout=layout())
        upper, lower = self.figure.subfigures(2, 1, squeeze=False, height_ratios=(1.15, 1))[:, 0]
        self.filters, self.accuracies, self.fuzziness = upper.subplots(1, 3, width_ratios=(1, 1.25, 1.25))
        self.pictures = lower.subplots(2, 1 + table.sizes["eps"])
        text = (
            f"{table.sizes['seed']} seeds, band: lowest to highest; filters and image of seed {seed}, "
            f"orange: not the label; clean accuracy on all images, else on {table.attrs['images']} a seed"
        )
        self.figure.supxlabel(text, **CREDIT)

    def show(self, arm: Arm, kind: Arm | None = None) -> Figure:
        """Draw an arm, and set the caption. Raises ValueError for one that the table does not hold.

        ``kind`` is an arm whose penalty and reading the fuzziness is shown by, where that of ``arm`` has
        none: a base belongs to arms of many kinds.
        """
        if arm.name not in self.arms:
            raise ValueError(f"arm must be one of {list(self.arms)}, got {arm.name!r}")
        for ax in (self.filters, self.accuracies, self.fuzziness, *self.pictures.ravel()):
            ax.clear()
        for ax in (self.accuracies, self.fuzziness):
            ax.spines[["top", "right"]].set_visible(False)
        cell = self.table.sel(arm=arm.name)
        weights = cell.filters.sel(seed=self.seed).values[:, :, None, :]
        draw_weights(self.filters, mosaic(weights), float(np.abs(weights).max()))
        self.filters.set_title("filters of conv1")
        self._draw_accuracies(cell, arm)
        self._draw_fuzziness(arm, kind or arm)
        self._draw_pictures(cell.sel(seed=self.seed))
        self.caption = self._words(cell, arm)
        lay_out_once(self.figure)
        return self.figure

    def _draw_accuracies(self, cell: "xr.Dataset", arm: Arm) -> None:
        ax = self.accuracies
        radii = np.append(0, self.table.eps.values)

        def ladder(one: "xr.Dataset", attack: str) -> np.ndarray:
            return 100 * np.column_stack([one.clean_accuracy, one.accuracy.sel(attack=attack)])

        if arm != arm.base and arm.base.name in self.arms:
            base = ladder(self.table.sel(arm=arm.base.name), WORST)
            ax.plot(radii, base.mean(0), color="0.6", linewidth=4, label="no penalty, worst case")
        for i, attack in enumerate(str(one) for one in cell.attack.values if one != WORST):
            course = ladder(cell, attack).mean(0)
            ax.plot(radii, course, "o" + STYLES[1 + i % 3], color=COLOURS[i], markersize=4, label=attack)
        worst = ladder(cell, WORST)
        ax.plot(radii, worst.mean(0), color="black", linewidth=2, label="worst case")
        ax.fill_between(radii, worst.min(0), worst.max(0), color="black", alpha=0.15, linewidth=0)
        ax.set(xlabel=RADII["linf"], ylabel="accuracy (%)", ylim=(-2, 104))
        ax.set_title(f"{worst[:, 0].mean():.1f}% clean, {self._worst(cell):.0%} at eps {CLAIMED:g}")
        ax.legend(frameon=False, fontsize="small")

    def _draw_fuzziness(self, arm: Arm, kind: Arm) -> None:
        ax = self.fuzziness
        ax.set_axis_on()
        if kind == kind.base:  # a base by itself has no strengths
            ax.set_axis_off()
            return
        alike = sorted((one for one in self.arms.values() if _kin(one, kind)), key=lambda one: one.strength)
        places = np.arange(len(alike))
        own = {"reading": kind.reading, "membership": kind.membership, "measure": kind.measure}
        for i, layer in enumerate(self.table.convolution.values):
            found = self.table.fuzziness.sel(own | {"convolution": layer})
            course = found.sel(arm=[one.name for one in alike]).mean("seed")
            ax.plot(places, course, "os"[i % 2] + STYLES[i % 4], color=COLOURS[i], label=str(layer))
        ax.axvline(alike.index(arm), color="0.85", linewidth=8, zorder=0)
        ax.set_xticks(places, [f"{one.strength:g}" for one in alike], rotation=45)
        ax.set(xlabel=f"strength λ of {kind.penalty}", ylim=(0, 1.02))
        ax.set_ylabel(f"fuzziness F at the end\n({', '.join(own.values())})")
        ax.legend(frameon=False, fontsize="small")

    def _draw_pictures(self, cell: "xr.Dataset") -> None:
        image = cell.image.values.astype(float)
        grey: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": LEVELS}
        for ax in self.pictures.ravel():
            ax.set_axis_off()
        first, below = self.pictures[:, 0]
        first.imshow(image, **grey)
        first.set_title(f"labelled {int(cell.label)}")
        below.text(1, 0.5, "what PGD\nadded:", ha="right", va="center", transform=below.transAxes)
        for i, eps in enumerate(cell.eps.values):
            added = cell.perturbation.isel(eps=i).values.astype(float)
            top, bottom = self.pictures[:, i + 1]
            top.imshow(image + added, **grey)
            answer = int(cell.answer[i])
            fooled = answer != int(cell.label)
            top.set_title(f"eps {eps:g}: a {answer}", color=COLOURS[1] if fooled else "black")
            limit = LEVELS * float(cell.eps.values.max())
            bottom.imshow(added, cmap="PuOr_r", vmin=-limit, vmax=limit)

    def _worst(self, cell: "xr.Dataset") -> float:
        return float(robust_accuracy(cell, CLAIMED).mean())

    def _words(self, cell: "xr.Dataset", arm: Arm) -> str:
        base = arm.base.name
        known = arm != arm.base and base in self.arms
        without = f" ({self._worst(self.table.sel(arm=base)):.0%} without the penalty)" if known else ""
        diverged = int((~cell.finished.astype(bool)).sum())
        return (
            f"{arm.name}: {float(cell.clean_accuracy.mean()):.1%} clean, {self._worst(cell):.0%} "
            f"under the worst attack at eps {CLAIMED:g}{without}. "
            f"{verdict(cell)}"
        ) + (f" Training diverged from {diverged} seeds." if diverged else "")


def verdict(cell: "xr.Dataset") -> str:
    """What the checks for masking say of an arm, in a sentence."""
    if not np.isfinite(cell.masking).any():
        return "Checks for gradient masking: not made."
    loud = alarms(cell).sum("seed")
    named = [
        f"{check} in {int(loud.sel(check=check))}" for check in cell.check.values if loud.sel(check=check)
    ]
    made = int(np.isfinite(cell.masking).all("check").sum())
    words = f"alarms by {', '.join(named)}" if named else "no alarm"
    return f"Checks for gradient masking: {words} of {made} seeds."


def _kin(one: Arm, arm: Arm) -> bool:
    """Whether an arm differs from another in its strength alone; the base counts as strength 0."""
    return one == arm.base or one.kind == arm.kind
