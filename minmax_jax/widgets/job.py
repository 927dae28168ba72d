"""Long work in the background, with start, stop and progress."""

import atexit
import contextlib
import threading
import time
import weakref
from collections.abc import Callable

import ipywidgets

from minmax_jax.widgets.controls import row
from minmax_jax.widgets.status import Status

Report = Callable[[int, int, str], bool]


def stop_at_exit(job: "weakref.ref[Job]") -> None:
    """Stop a job before Python exits: a thread cut off inside jax would crash it."""
    running = job()
    if running is not None:
        running.stop()
        with contextlib.suppress(TimeoutError):
            running.wait(timeout=20)


class Job(ipywidgets.VBox):
    """Buttons, a bar and a status line around ``work(report)``, which runs in a daemon thread.

    ``work`` calls ``report(done, total, message)`` now and then and ends early if that returns true, as
    someone asked it to stop. It returns the message to end with. ``start`` while it runs stops it and starts
    it again. Errors of ``work`` are shown in the status line.
    """

    def __init__(self, work: Callable[[Report], str], name: str = "Start"):
        self._work = work
        self.start_button = ipywidgets.Button(
            description=name, icon="play", button_style="primary", tooltip=f"{name} now"
        )
        self.stop_button = ipywidgets.Button(
            description="Stop", icon="stop", disabled=True, tooltip="Stop and keep what was learned"
        )
        self.bar = ipywidgets.IntProgress(min=0, max=1, layout={"flex": "1 1 180px"})
        self.status = Status()
        self.status.info("Ready.")
        self._stop = threading.Event()
        self._again = False
        self._guard = threading.Lock()  # callbacks and the worker meet in different threads
        self._thread: threading.Thread | None = None
        self._shown, self._last = 0.0, (0, "")
        self.start_button.on_click(lambda _: self._click())
        self.stop_button.on_click(lambda _: self.stop())
        atexit.register(stop_at_exit, weakref.ref(self))
        buttons = row(self.start_button, self.stop_button, self.bar).add_class("minmax-buttons")
        super().__init__([buttons, self.status])

    @property
    def running(self) -> bool:
        """Whether the work is going on."""
        return self._thread is not None

    def start(self) -> None:
        """Start the work; if it is running, stop it first."""
        with self._guard:
            if self._thread is not None:
                self._again = True
                self._stop.set()
            else:
                self._launch()

    def _click(self) -> None:
        """Start unless it runs: a second click may come before the browser has disabled the button."""
        with self._guard:
            if self._thread is None:
                self._launch()

    def _launch(self) -> None:
        self._stop.clear()
        self._show_running(True)
        self._thread = threading.Thread(target=self._run, daemon=True, name="job")
        self._thread.start()

    def stop(self) -> None:
        """Ask the work to stop."""
        with self._guard:
            if self._thread is not None:
                self._again = False
                self._stop.set()
                self.stop_button.disabled = True
                self.status.info("Stopping…")

    def wait(self, timeout: float = 600) -> None:
        """Wait for the end of the work. Raises TimeoutError."""
        end = time.monotonic() + timeout
        while (thread := self._thread) is not None:
            thread.join(max(end - time.monotonic(), 0))
            if time.monotonic() >= end:
                raise TimeoutError(f"the job is not done after {timeout} s")

    def _report(self, done: int, total: int, message: str) -> bool:
        now, (before, said) = time.monotonic(), self._last
        self._last = done, message
        begins = done == before and message != said  # other work, before which nothing may be told for long
        # More often would be of no use to a browser.
        if now - self._shown > 0.1 or done == total or begins:
            self.bar.max, self.bar.value, self._shown = total, done, now
            if not self._stop.is_set():
                self.status.info(message)
        return self._stop.is_set()

    def _run(self) -> None:
        again = True
        while again:
            self.bar.bar_style, self.bar.value = "info", 0
            self.status.info("Starting…")
            try:
                end: str | BaseException = self._work(self._report)
            except BaseException as error:  # any: it is shown, and the buttons work again
                end = error
            with self._guard:  # so that no "Stopping…" comes after the last word
                if isinstance(end, BaseException):
                    self.bar.bar_style = "danger"
                    self.status.error(end)
                else:
                    self.bar.bar_style = "warning" if self._stop.is_set() else "success"
                    self.status.info(end)
                again, self._again = self._again, False
                if again:
                    self._stop.clear()
                    self._show_running(True)  # it can be stopped, whatever was pressed before
                else:
                    self._thread = None
                    self._show_running(False)

    def _show_running(self, running: bool) -> None:
        self.start_button.disabled = running
        self.stop_button.disabled = not running
