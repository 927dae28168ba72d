"""Lines of text in an explorer: what is going on, what went wrong, and files to download."""

import base64
import html
import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import ipywidgets


class Status(ipywidgets.HTML):
    """A live region: messages, and errors in words with their traceback folded away.

    Jupyter shows an exception in a widget's callback nowhere; ``guard`` shows it here.
    """

    def info(self, text: str) -> None:
        """Show a message; a screen reader speaks it."""
        self.value = f'<span role="status">{html.escape(text)}</span>'

    def warn(self, text: str, more: str = "") -> None:
        """Show a message as an alert, ``more`` being HTML."""
        style = "border-left: 4px solid #D55E00; padding-left: 8px"
        self.value = f'<div role="alert" style="{style}"><b>{html.escape(text)}</b>{more}</div>'

    def error(self, error: BaseException) -> None:
        """Show an error as an alert, with its traceback."""
        trace = html.escape("".join(traceback.format_exception(error)))
        more = f"<details><summary>traceback</summary><pre>{trace}</pre></details>"
        self.warn(f"{type(error).__name__}: {error}", more)

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


class Downloads(ipywidgets.HTML):
    """Links to files that are held in the page itself, so that no server has to keep them."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("minmax-downloads")

    def offer(self, files: Mapping[str, bytes]) -> None:
        """Show a link for each file, in place of those before."""
        self.value = " ".join(
            f'<a download="{html.escape(name)}" href="data:application/octet-stream;base64,'
            f'{base64.b64encode(content).decode()}">{html.escape(name)} ({len(content) / 1e3:,.0f} kB)</a>'
            for name, content in files.items()
        )
