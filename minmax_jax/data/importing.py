"""Importing tensorflow-datasets without other threads noticing."""

import builtins
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

_ONE_THREAD = threading.RLock()  # at a time, as each puts back what it found


@contextlib.contextmanager
def own_imports() -> Iterator[None]:
    """Inside, what makes imports lazy does so in this thread alone; another that enters waits.

    While tensorflow-datasets is imported, etils puts its own import in Python's place, for a moment at a
    time. An import of another thread, such as one that draws a figure, would fail then or get a stand-in.
    """
    from etils.epy import lazy_imports_utils as etils  # comes with tensorflow-datasets

    with _ONE_THREAD:
        lazy: Any = getattr(etils, "_lazy_import", None)
        if lazy is None:  # a version that does it in another way
            yield
            return
        usual, own = builtins.__import__, threading.get_ident()

        def chosen(*arguments: Any, error_callback: Any, success_callback: Any, **options: Any) -> Any:
            if threading.get_ident() != own:
                return usual(*arguments, **options)
            return lazy(
                *arguments, error_callback=error_callback, success_callback=success_callback, **options
            )

        etils.__dict__["_lazy_import"] = chosen
        try:
            yield
        finally:
            etils.__dict__["_lazy_import"] = lazy
