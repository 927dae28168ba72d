"""Results computed once for all threads."""

import threading
from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Found = TypeVar("Found")


def once(function: Callable[Given, Found]) -> Callable[Given, Found]:
    """``functools.cache`` for jobs side by side: who asks while another thread computes waits for it."""
    known, lock = cache(function), threading.Lock()

    @wraps(function)
    def ask(*args: Given.args, **kwargs: Given.kwargs) -> Found:
        with lock:
            return known(*args, **kwargs)  # type: ignore[arg-type]

    return ask
