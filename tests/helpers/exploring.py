"""What a person does with an explorer, and sees of it, without a browser."""

import base64
import re
import time

from ipywidgets import Widget


def expect_change(explorer, control, value, words):
    """A control's new value changes the picture, the words agree, and nothing went wrong."""
    before = bytes(explorer.figure.image.value)
    getattr(explorer, control).value = value
    explorer.wait()
    assert bytes(explorer.figure.image.value) != before
    assert words in explorer.figure.caption.value
    assert explorer.status.value == ""


def sendable(explorer):
    """Whether a browser can be told all of an explorer: what it names so must not be ipywidgets' own."""
    state = Widget.get_manager_state(drop_defaults=True, widgets=[explorer])["state"]
    return explorer.model_id in state


def inside(box):
    """All widgets in a box, and in the boxes in it."""
    for one in box.children:
        yield one
        if hasattr(one, "children"):
            yield from inside(one)


def until(seen, seconds=120):
    """Wait until a person sees something."""
    limit = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < limit, "it is not to be seen"
        time.sleep(0.01)


def offered(downloads):
    """The files behind the links of a line of downloads."""
    found = re.findall(r'download="([^"]+)" href="data:[^,]+,([^"]+)"', downloads.value)
    return {name: base64.b64decode(text) for name, text in found}
