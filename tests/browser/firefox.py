"""Firefox without a window, driven by WebDriver BiDi, which it speaks: Playwright drives only its own."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from browser.conftest import end, free_port
from browser.reader import wait_until

LISTENS = "WebDriver BiDi listening"


class Firefox:
    """A headless Firefox with a profile of its own, and one page."""

    def __init__(self, binary: str, profile: Path) -> None:
        websocket = pytest.importorskip("websocket", reason="websocket-client is not installed")
        port = free_port()
        options = ["--headless", "--no-remote", "--profile", str(profile), f"--remote-debugging-port={port}"]
        log = profile.with_suffix(".log")  # a file, as nobody would empty a pipe
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [binary, *options], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        wait_until(lambda: LISTENS in log.read_text("utf-8", "replace"), f"never: {LISTENS}", 180)
        self._socket = websocket.create_connection(
            f"ws://127.0.0.1:{port}/session", suppress_origin=True, timeout=180
        )
        self._calls = 0
        self._call("session.new", capabilities={})
        self._page = {"context": self._call("browsingContext.getTree")["contexts"][0]["context"]}

    def close(self) -> None:
        self._socket.close()
        end(self._process)

    def _call(self, method: str, **parameters: Any) -> Any:
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv())).get("id") != self._calls:
            pass  # an event
        assert answer["type"] == "success", answer
        return answer["result"]

    def open(self, address: str, width: int, height: int) -> None:
        """Open a page in a window of this size."""
        size = {"width": width, "height": height}
        self._call("browsingContext.setViewport", **self._page, viewport=size)
        self._call("browsingContext.navigate", **self._page, url=address, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """A number, text or bool of the page."""
        options = {"target": self._page, "awaitPromise": True}
        answer = self._call("script.evaluate", expression=expression, **options)
        assert answer["type"] == "success", answer
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until something of the page is true."""
        wait_until(lambda: bool(self.evaluate(expression)), f"never: {expression}", 180)

    def press(self, button: str) -> None:
        """Press a button by its name."""
        named = f"[...document.querySelectorAll('button')].find(one => one.textContent.trim() === {button!r})"
        self.wait(f"{named} && !{named}.disabled")
        self.evaluate(f"{named}.click()")

    def screenshot(self) -> bytes:
        """The window as PNG."""
        return base64.b64decode(self._call("browsingContext.captureScreenshot", **self._page)["data"])
