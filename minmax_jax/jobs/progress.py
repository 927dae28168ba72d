"""Progress of long work: a bar in a terminal or notebook, nothing, or the caller's own function."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from minmax_jax.checks import check_flag
from minmax_jax.jobs.interrupts import CtrlC, check_stop

TIME_LEFT = "{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}"  # for work without a unit of its own

Report = TypeVar("Report")


class Shown(NamedTuple):
    """What a bar shows of a report: how much is done, of what, and values measured on the way."""

    done: float
    what: str = ""
    values: Mapping[str, str] = {}


class Bar:
    """A bar, drawn or not. In a job that was stopped, it raises KeyboardInterrupt when it is told of work.

    Work may be counted in pieces that weigh ``weight`` each, such as images and the passes through a model
    that an attack takes for one, so that one bar tells the time left of several attacks.
    """

    def __init__(self, drawn: Any, ctrl_c: CtrlC):
        self.drawn, self.ctrl_c = drawn, ctrl_c
        self.weight = 1

    def begin(self, what: str, weight: int = 1) -> None:
        """Name the work that follows, and say what a piece of it weighs."""
        self.drawn.set_description(what)
        self.weight = weight

    def did(self, pieces: int = 1) -> None:
        """Count pieces that are finished."""
        check_stop()
        self.ctrl_c.check()
        self.drawn.update(pieces * self.weight)

    def spared(self, pieces: int) -> None:
        """Drop pieces from the total: they need no work after all."""
        self.drawn.total = max(self.drawn.total - pieces * self.weight, self.drawn.n)
        self.drawn.refresh()

    def show(self, shown: Shown) -> None:
        """Move the bar to what is done, whatever it showed before."""
        check_stop()
        self.ctrl_c.check()
        if shown.what:
            self.drawn.set_description(shown.what, refresh=False)
        if shown.values:
            self.drawn.set_postfix(shown.values, refresh=False)
        self.drawn.update(min(shown.done, self.drawn.total) - self.drawn.n)  # sums may round up


@contextmanager
def progress_bar(
    total: float, progress: bool, *, done: float = 0, unit: str = "it", layout: str | None = None
) -> Iterator[Bar]:
    """A bar that ends at ``total`` and starts at ``done``; nothing is drawn unless ``progress``.

    Args:
        total: all the work, in units of the caller's choice.
        progress: whether to draw the bar.
        done: what an earlier call has done of it.
        unit: what is counted, as the bar names it.
        layout: tqdm's ``bar_format``; None shows counts, time and rate.
    """
    from tqdm.auto import tqdm  # picks the notebook's bar in a notebook

    check_flag("progress", progress)
    options = {"initial": done, "unit": unit, "bar_format": layout, "disable": not progress}
    with CtrlC() as ctrl_c, tqdm(total=total, **options) as drawn:
        bar = Bar(drawn, ctrl_c)
        yield bar
    bar.drawn = None  # gone now: later, Ctrl-C might come in its __del__, where Python forgets it


def check_progress(progress: Any) -> None:
    """Raise TypeError unless this is what ``reporting`` takes: True, False or a function."""
    if isinstance(progress, type) or not callable(progress):
        check_flag("progress", progress)


@contextmanager
def reporting(
    progress: bool | Callable[[Report], Any],
    shown: Callable[[Report], Shown],
    total: float,
    *,
    done: float = 0,
    unit: str = "it",
    layout: str | None = None,
) -> Iterator[Callable[[Report], Any]]:
    """A function to call with each report: it draws a bar (True), does nothing (False), or is the caller's.

    Args:
        progress: True, False, or a function whose answer is handed back.
        shown: what the bar shows of a report.
        total, done, unit, layout: as for ``progress_bar``.
    """
    if callable(progress):
        yield progress
        return
    with progress_bar(total, progress, done=done, unit=unit, layout=layout) as bar:
        yield lambda report: bar.show(shown(report))
