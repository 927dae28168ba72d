"""A page that is watched: what it asks other machines for, and what goes wrong in it."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IN_PAGE = ("data:", "blob:", "about:")


class Watch(NamedTuple):
    """What a page must not do: ask another machine for something, or raise."""

    elsewhere: list[str]
    errors: list[str]


@contextlib.contextmanager
def watched_page(browser: "Browser", *own: str, **options: Any) -> Iterator[tuple["Page", Watch]]:
    """A page with cookies and storage of its own, and what it did that it must not.

    Addresses that begin by one of ``own`` are the page's own; ``options`` go to the browser's context.
    """
    context = browser.new_context(**options)
    page, watch = context.new_page(), Watch([], [])
    page.set_default_timeout(60_000)

    def note(address: str) -> None:
        if not address.startswith((*own, *IN_PAGE)):
            watch.elsewhere.append(address)

    page.on("request", lambda sent: note(sent.url))
    page.on("websocket", lambda opened: note(opened.url))
    page.on("pageerror", lambda error: watch.errors.append(str(error)))
    yield page, watch
    context.close()
