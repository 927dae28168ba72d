"""Files offered as links."""

import base64
import re

from minmax_jax.widgets.downloads import Downloads


def test_links_hold_the_files():
    line = Downloads()
    line.offer({"a.bin": b"\x00\xff" * 600, "b<.txt": b"hello"})
    found = re.findall(r'download="([^"]+)" href="data:[^,]+,([^"]+)"', line.value)
    assert [(name, base64.b64decode(text)) for name, text in found] == [
        ("a.bin", b"\x00\xff" * 600),
        ("b&lt;.txt", b"hello"),
    ]
    assert "(1 kB)" in line.value
