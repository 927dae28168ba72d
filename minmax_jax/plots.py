"""Figures, one function each; all return a matplotlib Figure and draw on no global state."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure as BareFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from minmax_jax.fuzziness import Measure
from minmax_jax.intervals import READINGS, Membership, Reading
from minmax_jax.minmax import membership_course, moved_away

if TYPE_CHECKING:
    import xarray as xr

# Okabe and Ito's palette, told apart with any colour vision; line styles repeat what colour says.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")
WEIGHTS = "PuOr_r"
BINS = np.linspace(0, 1, 21)
LEVEL = 0.005  # a smaller change of fuzziness is called level


class Figure(BareFigure):
    """A matplotlib Figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def new_figure(width: float, height: float, columns: Any, **options: Any) -> tuple[Figure, Any]:
    """A Figure of the study's look, free of pyplot, and its axes."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.1))
    axes = figure.subplots(1, columns, **options)
    for ax in np.atleast_1d(axes):
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def mosaic(kernel: Float[np.ndarray, "kh kw cin cout"]) -> Float[np.ndarray, "h w"]:
    """All filters of a kernel as one picture, NaN between them.

    One input channel: filters side by side in two rows. Else input channels are rows and output channels
    columns.
    """
    kh, kw, cin, cout = kernel.shape
    tiles = np.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)), constant_values=np.nan)
    grid = tiles.transpose(2, 3, 0, 1)
    if cin == 1 and cout % 2 == 0:
        grid = grid.reshape(2, cout // 2, kh + 1, kw + 1)
    rows, columns = grid.shape[:2]
    picture = grid.transpose(0, 2, 1, 3).reshape(rows * (kh + 1), columns * (kw + 1))
    return picture[:-1, :-1]


class MinMaxView:
    """One figure of a layer over training: its filters, its memberships, its fuzziness.

    Artists are updated in place by ``show``, which is what makes a slider over time smooth. ``caption``
    says in words what the figure shows.
    """

    def __init__(self, history: "xr.Dataset"):
        self.figure, (self.filters, self.shares, self.course) = new_figure(
            10.8, 3.9, 3, width_ratios=(1.15, 1, 1.15)
        )
        self.filters.set_axis_off()
        self.caption = ""
        self.use(history)

    def use(self, history: "xr.Dataset") -> None:
        """Take another history; the next ``show`` draws it."""
        self.history = history
        self.choice: tuple[str, ...] | None = None

    def show(
        self,
        layer: str,
        reading: Reading = "layer",
        membership: Membership = "signed",
        measure: Measure = "entropy",
        snapshot: int = -1,
    ) -> Figure:
        """Draw a layer at a snapshot (an index) by one reading, membership and measure."""
        choice = (layer, reading, membership, measure)
        if fresh := choice != self.choice:
            self._prepare(*choice)
            self.choice = choice
        at = range(self.history.sizes["snapshot"])[snapshot]
        step, last = (int(self.history.snapshot[i]) for i in (at, -1))
        self.picture.set_data(mosaic(self.history[f"kernel_{layer}"].values[at]))
        counts = np.histogram(self.mu[at], BINS)[0] / self.mu.shape[1]
        for bar, height in zip(self.bars, counts, strict=True):
            bar.set_height(height)
        self.marker.set_data([step], [self.fuzziness[at]])
        self.shares.set_title(f"{self.moved[at]:.0%} of weights are farther\nfrom the centre than at step 0")
        self.filters.set_title(f"{layer}: kernel\nat step {step} of {last}")
        now, start = self.fuzziness[at], self.fuzziness[0]
        self.course.set_title(f"F = {now:.3f} at step {step}\n({now - start:+.3f} since step 0)")
        change = now - start
        direction = "has fallen" if change < -LEVEL else "has risen" if change > LEVEL else "is level"
        self.caption = (
            f"{layer}, step {step} of {last}: by the {reading} reading ({membership} membership) "
            f"fuzziness {direction}, from {start:.3f} to {now:.3f} ({measure}), and {self.moved[at]:.0%} of "
            f"the weights are farther from the centre of their interval than at the start."
        )
        if fresh:  # lay out once a choice: doing so at each move would double the time to draw
            self.figure.set_layout_engine(ConstrainedLayoutEngine(w_pad=0.1))
            self.figure.draw_without_rendering()
            self.figure.set_layout_engine("none")
        return self.figure

    def _prepare(self, layer: str, reading: Reading, membership: Membership, measure: Measure) -> None:
        """Draw all that stays while time moves."""
        history = self.history
        self.mu = membership_course(history, layer, reading, membership)
        self.moved = moved_away(self.mu)
        courses = history.fuzziness.sel(layer=layer, membership=membership, measure=measure)
        self.fuzziness = courses.sel(reading=reading).values
        kernel = history[f"kernel_{layer}"].values
        for ax in (self.filters, self.shares, self.course):
            ax.clear()
        self.filters.set_axis_off()
        self.picture = draw_weights(self.filters, mosaic(kernel[0]), float(np.abs(kernel).max()))
        if not hasattr(self, "scale"):
            self.scale = self.figure.colorbar(
                self.picture, ax=self.filters, location="left", shrink=0.7, label="weight w"
            )
        self.scale.update_normal(self.picture)
        self.bars = draw_memberships(self.shares, self.mu[0], self.mu[0], reading, membership)
        tallest = max(np.histogram(mu, BINS)[0].max() for mu in self.mu) / self.mu.shape[1]
        self.shares.set_ylim(0, 1.2 * tallest)  # room for the legend
        draw_courses(self.course, courses, reading)
        self.course.set_ylabel(f"fuzziness F ({measure})")
        (self.marker,) = self.course.plot([], [], "o", color="black", zorder=5)


def draw_weights(ax: Axes, picture: Float[np.ndarray, "h w"], limit: float) -> Any:
    """A picture of weights on a colour scale that has white at zero."""
    ax.set_axis_off()
    return ax.imshow(picture, cmap=WEIGHTS, vmin=-limit, vmax=limit)


def draw_memberships(
    ax: Axes,
    start: Float[np.ndarray, " weights"],
    now: Float[np.ndarray, " weights"],
    reading: str,
    membership: str,
) -> Any:
    """Histograms of membership at the start (outline) and now (bars, which are returned)."""
    shares = [np.histogram(mu, BINS)[0] / len(mu) for mu in (start, now)]
    bars = ax.bar(BINS[:-1], shares[1], np.diff(BINS), align="edge", color=COLOURS[5], label="now")
    ax.stairs(shares[0], BINS, color="black", label="step 0")
    ax.axvline(0.5, color="0.5", linestyle=":")
    ax.set(xlim=(0, 1), xlabel=f"membership μ\n({reading} reading, {membership})")
    ax.set_ylabel("share of weights")
    ax.legend(frameon=False, loc="upper center", ncols=2)
    return bars


def draw_courses(ax: Axes, courses: "xr.DataArray", reading: str | None = None) -> None:
    """Fuzziness over training by each reading; the one named is drawn strongly."""
    for name, colour, style in zip(READINGS, COLOURS, STYLES, strict=False):
        strong = reading in (None, name)
        ax.plot(
            courses.snapshot,
            courses.sel(reading=name),
            style,
            color=colour,
            linewidth=2.4 if strong else 1.3,
            alpha=1 if strong else 0.8,
            label=name,
        )
    ax.set(xlabel="training step", ylim=(0, 1.02))
    ax.legend(title="reading", frameon=False, ncols=2, loc="lower right", fontsize="small")


def minmax(
    history: "xr.Dataset",
    layer: str | None = None,
    reading: Reading = "layer",
    membership: Membership = "signed",
    measure: Measure = "entropy",
    snapshot: int = -1,
) -> Figure:
    """A layer (by default the first) at a snapshot: filters, memberships and fuzziness over training."""
    name = str(history.layer.values[0]) if layer is None else layer
    return MinMaxView(history).show(name, reading, membership, measure, snapshot)


def fuzziness(
    history: "xr.Dataset", membership: Membership = "signed", measure: Measure = "entropy"
) -> Figure:
    """Fuzziness of every layer over training, one line for each reading of "interval"."""
    layers = history.layer.values
    figure, axes = new_figure(4.2 * len(layers), 3.4, len(layers), sharey=True)
    for ax, layer in zip(np.atleast_1d(axes), layers, strict=True):
        courses = history.fuzziness.sel(layer=layer, membership=membership, measure=measure)
        draw_courses(ax, courses)
        change = courses.isel(snapshot=-1) - courses.isel(snapshot=0)
        falls = [str(name) for name in change.reading.values[change.values < -LEVEL]]
        ax.set_title(f"{layer}\nF ends lower by: {', '.join(falls) or 'no reading'}")
    np.atleast_1d(axes)[0].set_ylabel(f"fuzziness F\n({measure}, {membership})")
    return figure


def trajectories(history: "xr.Dataset", layer: str | None = None, weights: int = 60) -> Figure:
    """Paths of single weights over training: those of the layer farthest from where they began.

    Darker lines moved farther. The paths show only the recorded snapshots.
    """
    name = str(history.layer.values[0]) if layer is None else layer
    paths = history[f"kernel_{name}"].values.reshape(history.sizes["snapshot"], -1)
    moves = np.abs(paths[-1] - paths[0])
    figure, ax = new_figure(6, 3.4, 1)
    for i in np.argsort(moves)[-weights:]:
        colour = COLOURS[0] if abs(paths[-1, i]) > abs(paths[0, i]) else COLOURS[1]
        ax.plot(history.snapshot, paths[:, i], color=colour, alpha=0.2 + 0.6 * moves[i] / moves.max())
    outward = np.mean(np.abs(paths[-1]) > np.abs(paths[0]))
    ax.set(xlabel="training step", ylabel="weight w")
    ax.set_title(f"{name}: {outward:.0%} of all weights end larger in magnitude")
    handles = [ax.plot([], [], color=c)[0] for c in COLOURS[:2]]
    ax.legend(handles, ["ends larger in magnitude", "ends smaller"], frameon=False, fontsize="small")
    return figure


def learning(history: "xr.Dataset") -> Figure:
    """Cross-entropy of each step's batch, and train and test accuracy of each epoch."""
    figure, (left, right) = new_figure(8.4, 3.2, 2)
    left.plot(history.step, history.cross_entropy, color=COLOURS[5], linewidth=0.8)
    left.set(xlabel="training step", ylabel="cross-entropy (nat)", yscale="log")
    for name, colour, style in (("train", COLOURS[0], "o--"), ("test", COLOURS[1], "s-")):
        right.plot(history.epoch, 100 * history[f"{name}_accuracy"], style, color=colour, label=name)
    right.set(xlabel="epoch", ylabel="accuracy (%)", xticks=history.epoch.values)
    right.legend(frameon=False)
    if history.sizes["epoch"]:
        right.set_title(f"test accuracy {float(history.test_accuracy[-1]):.2%}")
    return figure


def robustness(accuracies: "xr.DataArray | Mapping[str, xr.DataArray]", attack: str | None = None) -> Figure:
    """Accuracy over eps: every attack of one model, or one attack (by default "worst") of several."""
    figure, ax = new_figure(5.6, 3.6, 1)
    if isinstance(accuracies, Mapping):
        lines = {k: v.sel(attack=attack or "worst") for k, v in accuracies.items()}
        ax.set_title(f"accuracy under {attack or 'the worst attack'}")
    else:
        lines = {str(a): accuracies.sel(attack=a) for a in accuracies.attack.values}
    for i, (name, line) in enumerate(lines.items()):
        colour, style = COLOURS[i % len(COLOURS)], STYLES[i % len(STYLES)]
        ax.plot(line.eps, 100 * line, style, marker="o", color=colour, label=name)
    ax.set(xlabel="eps (L-inf radius, pixel values in [0, 1])", ylabel="accuracy (%)", ylim=(0, 101))
    ax.legend(frameon=False)
    return figure


def strengths(
    results: "Mapping[float, xr.Dataset]",
    reading: Reading,
    membership: Membership,
    measure: Measure,
    marked: float | None = None,
) -> Figure:
    """Accuracy, clean and under attack, and final fuzziness, of runs at several strengths.

    ``results`` maps a strength to the run's history, with a variable ``robust_accuracy`` if it was attacked.
    """
    figure, axes = new_figure(8.6, 3.2, 2)
    draw_strengths(axes, results, reading, membership, measure, marked)
    return figure


def draw_strengths(
    axes: Any,
    results: "Mapping[float, xr.Dataset]",
    reading: Reading,
    membership: Membership,
    measure: Measure,
    marked: float | None = None,
) -> None:
    """Draw ``strengths`` on two axes."""
    order = sorted(results)
    runs = [results[strength] for strength in order]
    places = np.arange(len(order))
    accuracies, final = axes
    clean = [100 * float(run.test_accuracy[-1]) for run in runs]
    accuracies.plot(places, clean, "o-", color=COLOURS[0], label="clean, all test images")
    attacked = [100 * float(run.get("robust_accuracy", np.nan)) for run in runs]
    if np.isfinite(attacked).any():
        note = runs[0].robust_accuracy.attrs.get("long_name", "under attack")
        accuracies.plot(places, attacked, "s--", color=COLOURS[1], label=note)
    for layer, colour, style in zip(
        runs[0].layer.values, COLOURS, ("o-", "s--", "^-.", "v:") * 2, strict=False
    ):
        ends = [
            float(run.fuzziness.sel(layer=layer, reading=reading, membership=membership, measure=measure)[-1])
            for run in runs
        ]
        final.plot(places, ends, style, color=colour, label=str(layer))
    for ax in axes:
        ax.set_xticks(places, [f"{strength:g}" for strength in order])
        ax.set_xlabel("strength λ")
        ax.legend(frameon=False, fontsize="small")
        if marked in order:
            ax.axvline(order.index(marked), color="0.85", linewidth=8, zorder=0)
    accuracies.set(ylabel="accuracy (%)", ylim=(0, 101))
    final.set(ylabel=f"fuzziness F at the end\n({measure}, {reading}, {membership})", ylim=(0, 1.02))
