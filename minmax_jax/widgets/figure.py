"""A matplotlib Figure shown as one image that changes in place."""

import html
import io
import threading

import ipywidgets
import PIL.Image
import traitlets

from minmax_jax.checks import check_type
from minmax_jax.plots.style import Figure

PLAIN, MARKED = "3px solid transparent", "3px dashed #D55E00"  # of the same width, so that nothing moves
EARLIER = "Not of what the controls say now, but of an earlier choice:"


class NamedImage(ipywidgets.Image):
    """An image named by its ``tooltip``; ipywidgets also reads a description, and fails without one."""

    description = traitlets.Unicode("").tag(sync=True)


class FigureImage(ipywidgets.VBox):
    """An image of a Figure of ``minmax_jax.plots`` with its caption; change the artists, then ``refresh``.

    The size is fixed where there is room for it, so the page never jumps. The caption says in words what the
    figure shows, for those who cannot see it and for those in a hurry.
    """

    def __init__(self, figure: Figure, dpi: int = 100):
        check_type("figure", figure, Figure)
        figure.set_dpi(dpi)
        width, height = (int(inches * dpi) for inches in figure.get_size_inches())
        self.figure = figure
        # A browser reserves no room for an image that starts without bytes, whatever comes later.
        blank = io.BytesIO()
        PIL.Image.new("L", (width, height), "white").save(blank, "png")
        self.image = NamedImage(value=blank.getvalue(), format="png", width=width, height=height)
        # As wide as there is room for: margins, which ipywidgets gives everything, would come on top.
        self.image.layout = {"max_width": "100%", "height": "auto", "margin": "0", "border": PLAIN}
        self.caption = ipywidgets.HTML()
        self._words = ""
        self._lock = threading.Lock()
        super().__init__([self.image, self.caption])

    def refresh(self, caption: str) -> None:
        """Draw the figure as it is now and set the caption."""
        buffer = io.BytesIO()
        with self._lock:
            picture = PIL.Image.fromarray(self.figure.pixels())
        picture.save(buffer, "png", compress_level=1)  # the time counts, not the bytes
        self.image.layout.border = PLAIN
        with self.image.hold_sync():  # a browser reloads the picture with each message
            self.image.value = buffer.getvalue()
            self._words = caption
            self._say(caption)

    def mark(self) -> None:
        """Mark the figure, if there is one yet, as that of an earlier choice, until the next ``refresh``."""
        if not self._words:
            return
        self.image.layout.border = MARKED
        self._say(f"{EARLIER} {self._words}")

    def _say(self, words: str) -> None:
        self.image.tooltip = words  # its name, for screen readers
        self.caption.value = f'<p aria-live="polite">{html.escape(words)}</p>'
