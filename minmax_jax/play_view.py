"""Runs side by side while they are trained: loss, accuracy, fuzziness and filters."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.drawing import COLOURS, STYLES, Figure, draw_weights, lay_out, mosaic
from minmax_jax.fuzziness import Measure
from minmax_jax.intervals import Membership, Reading

if TYPE_CHECKING:
    import xarray as xr

MOST = 2  # runs that have room side by side


class PlayView:
    """A figure of one run or two: ``show`` draws their histories as far as they are.

    Its artists are updated in place, as a training draws it again and again. ``caption`` says in words what
    the figure shows.
    """

    def __init__(self) -> None:
        self.figure = Figure(figsize=(10.8, 5.6))
        upper, lower = self.figure.subfigures(2, 1, squeeze=False, height_ratios=(1.7, 1))[:, 0]
        self.loss, self.accuracy, self.fuzziness = upper.subplots(1, 3)
        self.filters = lower.subplots(1, MOST)
        self.caption = "No run yet: choose, then press Train."
        self._prepared: dict[str, tuple[str, ...]] | None = None

    def show(
        self,
        histories: "Mapping[str, xr.Dataset]",
        reading: Reading = "layer",
        membership: Membership = "signed",
        measure: Measure = "entropy",
    ) -> Figure:
        """Draw the histories by their names. Raises ValueError for more than two."""
        if len(histories) > MOST:
            raise ValueError(f"histories are of {len(histories)} runs; a figure takes at most {MOST}")
        named = {_name(called, history): history for called, history in histories.items()}
        layers = {name: tuple(map(str, history.layer.values)) for name, history in named.items()}
        if fresh := layers != self._prepared:
            self._prepared = None  # until all has been drawn
            self._prepare(layers)
        chosen = {"reading": reading, "membership": membership, "measure": measure}
        for i, (name, history) in enumerate(named.items()):
            self.losses[i].set_data(history.step, history.cross_entropy)
            self.accuracies[i].set_data(history.epoch, 100 * history.test_accuracy.values)
            for layer, line in zip(layers[name], self.courses[i], strict=True):
                line.set_data(history.snapshot, history.fuzziness.sel(chosen | {"layer": layer}))
            first = layers[name][0]
            kernel = history[f"kernel_{first}"].values[-1]
            limit = float(np.abs(kernel).max())
            picture = mosaic(kernel)
            self.pictures[i].set(data=picture, clim=(-limit, limit), extent=_extent(picture))
            self.filters[i].title.set_text(f"{name}: {first} at step {int(history.snapshot[-1])}")
        for ax in (self.loss, self.fuzziness):
            ax.relim()
            ax.autoscale_view()
        self.fuzziness.set_ylabel(f"fuzziness F\n({measure}, {reading}, {membership})")
        known = [100 * float(one.test_accuracy.min()) for one in named.values() if one.sizes["epoch"]]
        self.accuracy.set_ylim(min([90.0, *known]) - 1, 100.2)
        longest = max([1, *(one.sizes["epoch"] for one in named.values())])
        self.accuracy.set(xlim=(0.5, longest + 0.5), xticks=range(1, longest + 1, 1 + longest // 10))
        if named:
            self.caption = " ".join(_words(name, history, chosen) for name, history in named.items())
        if fresh:
            lay_out(self.figure)
            self._prepared = layers
        return self.figure

    def _prepare(self, layers: Mapping[str, tuple[str, ...]]) -> None:
        """Make the artists of runs of these names, each with its layers, without data."""
        for ax in (self.loss, self.accuracy, self.fuzziness, *self.filters):
            ax.clear()
        for ax in (self.loss, self.accuracy, self.fuzziness):
            ax.spines[["top", "right"]].set_visible(False)
        for ax in self.filters:
            ax.set_axis_off()
        self.losses, self.accuracies, self.courses, self.pictures = [], [], [], []
        for i, (name, own) in enumerate(layers.items()):
            self.losses += self.loss.plot([], [], color=COLOURS[i], linewidth=0.8, label=name)
            self.accuracies += self.accuracy.plot([], [], "os"[i] + STYLES[i], color=COLOURS[i])
            lines = [
                self.fuzziness.plot(
                    [], [], STYLES[j % 4], color=COLOURS[i], label=f"{name}, {layer}", marker="."
                )[0]
                for j, layer in enumerate(own)
            ]
            self.courses.append(lines)
            self.pictures.append(draw_weights(self.filters[i], np.zeros((1, 1)), 1))
        self.loss.set(xlabel="training step", ylabel="cross-entropy in training (nat)", yscale="log")
        self.accuracy.set(xlabel="epoch", ylabel="test accuracy (%)")
        self.fuzziness.set(xlabel="training step", ylim=(0, 1.02))
        if layers:
            self.loss.legend(frameon=False, fontsize="small", loc="upper right")
            self.fuzziness.legend(frameon=False, fontsize="small", loc="lower left")


def _name(called: str, history: "xr.Dataset") -> str:
    """With a defence cross-entropy is under attack, and no peer of a plain one."""
    return f"{called}, attacked" if "objective_defence" in history.attrs else called


def _extent(picture: np.ndarray) -> tuple[float, float, float, float]:
    """Where matplotlib's imshow puts a picture."""
    rows, columns = picture.shape
    return (-0.5, columns - 0.5, rows - 0.5, -0.5)


def _words(name: str, history: "xr.Dataset", chosen: Mapping[str, str]) -> str:
    courses = history.fuzziness.sel(chosen)
    moves = ", ".join(
        f"{layer} {float(courses.sel(layer=layer)[0]):.3f} to {float(courses.sel(layer=layer)[-1]):.3f}"
        for layer in history.layer.values
    )
    tests = history.test_accuracy.values
    accuracy = f"test accuracy {tests[-1]:.2%}" if len(tests) else "no whole epoch yet"
    return f"{name}: {history.sizes['step']} steps, {accuracy}; fuzziness {moves}."
