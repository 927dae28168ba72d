"""The playground: choose, train, watch, attack, compare, and download the results."""

import contextlib
import html
import io
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets

from minmax_jax.checks import check_type
from minmax_jax.data import Dataset
from minmax_jax.data.dataset import BUNDLED
from minmax_jax.lenet import LeNet
from minmax_jax.objective import FORM
from minmax_jax.plots.training_view import TrainingView
from minmax_jax.training import Progress, Run
from minmax_jax.training.saved import save
from minmax_jax.widgets.attack import AttackExplorer
from minmax_jax.widgets.controls import button, row
from minmax_jax.widgets.explorer import TrainingExplorer, outcome
from minmax_jax.widgets.job import Report
from minmax_jax.widgets.play import Play, PlayForm
from minmax_jax.widgets.status import Downloads, Status

if TYPE_CHECKING:
    import xarray as xr

THIS, KEPT = "this run", "kept run"
STALE = "The controls have changed since: the figure shows the run named above."


class Playground(TrainingExplorer):
    """Train a LeNet of your choice and see it learn; attack it, compare it with another, save it.

    ``start`` is where the controls begin (by default two epochs of MNIST without a fuzziness term). ``run``
    is the newest run and ``play`` its choice; ``kept`` is the choice and the run that it is compared with,
    which ``Keep`` sets to the newest. ``Save`` offers the figure, the history of the run (netCDF) and its
    weights, which ``mm.open`` reads, as downloads. Errors are shown in place; what was learned before an
    error or a stop is kept.
    """

    _view: TrainingView

    def __init__(self, start: Play = Play()) -> None:  # noqa: B008  frozen, so it can be shared
        check_type("start", start, Play)
        super().__init__()
        self.play: Play | None = None
        self.kept: tuple[Play, Run] | None = None
        self._shown: tuple[Play, xr.Dataset] | None = None  # what the figure is of
        self._data: dict[tuple[str, int], Dataset] = {}  # the last that was loaded
        self._ready: threading.Thread | None = None
        self.form = PlayForm(start)
        self._use(TrainingView())
        self.stale = ipywidgets.HTML()
        self.keep = button("Keep", "thumb-tack", "Keep this run, to compare the next one with it")
        self.save = button("Save", "download", "Figure, history and weights of this run, as downloads")
        self.downloads = Downloads()
        self.attack: AttackExplorer | None = None
        self.attacked = ipywidgets.HTML()
        self.told = Status()  # of keeping and saving; a drawing does not wipe it out
        self.keep.on_click(self.told.guard(lambda _: self.keep_run()))
        self.save.on_click(self.told.guard(lambda _: self.offer()))
        for control in self.form.controls.values():
            control.observe(self._guard(self._changed), "value")
        above = [self.form, self.job, self.shown, self.stale]
        saving = row(self.keep, self.save, self.downloads, self.told)
        self.children = [*above, self.figure, self.status, saving, self._below]
        self._push(None, None, self._form)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if self._ready is None and self.run is None and not self.job.running:  # shown for the first time
            self._ready = threading.Thread(target=self._make_ready, name="ready", daemon=False)
            self._ready.start()
        return super()._repr_mimebundle_(**options)

    def _make_ready(self) -> None:
        """Load and compile what the first training needs, so that it begins soon after the click.

        Only for data that come with the package: others might be downloaded, which nobody has asked for.
        """
        play = self.form.choice
        if play.dataset == BUNDLED:
            with contextlib.suppress(Exception):  # training itself will show it
                play.rehearse(self._load(play))

    def wait(self) -> None:
        """Wait until training has ended and its run is drawn and attacked."""
        super().wait()
        if self.attack is not None:
            self.attack.wait()

    def keep_run(self) -> None:
        """Keep the newest run, to compare the next one with it."""
        with self._lock:
            if self.run is not None and self.play is not None:
                self.kept = (self.play, self.run)
        self.told.value = ""
        self._show()

    def offer(self) -> None:
        """Offer the figure, the history and the weights of the newest run as downloads."""
        with self._lock:
            run, play, kept = self.run, self.play, self.kept
        self.told.value = ""
        if run is None or play is None:
            return
        # A figure of its own, as the worker may be drawing another run into the one on the page.
        figure, view = io.BytesIO(), TrainingView()
        view.show(_named((play, run.history), kept), *self._form).savefig(figure, format="png", dpi=150)
        with tempfile.TemporaryDirectory() as folder:
            weights, history = Path(folder, "weights.npz"), Path(folder, "history.nc")
            assert isinstance(run.model, LeNet)
            save(run.model, weights)
            run.history.to_netcdf(history, engine="scipy")
            files = {"history.nc": history.read_bytes(), "weights.npz": weights.read_bytes()}
        with self._lock:
            if self.run is run:  # no other has come meanwhile
                self.downloads.offer({"figure.png": figure.getvalue(), **files})

    @property
    def _form(self) -> tuple[Any, ...]:
        """Reading, membership and measure that fuzziness is shown by."""
        return tuple(self.form.controls[name].value for name in FORM)

    def _load(self, play: Play) -> Dataset:
        """The data of a choice; the last are kept, as loading takes a second."""
        key = play.dataset, play.images
        if (found := self._data.get(key)) is None:
            found = play.data()
            self._data = {key: found}
        return found

    def _train(self, report: Report) -> str:
        play = self.form.choice

        def progress(now: Progress) -> bool:
            assert now.history is not None
            stop = report(now.step, now.steps, now.words.capitalize())  # first, as drawing takes longer
            self._show((play, now.history()))
            return stop

        while self._ready is not None and self._ready.is_alive():
            if report(0, 1, "Making ready…"):
                return "Stopped before the first step."
            self._ready.join(0.1)
        report(0, 1, f"Loading {play.dataset}…")
        data = self._load(play)
        if report(0, 1, "Compiling…"):
            return "Stopped before the first step."
        run = self._learn(
            play.model(data), data, progress, lambda run: self._take(play, run, data), **play.training()
        )
        return outcome(run)

    def _take(self, play: Play, run: Run, data: Dataset) -> None:
        """Make a run the newest, and the one that is attacked."""
        with self._lock:
            self.play, self.run = play, run
            self.keep.disabled = self.save.disabled = False
            self.downloads.value = ""
        self._show((play, run.history))
        if self.attack is None:
            self.attack = AttackExplorer(run.model, data)
            self._below.children = [self.attacked, self.attack]
        else:
            self.attack.use(run.model, data)
        self.attacked.value = f"<b>Attack {THIS}: {html.escape(play.name)}</b>"

    def _show(self, shown: "tuple[Play, xr.Dataset] | None" = None) -> None:
        """Draw a choice and its history, or again what is shown, beside the kept run."""
        with self._lock:
            self._shown = shown or self._shown
            if self._shown is not None:
                self._push(self._shown, self.kept, self._form)
        self._mark()

    def _draw(
        self,
        shown: "tuple[Play, xr.Dataset] | None",
        kept: tuple[Play, Run] | None,
        form: tuple[Any, ...],
    ) -> None:
        self._view.show({} if shown is None else _named(shown, kept), *form)
        self.figure.refresh(self._view.caption)
        names = [] if shown is None else [f"<b>{THIS}: {html.escape(shown[0].name)}</b>"]
        names += [f"{KEPT}: {html.escape(kept[0].name)}"] if kept is not None else []
        self.shown.value = "; ".join(names)

    def _changed(self, change: Any) -> None:
        """Mark the figure as that of another choice; show at once what needs no training."""
        self._mark()
        if any(change["owner"] is self.form.controls[name] for name in FORM):
            self._show()

    def _mark(self) -> None:
        with self._lock:
            differs = self._shown is not None and self._shown[0].trained != self.form.choice.trained
            self.stale.value = f'<i role="status">{STALE}</i>' if differs else ""


def _named(shown: "tuple[Play, xr.Dataset]", kept: tuple[Play, Run] | None) -> "dict[str, xr.Dataset]":
    """Histories by the names that the figure gives them."""
    return {THIS: shown[1]} | ({KEPT: kept[1].history} if kept is not None else {})
