"""Runs side by side while they are trained: loss, accuracy, fuzziness and filters."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minmax_jax.fuzziness import Measure
from minmax_jax.intervals import Membership, Reading
from minmax_jax.plots.panels import draw_weights, mosaic
from minmax_jax.plots.style import COLOURS, RADII, STYLES, Figure, View, lay_out, look

if TYPE_CHECKING:
    import xarray as xr

MOST = 2  # runs have room side by side
# Where axes may end, times a power of ten: that of steps, and a logarithmic one.
ROUND = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
THIRDS = (1.0, 3.0)


class TrainingView(View):
    """A figure of one run or two, finished or not, and of what these and others withstand."""

    caption = "No run yet: choose, then press Train."

    def __init__(self) -> None:
        self.figure = Figure(figsize=(10.8, 6.2))
        upper, lower = self.figure.subfigures(2, 1, squeeze=False, height_ratios=(1.35, 1))[:, 0]
        self.loss, self.accuracy, self.fuzziness = upper.subplots(1, 3)
        *self.filters, self.attacked = lower.subplots(1, MOST + 1, width_ratios=(1, 1, 1.6))

    def show(
        self,
        histories: "Mapping[str, xr.Dataset]",
        reading: Reading = "layer",
        membership: Membership = "signed",
        measure: Measure = "entropy",
        attacked: "Mapping[str, xr.Dataset] | None" = None,
    ) -> Figure:
        """Draw histories by the names of their runs. Raises ValueError for more than two.

        ``attacked`` is what ``mm.robustness`` says of runs by name: theirs, in the same order, and others.
        """
        if len(histories) > MOST:
            raise ValueError(f"histories must be of at most {MOST} runs, got {len(histories)}")
        named = {_name(called, history): history for called, history in histories.items()}
        layers = {name: tuple(map(str, history.layer.values)) for name, history in named.items()}
        chosen = {"reading": reading, "membership": membership, "measure": measure}
        under = dict(attacked or {})
        with self._artists((list(layers.items()), [(name, id(one)) for name, one in under.items()])) as fresh:
            if fresh:
                self._prepare(layers)
                self._draw_attacked(under)
            for i, (name, history) in enumerate(named.items()):
                self._draw(i, name, history, chosen)
            label = f"fuzziness F\n({measure}, {reading}, {membership})"
            if label != self.fuzziness.get_ylabel():
                self.fuzziness.set_ylabel(label)
            if self._set_limits(list(named.values())) and not fresh:
                lay_out(self.figure)
        if named:
            self.caption = " ".join(_words(name, history, chosen) for name, history in named.items())
        if under:
            self.caption += (
                f" Under {_attack(under)}: " + "; ".join(map(_withstood, under, under.values())) + "."
            )
        return self.figure

    def _draw_attacked(self, under: "Mapping[str, xr.Dataset]") -> None:
        """Accuracy under attack over eps of all runs, with intervals over images."""
        ax = self.attacked
        ax.clear()
        if not under:
            ax.set_axis_off()
            return
        ax.set_axis_on()
        ax.spines[["top", "right"]].set_visible(False)
        for i, (name, table) in enumerate(under.items()):
            cell = table.isel(attack=0)
            share, (low, high) = cell.accuracy.values, cell.interval.transpose("end", "eps").values
            bars = 100 * np.clip([share - low, high - share], 0, None)
            ax.errorbar(cell.eps.values, 100 * share, bars, capsize=2, markersize=4, label=name, **look(i))
        ax.set(xlabel=RADII["linf"], ylabel=f"accuracy under {_attack(under)} (%)", ylim=(-2, 104))
        ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))

    def _draw(self, i: int, name: str, history: "xr.Dataset", chosen: Mapping[str, str]) -> None:
        """Change what moves as the run ``i`` goes on."""
        self.losses[i].set_data(history.step, history.cross_entropy)
        self.accuracies[i].set_data(history.epoch, 100 * history.test_accuracy.values)
        for layer, line in zip(history.layer.values, self.courses[i], strict=True):
            line.set_data(history.snapshot, history.fuzziness.sel({**chosen, "layer": layer}))
        first = str(history.layer.values[0])
        kernel = history[f"kernel_{first}"].values[-1]
        limit = float(np.abs(kernel).max())
        picture = mosaic(kernel)
        self.pictures[i].set(data=picture, clim=(-limit, limit))
        if list(self.pictures[i].get_extent()) != _extent(picture):
            self.pictures[i].set_extent(_extent(picture))
        self.filters[i].title.set_text(f"{name}: {first} at step {int(history.snapshot[-1])}")

    def _set_limits(self, histories: "Sequence[xr.Dataset]") -> bool:
        """Make room for what is known, and return whether limits moved: in leaps, as moving takes long."""
        last = max([1, *(one.sizes["step"] for one in histories)])
        steps = 0.0, _least(ROUND, last)
        losses = np.concatenate([[0.3, 1.0], *(one.cross_entropy.values for one in histories)])
        losses = losses[np.isfinite(losses) & (losses > 0)]
        lowest = 1 / _least(THIRDS, 1 / float(losses.min()))
        moved = _limit(self.loss, steps, (lowest, _least(THIRDS, float(losses.max()))))
        moved |= _limit(self.fuzziness, steps, (0, 1.02))
        epochs = max([1, *(one.sizes["epoch"] for one in histories)])
        known = [100 * float(one.test_accuracy.min()) for one in histories if one.sizes["epoch"]]
        if _limit(self.accuracy, (0.5, epochs + 0.5), (min([90.0, *known]) - 1, 100.2)):
            self.accuracy.set_xticks(range(1, epochs + 1, 1 + epochs // 10))
            moved = True
        return moved

    def _prepare(self, layers: Mapping[str, tuple[str, ...]]) -> None:
        """Make the artists of runs of these names, each with its layers, without data."""
        for ax in (self.loss, self.accuracy, self.fuzziness, *self.filters):
            ax.clear()
        for ax in (self.loss, self.accuracy, self.fuzziness):
            ax.spines[["top", "right"]].set_visible(False)
        for ax in self.filters:
            ax.set_axis_off()
            ax.title.set_fontsize("medium")
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
        self.fuzziness.set(xlabel="training step")
        if layers:
            self.loss.legend(frameon=False, fontsize="small", loc="upper right")
            self.fuzziness.legend(frameon=False, fontsize="small", loc="lower left")
        curves = (self.loss, self.accuracy, self.fuzziness)
        moving = [line for ax in curves for line in ax.lines]
        over = [ax.spines[side] for ax in curves for side in ("left", "bottom")]  # as matplotlib has them
        over += [legend for ax in curves if (legend := ax.get_legend()) is not None]
        titles = (ax.title for ax in self.filters)
        self.figure.move(*moving, *self.pictures, *over, *titles)


def _attack(under: "Mapping[str, xr.Dataset]") -> str:
    """The attack of reports, in words."""
    return str(next(iter(under.values())).attack.values[0]).upper()


def _withstood(name: str, table: "xr.Dataset") -> str:
    cell = table.isel(attack=0)
    shares = zip(cell.eps.values.tolist(), cell.accuracy.values.tolist(), strict=True)
    return f"{name} " + ", ".join(f"{share:.0%} at {eps:g}" for eps, share in shares if eps)


def _limit(ax: Any, x: tuple[float, float], y: tuple[float, float]) -> bool:
    """Set limits if they are others than before; whether they were."""
    if differs := (ax.get_xlim(), ax.get_ylim()) != (x, y):
        ax.set(xlim=x, ylim=y)
    return differs


def _least(steps: tuple[float, ...], value: float) -> float:
    """The least of ``steps``, times a power of ten, that is not below ``value``."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next((step * power for step in steps if step * power >= value), 10 * power))


def _name(called: str, history: "xr.Dataset") -> str:
    """The name of a run; with a defence its cross-entropy is under attack, which a plain one's is not."""
    return f"{called}, attacked" if "objective_defence" in history.attrs else called


def _extent(picture: np.ndarray) -> list[float]:
    """Where matplotlib's imshow puts a picture."""
    rows, columns = picture.shape
    return [-0.5, columns - 0.5, rows - 0.5, -0.5]


def _words(name: str, history: "xr.Dataset", chosen: Mapping[str, str]) -> str:
    courses = history.fuzziness.sel(chosen)
    moves = ", ".join(
        f"{layer} {float(courses.sel(layer=layer)[0]):.3f} to {float(courses.sel(layer=layer)[-1]):.3f}"
        for layer in history.layer.values
    )
    tests = history.test_accuracy.values
    accuracy = f"test accuracy {tests[-1]:.2%}" if len(tests) else "no whole epoch yet"
    return f"{name}: {history.sizes['step']} steps, {accuracy}; fuzziness {moves}."
