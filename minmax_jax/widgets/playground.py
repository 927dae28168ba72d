"""The playground: choose, train, watch, attack, compare, and download the results."""

import contextlib
import html
import io
import threading
from typing import TYPE_CHECKING, Any

import ipywidgets
from flax import nnx

from minmax_jax.checks import check_type
from minmax_jax.data import Dataset
from minmax_jax.data.dataset import BUNDLED
from minmax_jax.objective import FORM
from minmax_jax.plots.training_view import TrainingView
from minmax_jax.robustness import robustness
from minmax_jax.training import Progress, Run
from minmax_jax.widgets.attack import AttackExplorer
from minmax_jax.widgets.controls import PAGE, button, dropdown, page, row, text
from minmax_jax.widgets.explorer import TrainingExplorer, outcome
from minmax_jax.widgets.job import Report
from minmax_jax.widgets.play import OWN, RADII, Play, PlayForm, preset_of
from minmax_jax.widgets.status import Downloads, Status
from minmax_jax.widgets.studied import Studied, studied
from minmax_jax.widgets.trial import THIS, Trial, histories, saved, withstood

if TYPE_CHECKING:
    import xarray as xr

NONE, STUDIED = "none", "the study's network"
UNSAVED = "minmax-unsaved"  # what the app knows it by that there is something to lose
MOST = 7  # runs that are kept beside the newest
ATTACKED = 200  # of the test images, which every run is attacked on
STALE = "The controls have changed since: the figure shows the run named above."


class Playground(TrainingExplorer):
    """Train a LeNet of your choice and see it learn; attack it, compare it with others, save it.

    ``start`` is where the controls begin (by default two epochs of MNIST without any term). A training that
    was not stopped ends with PGD on 200 test images, over eps. ``run`` is the newest run, ``play`` its choice
    and ``newest`` both with what it withstands. ``Keep`` puts it into ``kept``, by the name in the field
    beside it: what all of them withstand is drawn together, and one of them in full beside the newest.
    ``Save`` offers the figure, the history of the newest run (netCDF) and its weights, which ``mm.open``
    reads, as downloads. Errors are shown in place; what was learned before an error or a stop is kept. Before
    the first run there is a network of the study to see and to attack, where its result is found.
    """

    _view: TrainingView

    def __init__(self, start: Play = Play()) -> None:  # noqa: B008  frozen, so it can be shared
        check_type("start", start, Play)
        super().__init__()
        self.newest: Trial | None = None
        self.kept: dict[str, Trial] = {}
        self._runs = 0  # so far
        self._shown: tuple[Play, xr.Dataset] | None = None  # what the figure is of
        self._data: dict[tuple[str, int], Dataset] = {}  # the last that was loaded
        self._ready: threading.Thread | None = None
        self.form = PlayForm(start)
        self._use(TrainingView())
        self.stale = ipywidgets.HTML()
        self.keep = button("Keep", "thumb-tack", "Keep this run, to compare others with it")
        self.name = text("as", "name of the run")
        self.beside = dropdown("beside it", [NONE], width="240px")
        self.forget = button("Forget", "trash", "Forget the kept run beside it")
        self.save = button("Save", "download", "Figure, history and weights of this run, as downloads")
        self.downloads = Downloads()
        self.attack: AttackExplorer | None = None
        self.attacked = ipywidgets.HTML()
        self.told = Status()  # of keeping and saving; a drawing does not wipe it out
        self.keep.on_click(self.told.guard(lambda _: self.keep_run()))
        self.save.on_click(self.told.guard(lambda _: self.offer()))
        self.forget.on_click(self.told.guard(lambda _: self.forget_run()))
        self.beside.observe(self._guard(lambda _: self._show()), "value")
        self.studied: Studied | None = None
        self.network = dropdown("attacked", [THIS], width="300px")
        for control in self.form.controls.values():
            control.observe(self._guard(self._changed), "value")
        self._picture = ipywidgets.VBox([self.figure])
        saving = row(self.keep, self.name, self.beside, self.forget, self.save, self.downloads, self.told)
        main = [self.shown, self.stale, self._picture, self.status, saving]
        self.children = page([self.form, self.job], main, self._below)
        self.add_class(PAGE)
        self._begin()
        self.network.observe(self._guard(self._attack), "value")

    def _begin(self) -> None:
        """Show a network of the study, or say that there is none; now, so that a stored notebook has it."""
        try:
            self.studied = studied()
        except (OSError, ValueError) as error:
            self._draw(None, {}, NONE, None, self._form)
            self.shown.value = f"Nothing is trained yet, and {html.escape(str(error))}."
        else:
            self._picture.children = [self.studied.figure]
            self.network.options = [STUDIED]
            self.shown.value = f"<b>{STUDIED}: {self.studied.words}</b>. Train one of your own."

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if self._ready is None and self.run is None and not self.job.running:  # shown for the first time
            self._ready = threading.Thread(target=self._make_ready, name="ready", daemon=False)
            self._ready.start()
        return super()._repr_mimebundle_(**options)

    def _make_ready(self) -> None:
        """Attack the study's network, and compile what the first training needs, so that it begins soon.

        Only for data that come with the package: others might be downloaded, which nobody has asked for.
        """
        with contextlib.suppress(Exception):  # training itself will show it
            self._attack()
            play = self.form.choice
            if play.dataset == BUNDLED:
                play.rehearse(self._load(play))

    def wait(self) -> None:
        """Wait until training has ended and its run is drawn and attacked."""
        super().wait()
        if self.attack is not None:
            self.attack.wait()

    @property
    def play(self) -> Play | None:
        """The choice of the newest run."""
        return None if self.newest is None else self.newest.play

    def keep_run(self) -> None:
        """Keep the newest run by the name in the field, which gets a number if another has it.

        Raises ValueError where as many are kept as are drawn.
        """
        with self._lock:
            if self.newest is None:
                return
            if len(self.kept) == MOST:
                raise ValueError(f"at most {MOST} runs are kept; forget one first")
            name = asked = self.name.value.strip() or self.newest.play.name
            number = 2
            while name in (THIS, NONE, STUDIED, *self.kept):
                name, number = f"{asked} {number}", number + 1
            self.kept[name] = self.newest
            self._list(name)
        self.told.value = ""
        self._show()

    def forget_run(self) -> None:
        """Forget the kept run that is drawn beside the newest."""
        with self._lock:
            self.kept.pop(self.beside.value, None)
            self._list(next(reversed(self.kept), NONE))
        self.told.value = ""
        self._show()

    def _list(self, name: str) -> None:
        """Have the lists of kept runs say what there is, and draw ``name`` beside the newest."""
        self.beside.options, self.beside.value = [NONE, *self.kept], name
        self._list_attacked(self.network.value)
        self.forget.disabled = not self.kept

    def _list_attacked(self, chosen: str) -> None:
        names = [THIS, *self.kept, *([STUDIED] if self.studied else [])]
        self.network.options, self.network.value = names, chosen if chosen in names else THIS

    def offer(self) -> None:
        """Offer the figure, the history and the weights of the newest run as downloads."""
        with self._lock:
            newest, kept, beside = self.newest, dict(self.kept), self.beside.value
        self.told.value = ""
        if newest is None:
            return
        run, shown = newest.run, (newest.play, newest.run.history)
        # A figure of its own, as the worker may be drawing another run into the one on the page.
        figure, view = io.BytesIO(), TrainingView()
        under = withstood(newest.under, kept, beside)
        drawn = view.show(histories(shown, kept, beside), **self._form, attacked=under)
        drawn.savefig(figure, format="png", dpi=150)
        files = saved(run)
        with self._lock:
            if self.run is run:  # no other has come meanwhile
                self.downloads.offer({"figure.png": figure.getvalue(), **files})

    @property
    def _form(self) -> dict[str, Any]:
        """Reading, membership and measure that fuzziness is shown by."""
        return {name: self.form.controls[name].value for name in FORM}

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
        steps = run.history.sizes["step"]
        if run.outcome == "finished" and not report(steps, steps, "Attacking…"):
            under = robustness(run.model, data.test[:ATTACKED], RADII, attacks=["pgd"], progress=False)
            self._withstands(run, under)
        return outcome(run)

    def _withstands(self, run: Run, under: "xr.Dataset") -> None:
        """Show what a run withstands, whether it is the newest still or is kept already."""
        with self._lock:
            if self.newest is not None and self.newest.run is run:
                self.newest = self.newest._replace(under=under)
            for name, one in self.kept.items():
                if one.run is run:
                    self.kept[name] = one._replace(under=under)
        self._show()

    def _take(self, play: Play, run: Run, data: Dataset) -> None:
        """Make a run the newest, and the one that is attacked."""
        with self._lock:
            self.run, self.newest = run, Trial(play, run, data, None)
            self.keep.disabled = self.save.disabled = False
            self.downloads.value = ""
            self._runs += 1
            known = preset_of(play)
            self.name.value = f"run {self._runs}" if known == OWN else known
            self._list_attacked(THIS)
        self.add_class(UNSAVED)
        self._show((play, run.history))
        self._attack()

    def _attack(self, _: Any = None) -> None:
        """Attack the network of the chosen run, on the image or the drawing that is there."""
        with self._lock:
            name = self.network.value
            trial = self.kept.get(name, self.newest)
            model: nnx.Module
            if name == STUDIED and self.studied is not None:
                model, data, words = self.studied.model, self._load(Play()), self.studied.words
            elif trial is not None:
                model, data, words = trial.run.model, trial.data, trial.play.name
            else:
                return
            if self.attack is None:
                self.attack = AttackExplorer(model, data)
                self._below.children = [self.attacked, row(self.network), self.attack]
            else:
                self.attack.use(model, data)
            self.attacked.value = f"<b>Attack {html.escape(name)}: {html.escape(words)}</b>"

    def _show(self, shown: "tuple[Play, xr.Dataset] | None" = None) -> None:
        """Draw a choice and its history, or again what is shown, beside the kept run."""
        with self._lock:
            self._shown = shown or self._shown
            if self._shown is not None:
                # What a run withstands is of its own history, not of one that is under way.
                newest, under = self.newest, None
                if newest is not None and self._shown[1] is newest.run.history:
                    under = newest.under
                self._push(self._shown, dict(self.kept), self.beside.value, under, self._form)
        self._mark()

    def _draw(
        self,
        shown: "tuple[Play, xr.Dataset] | None",
        kept: dict[str, Trial],
        beside: str,
        under: "xr.Dataset | None",
        form: dict[str, Any],
    ) -> None:
        drawn = {} if shown is None else histories(shown, kept, beside)
        self._view.show(drawn, **form, attacked=withstood(under, kept, beside))
        self.figure.refresh(self._view.caption)
        if self.figure not in self._picture.children:
            self._picture.children = [self.figure]
        names = [] if shown is None else [f"<b>{THIS}: {html.escape(shown[0].name)}</b>"]
        if beside in kept:
            names.append(f"{html.escape(beside)}: {html.escape(kept[beside].play.name)}")
        self.shown.value = "; ".join(names)

    def _changed(self, change: Any) -> None:
        """Mark the figure as that of another choice; show at once what needs no training."""
        self._mark()
        if any(change["owner"] is self.form.controls[name] for name in FORM):
            self._show()

    def _mark(self) -> None:
        with self._lock:
            try:
                differs = self._shown is not None and self._shown[0].trained != self.form.choice.trained
            except ValueError:  # a number that cannot be used, as the form says
                differs = self._shown is not None
            self.stale.value = f'<i role="status">{STALE}</i>' if differs else ""
