"""How figures look, how they are laid out, and how one is redrawn in place."""

import contextlib
import io
import threading
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as BareFigure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine

if TYPE_CHECKING:
    import xarray as xr

# Okabe and Ito's palette, distinguishable with any colour vision; line styles repeat what colours say.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX"
CREDIT: dict[str, Any] = {"x": 0.99, "ha": "right", "fontsize": "x-small", "color": "0.4"}
RADII = {
    "linf": "eps (L-inf radius, pixel values in [0, 1])",
    "l2": "eps (L2 radius, pixel values in [0, 1])",
    "l1": "eps (L1 radius, pixel values in [0, 1])",
}
# Text that two threads lay out at once fails, as they share matplotlib's fonts; explorers draw in threads.
DRAWING = threading.RLock()
LEVEL = 0.005  # a smaller change of fuzziness is called level
_first_places: "weakref.WeakKeyDictionary[Axes, Any]" = weakref.WeakKeyDictionary()


def look(number: int) -> dict[str, Any]:
    """Colour, line and marker of a figure's curve of this number; any two among 28 differ in one of them."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": STYLES[number % len(STYLES)],
        "marker": MARKERS[number % len(MARKERS)],
    }


class Figure(BareFigure):
    """A matplotlib Figure that a notebook shows without pyplot, and that is redrawn quickly.

    ``move`` names the artists that change from one drawing to the next. ``pixels`` draws them, in that
    order, over a picture of all others, which is kept until one of those changes. (``Axes.set_title`` would
    change three titles at once; set the text of one by ``title.set_text``.)
    """

    moving: tuple[Artist, ...] = ()
    _still: Any = None  # all but the moving artists, by the canvas's own copy

    def move(self, *artists: Artist) -> None:
        """Name the artists that will change; when they do, the others are not drawn again."""
        self.moving = artists
        for one in artists:
            one.set_animated(True)

    def draw(self, renderer: Any) -> None:
        """Draw on any canvas, as matplotlib does; what ``pixels`` kept may be outdated after that."""
        self._still = None
        with DRAWING:
            super().draw(renderer)

    def pixels(self) -> UInt8[np.ndarray, "h w 4"]:
        """The figure as it is now, as red, green, blue and alpha. Identity: the same as all drawn anew."""
        with DRAWING:
            canvas = self.canvas if isinstance(self.canvas, FigureCanvasAgg) else FigureCanvasAgg(self)
            if self._still is None or self.stale:
                pictures = [one for one in self.moving if isinstance(one, AxesImage)]
                for picture in pictures:  # matplotlib 3.10 draws animated pictures with what stays
                    picture.set_visible(False)
                try:
                    canvas.draw()
                finally:
                    for picture in pictures:
                        picture.set_visible(True)
                self._still = canvas.copy_from_bbox(self.bbox)
            else:
                canvas.restore_region(self._still)
            for one in self.moving:
                one.draw(canvas.get_renderer())
            self.stale = False  # drawing a legend sets its parts anew, which marks the figure as changed
            return np.array(canvas.buffer_rgba())

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue(), {"alt": in_words(self)}


class View:
    """A figure that ``show`` changes in place, which keeps a slider smooth, with a caption in words.

    What stays the same is given when a view is made, what moves to ``show``.
    """

    figure: Figure
    caption: str = ""
    _drawn: Any = None  # what the artists were made for
    _laid: Any = None  # what the panels were laid out for

    def show(self, *args: Any, **kwargs: Any) -> Figure:
        """Change the figure, and set the caption."""
        raise NotImplementedError

    @contextlib.contextmanager
    def _artists(self, of: Any, room: Any = None) -> Iterator[bool]:
        """Whether the artists must be made anew, being ``of`` other things than the last time.

        If so, the figure is laid out after the body, unless they need as much ``room`` as the last ones
        (by default other room). After an error in the body they are made anew next time.
        """
        fresh, self._drawn = of != self._drawn, None
        yield fresh
        room = of if room is None else room
        if fresh and room != self._laid:
            lay_out(self.figure)
            self._laid = room
        self._drawn = of


def in_words(figure: BareFigure, axes: bool = True) -> str:
    """What the panels of a figure show: the title of each and, with ``axes``, what is drawn over what."""
    found = []
    for ax in figure.axes:
        x, y, title = (" ".join(one.split()) for one in (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()))
        labels = (f"{y} over {x}" if x and y else x or y) if axes else ""
        if title or labels:
            found.append(f"{title} ({labels})" if title and labels else title or labels)
    return "; ".join(found)


def layout() -> ConstrainedLayoutEngine:
    """How the panels of a figure share its room."""
    return ConstrainedLayoutEngine(w_pad=0.1)


def lay_out(figure: BareFigure) -> None:
    """Lay out the panels of a figure now, and not again: it takes as long as drawing, and makes axes jump.

    Identity: however the panels lay before, they lie the same after.
    """
    for ax in figure.axes:  # from where they lay at first: what a panel needs depends on its size
        ax.set_position(_first_places.setdefault(ax, ax.get_position(original=True)))
        ax.set_in_layout(True)  # which a given position ends
    engine = layout()
    figure.set_layout_engine(engine)
    rounds = 2 if figure.subfigs else 1  # by matplotlib 3.10, one leaves a trace of how subfigures lay before
    with DRAWING:
        for _ in range(rounds):
            engine.execute(figure)
    figure.set_layout_engine("none")


def lay_out_once(figure: BareFigure) -> None:
    """Lay out a figure, unless it was laid out already."""
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        lay_out(figure)


def new_figure(
    width: float, height: float, columns: int, rows: int = 1, **options: Any
) -> tuple[Figure, Any]:
    """A Figure of the study's look, free of pyplot, and its axes in one row of an array."""
    figure = Figure(figsize=(width, height), layout=layout())
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_title("", y=1)  # where it is anyhow, without looking for ticks in its way each time
    return figure, axes


def take_off(ax: Axes) -> None:
    """Take off what is drawn on a panel, but not its ticks as ``Axes.clear`` does: they take long to make."""
    for bars in tuple(ax.containers):
        bars.remove()
    legends = [legend] if (legend := ax.get_legend()) is not None else []
    for one in (*ax.lines, *ax.patches, *ax.images, *legends):
        one.remove()
    ax.relim()
    ax.autoscale()


def credit(figure: Figure, history: "xr.Dataset") -> Figure:
    """Write under a figure which run it shows: data, model, seed and steps."""
    facts = history.attrs
    text = f"{facts['dataset']}, {facts['model']}, seed {facts['seed']}, {history.sizes['step']} steps"
    figure.supxlabel(f"{text} of {facts['batch_size']} images", **CREDIT)
    return figure
