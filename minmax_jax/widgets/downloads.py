"""Files to take away from a page, made in memory: no server has to keep them."""

import base64
import html
from collections.abc import Mapping

import ipywidgets


class Downloads(ipywidgets.HTML):
    """A line of links, each of which saves a file where the browser saves what it loads."""

    def offer(self, files: Mapping[str, bytes]) -> None:
        """Show a link for each file, in place of those before."""
        links = [
            f'<a download="{html.escape(name)}" href="data:application/octet-stream;base64,'
            f'{base64.b64encode(content).decode()}">{html.escape(name)}</a> ({len(content) / 1e3:,.0f} kB)'
            for name, content in files.items()
        ]
        self.value = "Save: " + ", ".join(links)
