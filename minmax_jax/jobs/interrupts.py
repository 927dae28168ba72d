"""Ctrl-C: held off while something must not be left half done, and passed on to the threads of jobs."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_thread = threading.local()


class CtrlC:
    """Ctrl-C in the body: it acts as ever until ``hold``, and from then on at the end of the body.

    What is finished can thus be put together and written whatever is pressed, and Ctrl-C is never forgotten.
    The error that it raises at the end carries what ``keep`` was given. In other threads nothing changes, as
    signals reach the main thread only; nor where a program that embeds Python handles Ctrl-C itself.
    """

    def __init__(self) -> None:
        self.holding = self.pressed = self.raised = False
        self.kept: dict[str, Any] = {}
        self.before: Any = None

    def __enter__(self) -> "CtrlC":
        if threading.current_thread() is threading.main_thread():
            self.before = signal.getsignal(signal.SIGINT)
            if self.before is not None:  # else it could not be put back
                signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.before is not None:
                signal.signal(signal.SIGINT, self.before)
            if self.pressed:
                signal.raise_signal(signal.SIGINT)
        except BaseException as error:
            for name, value in self.kept.items():
                setattr(error, name, value)
            raise

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C did so where Python ignores it, as when jax collects garbage."""
        if self.raised:
            self.raised = False
            raise KeyboardInterrupt

    def hold(self) -> None:
        """Hold Ctrl-C off from now on."""
        self.holding = True

    def keep(self, **found: Any) -> None:
        """Name what an error that Ctrl-C raises at the end is to carry, as its attributes."""
        self.kept |= found

    def _press(self, number: int, frame: Any) -> None:
        if self.holding:
            self.pressed = True
        elif callable(self.before):
            self.raised = True
            self.before(number, frame)
            self.raised = False  # the user's own handler, which did something else
        elif self.before == signal.SIG_DFL:  # it ends the process
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C off during the body; it counts afterwards."""
    with CtrlC() as ctrl_c:
        ctrl_c.hold()
        yield


@contextmanager
def stopped_by(stop: Callable[[], bool]) -> Iterator[None]:
    """During the body, ``check_stop`` in this thread raises KeyboardInterrupt once ``stop()`` is true.

    It takes the place of Ctrl-C, which reaches the main thread only.
    """
    before = getattr(_thread, "stop", None)
    _thread.stop = stop
    try:
        yield
    finally:
        _thread.stop = before


def check_stop() -> None:
    """Raise KeyboardInterrupt if the job of this thread is to stop; without a job, do nothing."""
    stop = getattr(_thread, "stop", None)
    if stop is not None and stop():
        raise KeyboardInterrupt
