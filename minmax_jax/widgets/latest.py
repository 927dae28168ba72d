"""A worker that always does the newest task and drops those that it has no time for."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any


class Latest:
    """``push(x)`` returns at once; ``work(x)`` runs in one thread, for the newest x only.

    An exception of ``work`` is handed to ``failed``.

    This keeps a slider smooth: while one frame is drawn, the positions passed by are skipped. The thread
    ends when nothing is left to do, and Python waits for it before it ends.
    """

    def __init__(self, work: Callable[[Any], None], failed: Callable[[Exception], None]):
        self._work, self._failed = work, failed
        self._changed = threading.Condition()
        self._waiting: list[Any] = []
        self._thread: threading.Thread | None = None

    def push(self, task: Any) -> None:
        """Ask for ``work(task)``, in place of any task still waiting; ignored once Python is exiting."""
        if not threading.main_thread().is_alive():  # a new thread would be cut off, maybe inside jax
            return
        with self._changed:
            self._waiting = [task]
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="latest", daemon=False)
                self._thread.start()

    def flush(self, timeout: float = 60) -> None:
        """Wait until nothing is waiting or running. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._thread is None, timeout):
                raise TimeoutError(f"work is not done after {timeout} s")

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._thread = None
                    self._changed.notify_all()
                    return
                task = self._waiting.pop()
            with contextlib.suppress(Exception):  # in ``failed``: the next task is done all the same
                try:
                    self._work(task)
                except Exception as error:
                    self._failed(error)
