"""A layer over training: its filters, its memberships and its fuzziness at one step."""

from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.checks import check_count, one_of
from minmax_jax.fuzziness import MEASURES, Measure
from minmax_jax.intervals import Membership, Reading
from minmax_jax.minmax import membership_course, moved_away
from minmax_jax.plots.panels import draw_courses, draw_memberships, draw_weights, mosaic, shares
from minmax_jax.plots.style import LEVEL, Figure, View, credit, new_figure, take_off

if TYPE_CHECKING:
    import xarray as xr


class MinMaxView(View):
    """One figure of a layer over training: its filters, its memberships, its fuzziness."""

    def __init__(self) -> None:
        self.figure, (self.filters, self.shares, self.course) = new_figure(
            10.8, 4.1, 3, width_ratios=(1.15, 1, 1.15)
        )
        self.history: xr.Dataset | None = None

    def show(
        self,
        history: "xr.Dataset",
        layer: str,
        reading: Reading = "layer",
        membership: Membership = "signed",
        measure: Measure = "entropy",
        snapshot: int = -1,
    ) -> Figure:
        """Draw a layer at a snapshot.

        Args:
            history: That of a run of ``fit``.
            layer: One of the history's layers.
            reading: What "interval" means.
            membership: How a weight's membership is read.
            measure: The measure of fuzziness.
            snapshot: The number of the snapshot; below 0 from the last, which it is by default.
        """
        one_of("measure", measure, MEASURES)
        last = history.sizes["snapshot"] - 1
        snapshot = check_count("snapshot", snapshot, -1 - last, last)
        if history is not self.history:  # compared as they are, values would take long
            self.history, self._drawn, self._laid = history, None, None
            credit(self.figure, history)
        choice = (layer, reading, membership, measure)
        with self._artists(choice, room=layer) as fresh:
            if fresh:
                self._prepare(history, *choice)
            self._draw(history, choice, snapshot)
        return self.figure

    def _draw(self, history: "xr.Dataset", choice: tuple[str, ...], snapshot: int) -> None:
        """Change what moves with time."""
        layer, reading, membership, measure = choice
        at = range(history.sizes["snapshot"])[snapshot]
        step, final = (int(history.snapshot[i]) for i in (at, -1))
        self.picture.set_data(mosaic(history[f"kernel_{layer}"].values[at]))
        for bar, height in zip(self.bars, shares(self.mu[at]), strict=True):
            bar.set_height(height)
        self.marker.set_data([step], [self.fuzziness[at]])
        self.shares.title.set_text(
            f"{self.moved[at]:.0%} of weights are farther\nfrom the centre than at step 0"
        )
        self.filters.title.set_text(f"{layer}: kernel\nat step {step} of {final}")
        now, start = self.fuzziness[at], self.fuzziness[0]
        change = now - start
        self.course.title.set_text(f"F = {now:.3f} at step {step}\n({change:+.3f} since step 0)")
        direction = "has fallen" if change < -LEVEL else "has risen" if change > LEVEL else "is level"
        self.caption = (
            f"{layer}, step {step} of {final}: by the {reading} reading ({membership} membership) "
            f"fuzziness {direction}, from {start:.3f} to {now:.3f} ({measure}), and {self.moved[at]:.0%} of "
            f"the weights are farther from the centre of their interval than at the start."
        )

    def _prepare(
        self, history: "xr.Dataset", layer: str, reading: Reading, membership: Membership, measure: Measure
    ) -> None:
        """Draw all that stays while time moves."""
        self.mu = membership_course(history, layer, reading, membership)
        self.moved = moved_away(self.mu)
        courses = history.fuzziness.sel(layer=layer, membership=membership, measure=measure)
        self.fuzziness = courses.sel(reading=reading).values
        kernel = history[f"kernel_{layer}"].values
        for ax in (self.filters, self.shares, self.course):
            take_off(ax)
        self.picture = draw_weights(self.filters, mosaic(kernel[0]), float(np.abs(kernel).max()))
        if not hasattr(self, "scale"):
            self.scale = self.figure.colorbar(
                self.picture, ax=self.filters, location="left", shrink=0.7, label="weight w"
            )
            self.scale.ax.set_title("", y=1)
        self.scale.update_normal(self.picture)
        self.bars, over = draw_memberships(self.shares, self.mu[0], reading, membership)
        tallest = max(shares(mu).max() for mu in self.mu)
        self.shares.set_ylim(0, 1.2 * tallest)  # room for the legend
        draw_courses(self.course, courses, reading)
        self.course.set_ylabel(f"fuzziness F ({measure})")
        (self.marker,) = self.course.plot([], [], "o", color="black", zorder=5)
        titles = (ax.title for ax in (self.filters, self.shares, self.course))
        self.figure.move(self.picture, *self.bars, *over, self.marker, *titles)
