"""Ctrl-C: held off while something must not be left half done, and passed on to the threads of jobs."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_thread = threading.local()


@contextmanager
def uninterrupted(later: bool = False) -> Iterator[None]:
    """Hold Ctrl-C off during the body; afterwards it counts (``later``) or is forgotten."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    pressed = False

    def note(*_: Any) -> None:
        nonlocal pressed
        pressed = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed and later:
        signal.raise_signal(signal.SIGINT)


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
