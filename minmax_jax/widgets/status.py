"""A line of text that tells what is going on, or what went wrong."""

import html
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

import ipywidgets


class Status(ipywidgets.HTML):
    """A live region: messages, and errors in words with their traceback folded away.

    An exception in a widget's callback would be shown nowhere; ``guard`` brings it here.
    """

    def info(self, text: str) -> None:
        """Show a message; a screen reader speaks it."""
        self.value = f'<span role="status">{html.escape(text)}</span>'

    def error(self, error: BaseException) -> None:
        """Show an error as an alert."""
        words = f"{type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(error))
        self.value = (
            '<div role="alert" style="border-left: 4px solid #D55E00; padding-left: 8px">'
            f"<b>{html.escape(words)}</b>"
            f"<details><summary>traceback</summary><pre>{html.escape(trace)}</pre></details></div>"
        )

    def guard(
        self, callback: Callable[..., Any], failed: Callable[[Exception], None] | None = None
    ) -> Callable[..., None]:
        """The callback, with any exception that it raises shown here, or handed to ``failed``."""

        @wraps(callback)
        def guarded(*args: Any, **kwargs: Any) -> None:
            try:
                callback(*args, **kwargs)
            except Exception as error:
                (failed or self.error)(error)

        return guarded
