"""What explorers share: figures that follow their controls, and training in the background."""

import threading
from collections.abc import Callable
from typing import Any

import ipywidgets
from flax import nnx

from minmax_jax.data import Dataset
from minmax_jax.plots.style import View
from minmax_jax.training import Progress, Run, fit
from minmax_jax.widgets.figure import FigureImage
from minmax_jax.widgets.job import Job, Report
from minmax_jax.widgets.latest import Latest
from minmax_jax.widgets.status import Status


class DrawnExplorer(ipywidgets.VBox):
    """An explorer whose figure shows what its controls said last; errors are shown in its ``status``.

    Controls ``_push`` what the view is to ``show``; a worker draws the newest of these, so that a slider
    stays smooth. After an error ``figure`` is marked, as it still shows an earlier choice.
    """

    figure: FigureImage
    _view: View

    def __init__(self) -> None:
        self.status = Status()
        self._worker = Latest(self._follow, self._failed)
        super().__init__([])

    def wait(self) -> None:
        """Wait until the figure shows what the controls say."""
        self._worker.flush()

    def _use(self, view: View) -> None:
        """Show this view from now on."""
        self._view, self.figure = view, FigureImage(view.figure)

    def _push(self, *task: Any) -> None:
        """Have ``_draw(*task)`` called soon, unless another task comes first."""
        self._worker.push(task)

    def _guard(self, callback: Callable[..., Any]) -> Callable[..., None]:
        """The callback of a control; an error in it is shown as one in drawing is.

        The error goes through the worker: shown at once, the end of a drawing under way would wipe it out.
        """
        return self.status.guard(callback, self._push)

    def _follow(self, task: tuple[Any, ...]) -> None:
        if task and isinstance(task[0], Exception):
            raise task[0]
        self._draw(*task)
        self.status.value = ""

    def _failed(self, error: Exception) -> None:
        self.figure.mark()
        self.status.error(error)

    def _draw(self, *task: Any) -> None:
        """Draw a task, in the worker."""
        self._view.show(*task)
        self.figure.refresh(self._view.caption)


class TrainingExplorer(DrawnExplorer):
    """An explorer that trains in the background, and keeps what was learned however a training ends.

    ``job`` has the buttons Train and Stop, and shows errors in training; ``run`` is the run that was shown
    last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.run: Run | None = None
        self.job = Job(self._train, name="Train")
        self.shown = ipywidgets.HTML()  # which run the figure shows
        self._below = ipywidgets.VBox([])  # what there is to see once something was trained
        self._lock = threading.RLock()  # the job and callbacks show runs from different threads

    def wait(self) -> None:
        """Wait until training has ended and its run is drawn."""
        self.job.wait()
        super().wait()

    def _train(self, report: Report) -> str:
        """The work of ``job``: train what the controls say, and return the message to end with."""
        raise NotImplementedError

    def _learn(
        self,
        model: nnx.Module,
        data: Dataset,
        progress: Callable[[Progress], bool],
        take: Callable[[Run], None],
        **options: Any,
    ) -> Run:
        """Train, and hand on what was learned.

        Args:
            model: The network, which is copied.
            data: What to train and test on.
            progress: Called now and then; training stops if it is true.
            take: Called once with the run, whether it finished, was stopped, or ended in an error that
                carries what was learned until then, such as ``Diverged``, and is raised again.
            **options: Further arguments of ``fit``.
        """
        try:
            run = fit(model, data, progress=progress, **options)
        except Exception as error:
            if (learned := getattr(error, "run", None)) is not None:
                take(learned)
            raise
        take(run)
        return run


def outcome(run: Run) -> str:
    """How a training ended, in words."""
    return f"{run.outcome.capitalize()} after step {run.history.sizes['step']}."
