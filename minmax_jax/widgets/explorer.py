"""What explorers share whose figure follows their controls."""

from collections.abc import Callable
from typing import Any

import ipywidgets

from minmax_jax.widgets.figure import FigureImage
from minmax_jax.widgets.latest import Latest
from minmax_jax.widgets.status import Status


class DrawnExplorer(ipywidgets.VBox):
    """An explorer that draws in a worker what its controls say last, and shows errors in its ``status``.

    After an error its ``figure`` is marked, as it shows an earlier choice.
    """

    figure: FigureImage

    def __init__(self) -> None:
        self.status = Status()
        self._worker = Latest(self._follow, self._failed)
        super().__init__([])

    def wait(self) -> None:
        """Wait until the figure shows what the controls say."""
        self._worker.flush()

    def _push(self, *task: Any) -> None:
        """Have ``_draw(*task)`` done soon, unless another task comes first."""
        self._worker.push(task)

    def _guard(self, callback: Callable[..., Any]) -> Callable[..., None]:
        """The callback of a control: an error in it leaves the figure behind, as one in drawing does."""
        return self.status.guard(callback, self._push)  # to the worker, which may be drawing what came before

    def _follow(self, task: tuple[Any, ...]) -> None:
        if task and isinstance(task[0], Exception):
            raise task[0]
        self._draw(*task)
        self.status.value = ""

    def _failed(self, error: Exception) -> None:
        self.figure.mark()
        self.status.error(error)

    def _draw(self, *task: Any) -> None:
        """Draw a task, in the worker; what an explorer is about."""
        raise NotImplementedError
