"""Ctrl-C, held off while something is put together that must not be half done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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
