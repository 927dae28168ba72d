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
    """A figure of one run or two: ``show`` draws their histories as far as they are."""

    def __init__(self) -> None:
        self.figure = Figure(figsize=(10.8, 5.6))
        upper, lower = self.figure.subfigures(2, 1, squeeze=False, height_ratios=(1.7, 1))[:, 0]
        self.loss, self.accuracy, self.fuzziness = upper.subplots(1, 3)
        self.filters = lower.subplots(1, MOST)
        self._laid_out: list[str] | None = None
        self.caption = "No run yet: choose, then press Train."

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
        for ax in (self.loss, self.accuracy, self.fuzziness, *self.filters):
            ax.clear()
        for ax in (self.loss, self.accuracy, self.fuzziness):
            ax.spines[["top", "right"]].set_visible(False)
        for ax in self.filters:
            ax.set_axis_off()
        words = []
        for i, (called, history) in enumerate(histories.items()):
            # Then cross-entropy is under attack, and no peer of a plain one.
            name = f"{called}, attacked" if "objective_defence" in history.attrs else called
            self.loss.plot(history.step, history.cross_entropy, color=COLOURS[i], linewidth=0.8, label=name)
            tests = 100 * history.test_accuracy.values
            self.accuracy.plot(history.epoch, tests, "os"[i] + STYLES[i], color=COLOURS[i], label=name)
            chosen = {"reading": reading, "membership": membership, "measure": measure}
            for j, layer in enumerate(history.layer.values):
                course = history.fuzziness.sel(chosen | {"layer": layer})
                label = f"{name}, {layer}"
                self.fuzziness.plot(
                    history.snapshot, course, STYLES[j % 4], color=COLOURS[i], label=label, marker="."
                )
            first = str(history.layer.values[0])
            kernel = history[f"kernel_{first}"].values[-1]
            draw_weights(self.filters[i], mosaic(kernel), float(np.abs(kernel).max()))
            self.filters[i].set_title(f"{name}: {first} at step {int(history.snapshot[-1])}")
            words.append(_words(name, history, chosen))
        self.loss.set(xlabel="training step", ylabel="cross-entropy in training (nat)", yscale="log")
        self.accuracy.set(xlabel="epoch", ylabel="test accuracy (%)")
        known = [100 * float(one.test_accuracy.min()) for one in histories.values() if one.sizes["epoch"]]
        self.accuracy.set_ylim(min([90.0, *known]) - 1, 100.2)
        longest = max([1, *(one.sizes["epoch"] for one in histories.values())])
        self.accuracy.set(xlim=(0.5, longest + 0.5), xticks=range(1, longest + 1, 1 + longest // 10))
        self.fuzziness.set(xlabel="training step", ylim=(0, 1.02))
        self.fuzziness.set_ylabel(f"fuzziness F\n({measure}, {reading}, {membership})")
        if histories:
            self.loss.legend(frameon=False, fontsize="small")
            self.fuzziness.legend(frameon=False, fontsize="small")
            self.caption = " ".join(words)
        if list(histories) != self._laid_out:
            lay_out(self.figure)
            self._laid_out = list(histories)
        return self.figure


def _words(name: str, history: "xr.Dataset", chosen: Mapping[str, str]) -> str:
    courses = history.fuzziness.sel(chosen)
    moves = ", ".join(
        f"{layer} {float(courses.sel(layer=layer)[0]):.3f} to {float(courses.sel(layer=layer)[-1]):.3f}"
        for layer in history.layer.values
    )
    tests = history.test_accuracy.values
    accuracy = f"test accuracy {tests[-1]:.2%}" if len(tests) else "no whole epoch yet"
    return f"{name}: {history.sizes['step']} steps, {accuracy}; fuzziness {moves}."
