"""Figures of a run: its filters and memberships, its fuzziness, its weights' paths, what it learned."""

from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.checks import check_count, one_of
from minmax_jax.fuzziness import MEASURES, Measure
from minmax_jax.intervals import MEMBERSHIPS, Membership, Reading
from minmax_jax.minmax import layer_name
from minmax_jax.objective import TRAINABLE_READINGS
from minmax_jax.plots.minmax_view import MinMaxView
from minmax_jax.plots.panels import draw_courses
from minmax_jax.plots.style import COLOURS, LEVEL, Figure, credit, new_figure

if TYPE_CHECKING:
    import xarray as xr


def minmax(
    history: "xr.Dataset",
    layer: str | None = None,
    reading: Reading = "layer",
    membership: Membership = "signed",
    measure: Measure = "entropy",
    snapshot: int = -1,
) -> Figure:
    """A layer at a snapshot: its filters, memberships and fuzziness over training.

    Args:
        history: That of a run of ``fit``.
        layer: One of the history's layers, by default the first.
        reading: What "interval" means.
        membership: How a weight's membership is read.
        measure: The measure of fuzziness.
        snapshot: The number of the snapshot; below 0 from the last, which it is by default.
    """
    return MinMaxView().show(history, layer_name(history, layer), reading, membership, measure, snapshot)


def fuzziness(
    history: "xr.Dataset", membership: Membership = "signed", measure: Measure = "entropy"
) -> Figure:
    """Fuzziness of every layer over training, one line for each reading of "interval".

    The titles name the readings by which it ends lower, of those that do not use the future.
    """
    one_of("membership", membership, MEMBERSHIPS)
    one_of("measure", measure, MEASURES)
    layers = history.layer.values
    columns = min(len(layers), 4)
    rows = -(-len(layers) // columns)
    figure, axes = new_figure(4.2 * columns, 3.6 * rows, columns, rows, sharey=True)
    for ax, layer in zip(axes, layers, strict=False):
        courses = history.fuzziness.sel(layer=layer, membership=membership, measure=measure)
        draw_courses(ax, courses)
        change = courses.isel(snapshot=-1) - courses.isel(snapshot=0)
        falls = [name for name in TRAINABLE_READINGS if change.sel(reading=name) < -LEVEL]
        every = len(falls) == len(TRAINABLE_READINGS)
        which = "every reading" if every else ", ".join(falls) or "no reading"
        ax.set_title(f"{layer}\nF ends lower by: {which}")
    for ax in axes[len(layers) :]:
        ax.set_axis_off()
    for ax in axes[::columns]:
        ax.set_ylabel(f"fuzziness F\n({measure}, {membership})")
    return credit(figure, history)


def trajectories(history: "xr.Dataset", layer: str | None = None, weights: int = 60) -> Figure:
    """Paths of single weights over training: those of the layer farthest from where they began.

    Darker lines moved farther. The paths show only the recorded snapshots.
    """
    weights = check_count("weights", weights)
    name = layer_name(history, layer)
    paths = history[f"kernel_{name}"].values.reshape(history.sizes["snapshot"], -1)
    moves = np.abs(paths[-1] - paths[0])
    darkness = 0.2 + 0.6 * moves / max(moves.max(), np.finfo(np.float32).tiny)
    figure, (ax,) = new_figure(6, 3.6, 1)
    for i in np.argsort(moves)[-weights:]:
        colour = COLOURS[0] if abs(paths[-1, i]) > abs(paths[0, i]) else COLOURS[1]
        ax.plot(history.snapshot, paths[:, i], color=colour, alpha=darkness[i])
    outward = np.mean(np.abs(paths[-1]) > np.abs(paths[0]))
    ax.set(xlabel="training step", ylabel="weight w")
    ax.set_title(f"{name}: {outward:.0%} of all weights end larger in magnitude")
    handles = [ax.plot([], [], color=c)[0] for c in COLOURS[:2]]
    ax.legend(handles, ["ends larger in magnitude", "ends smaller"], frameon=False, fontsize="small")
    return credit(figure, history)


def learning(history: "xr.Dataset") -> Figure:
    """Cross-entropy of each step's batch, and train and test accuracy of each epoch."""
    figure, (left, right) = new_figure(8.4, 3.4, 2)
    left.plot(history.step, history.cross_entropy, color=COLOURS[5], linewidth=0.8)
    left.set(xlabel="training step", ylabel="cross-entropy (nat)", yscale="log")
    for name, colour, style in (("train", COLOURS[0], "o--"), ("test", COLOURS[1], "s-")):
        right.plot(history.epoch, 100 * history[f"{name}_accuracy"], style, color=colour, label=name)
    right.set(
        xlabel="epoch",
        ylabel="accuracy (%)",
        xticks=history.epoch.values[:: 1 + history.sizes["epoch"] // 10],
    )
    right.legend(frameon=False)
    if history.sizes["epoch"]:
        right.set_title(f"test accuracy {float(history.test_accuracy[-1]):.2%}")
    return credit(figure, history)
