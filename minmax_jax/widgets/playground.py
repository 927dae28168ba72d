"""The playground: choose, train, watch, attack, compare, and take the results away."""

import io
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets

from minmax_jax.data import Dataset
from minmax_jax.lenet import LeNet
from minmax_jax.play import Play
from minmax_jax.play_view import PlayView
from minmax_jax.progress import Progress
from minmax_jax.saved import save
from minmax_jax.training import Diverged, Run, fit
from minmax_jax.widgets.attack import AttackExplorer
from minmax_jax.widgets.downloads import Downloads
from minmax_jax.widgets.figure import FigureImage
from minmax_jax.widgets.job import Job, Report
from minmax_jax.widgets.latest import Latest
from minmax_jax.widgets.play_form import PlayForm

if TYPE_CHECKING:
    import xarray as xr

THIS, KEPT = "this run", "kept run"
STALE = "The controls have changed since: the figure shows the run named above."


class Playground(ipywidgets.VBox):
    """Train a LeNet of your choice and see it learn; attack it, compare it with another, save it.

    ``start`` is where the controls begin (two epochs of MNIST without a fuzziness term, by default). ``run``
    is the newest run, ``kept`` the one that it is compared with, by its name; ``Keep`` makes the newest run
    that one. ``Save`` offers the figure, the history of the run (netCDF) and its weights, which ``mm.open``
    reads, as downloads. Errors are shown in place; what was learned before an error or a stop is kept.
    """

    def __init__(self, start: Play = Play()) -> None:  # noqa: B008  frozen, so it can be shared
        self.run: Run | None = None
        self.kept: tuple[str, Run] | None = None
        self.play: Play | None = None  # that of the run
        self._data: Dataset | None = None
        self._lock = threading.RLock()  # the job and callbacks show runs from different threads
        self.form = PlayForm(start)
        self.job = Job(self._train, name="Train")
        self._view = PlayView()
        self._worker = Latest(self._draw, self.job.status.error)
        self.figure = FigureImage(self._view.figure)
        self.shown, self.stale = ipywidgets.HTML(), ipywidgets.HTML()
        self.keep = _button("Keep", "thumb-tack", "Keep this run, to compare the next one with it")
        self.save = _button("Save", "download", "Figure, history and weights of this run, as downloads")
        self.downloads = Downloads()
        self.attack: AttackExplorer | None = None
        self._below = ipywidgets.VBox([])
        self.keep.on_click(self.job.status.guard(lambda _: self.keep_run()))
        self.save.on_click(self.job.status.guard(lambda _: self.offer()))
        for control in self.form.controls.values():
            control.observe(self._changed, "value")
        row = ipywidgets.HBox([self.keep, self.save, self.downloads])
        super().__init__([self.form, self.job, self.shown, self.stale, self.figure, row, self._below])
        self._worker.push({})

    def wait(self) -> None:
        """Wait until training has ended and its run is drawn."""
        self.job.wait()
        self._worker.flush()
        if self.attack is not None:
            self.attack.wait()

    def keep_run(self) -> None:
        """Keep the newest run, to compare the next one with it."""
        with self._lock:
            if self.run is not None and self.play is not None:
                self.kept = (self.play.name, self.run)
        self._show()

    def offer(self) -> None:
        """Offer the figure, the history and the weights of the newest run as downloads."""
        with self._lock:
            run, play = self.run, self.play
        if run is None or play is None:
            return
        figure = io.BytesIO()
        self._view.figure.savefig(figure, format="png", dpi=150)
        with tempfile.TemporaryDirectory() as folder:
            weights, history = Path(folder, "weights.npz"), Path(folder, "history.nc")
            assert isinstance(run.model, LeNet)
            save(run.model, weights)
            run.history.to_netcdf(history, engine="scipy")
            files = {"history.nc": history.read_bytes(), "weights.npz": weights.read_bytes()}
        self.downloads.offer({"figure.png": figure.getvalue(), **files})

    def _train(self, report: Report) -> str:
        play = self.form.choice

        def progress(now: Progress) -> bool:
            assert now.history is not None
            self._push(now.history())
            return report(now.step, now.steps, _words(now))

        self._name(play)
        self.stale.value = self.downloads.value = ""
        data = play.data()
        try:
            run = fit(play.model(data), data, progress=progress, **play.training())
        except Diverged as error:
            self._take(play, error.run, data)
            raise
        self._take(play, run, data)
        return f"{run.outcome.capitalize()} after step {run.history.sizes['step']}."

    def _take(self, play: Play, run: Run, data: Dataset) -> None:
        """Make a run the newest, and the one that is attacked."""
        with self._lock:
            self.play, self.run, self._data = play, run, data
            self.keep.disabled = self.save.disabled = False
        self._show()
        if self.attack is None:
            self.attack = AttackExplorer(run.model, data)
            self._below.children = [ipywidgets.HTML("<b>Attack it</b>"), self.attack]
        else:
            self.attack.use(run.model, data)

    def _name(self, play: Play) -> None:
        kept = f"; {KEPT}: {self.kept[0]}" if self.kept is not None else ""
        self.shown.value = f"<b>{THIS}: {play.name}</b>{kept}"

    def _show(self) -> None:
        with self._lock:
            if self.run is not None and self.play is not None:
                self._name(self.play)
                self._push(self.run.history)

    def _push(self, history: "xr.Dataset") -> None:
        """Draw a history, beside that of the kept run."""
        with self._lock:
            kept = {KEPT: self.kept[1].history} if self.kept is not None else {}
        self._worker.push({THIS: history} | kept)

    def _draw(self, histories: dict[str, Any]) -> None:
        form = (self.form.controls[name].value for name in ("reading", "membership", "measure"))
        self._view.show(histories, *form)
        self.figure.refresh(self._view.caption)

    def _changed(self, change: Any) -> None:
        """Mark the figure as that of another choice; what it can show at once, show."""
        differs = self.play is not None and self.form.choice != self.play
        self.stale.value = f'<i role="status">{STALE}</i>' if differs else ""
        if any(change["owner"] is self.form.controls[name] for name in ("reading", "membership", "measure")):
            self._show()


def _words(now: Progress) -> str:
    accuracy = "" if now.test_accuracy is None else f", test accuracy {now.test_accuracy:.2%}"
    return f"Epoch {now.epoch} of {now.epochs}, step {now.step} of {now.steps}, loss {now.loss:.3f}{accuracy}"


def _button(name: str, icon: str, tooltip: str) -> ipywidgets.Button:
    return ipywidgets.Button(description=name, icon=icon, tooltip=tooltip, disabled=True)
