"""A matplotlib Figure shown as one image that changes in place."""

import html
import io
import threading

import ipywidgets
from matplotlib.figure import Figure


class FigureImage(ipywidgets.VBox):
    """An image of a pyplot-free Figure with its caption; change the artists, then ``refresh``.

    The size in pixels is fixed, so the page never jumps. The caption says in words what the figure shows,
    for those who cannot see it and for those in a hurry.
    """

    def __init__(self, figure: Figure, dpi: int = 100):
        width, height = (int(inches * dpi) for inches in figure.get_size_inches())
        self.figure, self.dpi = figure, dpi
        # A browser gives an image that begins without bytes no place on the page, whatever comes later.
        blank = io.BytesIO()
        Figure((1, 1), dpi=1).savefig(blank, format="png")
        self.image = ipywidgets.Image(value=blank.getvalue(), format="png", width=width, height=height)
        self.image.layout.max_width = "100%"
        self.image.layout.object_fit = "contain"
        self.caption = ipywidgets.HTML()
        self._lock = threading.Lock()
        super().__init__([self.image, self.caption])

    def refresh(self, caption: str) -> None:
        """Draw the figure as it is now and set the caption."""
        buffer = io.BytesIO()
        with self._lock:
            # little compression: the time to draw counts, not the bytes
            self.figure.savefig(buffer, format="png", dpi=self.dpi, pil_kwargs={"compress_level": 1})
        self.image.value = buffer.getvalue()
        self.caption.value = f'<p aria-live="polite">{html.escape(caption)}</p>'
