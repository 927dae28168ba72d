"""How figures of this study look, and the panels that they are made of."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as BareFigure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine

from minmax_jax.fuzziness import Measure
from minmax_jax.intervals import READINGS, Membership, Reading

if TYPE_CHECKING:
    import xarray as xr

# Okabe and Ito's palette, told apart with any colour vision; line styles repeat what colour says.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")
WEIGHTS = "PuOr_r"
BINS = np.linspace(0, 1, 21)
CREDIT: dict[str, Any] = {"x": 0.99, "ha": "right", "fontsize": "x-small", "color": "0.4"}
RADII = {
    "linf": "eps (L-inf radius, pixel values in [0, 1])",
    "l2": "eps (L2 radius, pixel values in [0, 1])",
    "l1": "eps (L1 radius, pixel values in [0, 1])",
}
LEVEL = 0.005  # a smaller change of fuzziness is called level


class Figure(BareFigure):
    """A matplotlib Figure that a notebook shows without pyplot, and that is drawn anew quickly.

    ``move`` says which artists change from one drawing to the next. ``pixels`` draws them, in that order,
    over a picture of all others, which is kept until one of those changes. (``Axes.set_title`` changes three
    titles at once; the text of one is set by ``title.set_text``.)
    """

    moving: tuple[Artist, ...] = ()
    _still: Any = None  # all but the moving artists, by the canvas's own copy

    def move(self, *artists: Artist) -> None:
        """Artists that change from now on; their changes do not make the others be drawn again."""
        self.moving = artists
        for one in artists:
            one.set_animated(True)

    def draw(self, renderer: Any) -> None:
        """Draw on any canvas, as matplotlib does: what ``pixels`` kept may be another picture now."""
        self._still = None
        super().draw(renderer)

    def pixels(self) -> UInt8[np.ndarray, "h w 4"]:
        """The figure as it is now, as red, green, blue and alpha. Identity: the same as all drawn anew."""
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
        self.stale = False  # a legend that is drawn sets its parts anew, which says that they changed
        return np.array(canvas.buffer_rgba())

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue(), {"alt": panels(self)}


def panels(figure: BareFigure) -> str:
    """What the panels of a figure show, in words: the title of each, and what is drawn over what."""
    found = []
    for ax in figure.axes:
        x, y, title = (" ".join(one.split()) for one in (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()))
        axes = f"{y} over {x}" if x and y else x or y
        if title or axes:
            found.append(f"{title} ({axes})" if title and axes else title or axes)
    return "; ".join(found)


def layout() -> ConstrainedLayoutEngine:
    """How the panels of a figure share its room."""
    return ConstrainedLayoutEngine(w_pad=0.1)


def lay_out(figure: BareFigure) -> None:
    """Lay out the panels of a figure now, and not again: it takes as long as drawing, and makes axes jump.

    Identity: however the panels lay before, they lie the same after.
    """
    engine = layout()
    figure.set_layout_engine(engine)
    for _ in range(2):  # by matplotlib 3.10, one leaves a trace of how they lay before
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
    return figure, axes


def credit(figure: Figure, history: "xr.Dataset") -> Figure:
    """Write under a figure which run it shows: data, model, seed and steps."""
    facts = history.attrs
    text = f"{facts['dataset']}, {facts['model']}, seed {facts['seed']}, {history.sizes['step']} steps"
    figure.supxlabel(f"{text} of {facts['batch_size']} images", **CREDIT)
    return figure


def mosaic(kernel: Float[np.ndarray, "*window cin cout"]) -> Float[np.ndarray, "h w"]:
    """All filters of a kernel as one picture, NaN between them; of a dense kernel, the matrix.

    One input channel: filters side by side in two rows. Else input channels are rows and output channels
    columns. A window of one axis is a column; one of three lies slice below slice.
    """
    *window, cin, cout = kernel.shape
    if not window:
        return kernel
    kernel = kernel.reshape(-1, window[-1] if len(window) > 1 else 1, cin, cout)
    kh, kw = kernel.shape[:2]
    tiles = np.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)), constant_values=np.nan)
    grid = tiles.transpose(2, 3, 0, 1)
    if cin == 1 and cout % 2 == 0:
        grid = grid.reshape(2, cout // 2, kh + 1, kw + 1)
    rows, columns = grid.shape[:2]
    picture = grid.transpose(0, 2, 1, 3).reshape(rows * (kh + 1), columns * (kw + 1))
    return picture[:-1, :-1]


def draw_weights(ax: Axes, picture: Float[np.ndarray, "h w"], limit: float) -> Any:
    """A picture of weights on a colour scale that has white at zero."""
    ax.set_axis_off()
    return ax.imshow(picture, cmap=WEIGHTS, vmin=-limit, vmax=limit)


def shares(mu: Float[np.ndarray, " weights"]) -> Float[np.ndarray, " bins"]:
    """Share of weights in each of the ``BINS`` of membership. Identity: they add up to 1."""
    return np.histogram(mu, BINS)[0] / len(mu)


def draw_memberships(
    ax: Axes, start: Float[np.ndarray, " weights"], reading: str, membership: str
) -> tuple[Any, list[Artist]]:
    """Histogram of membership at the start: bars to be moved, and what lies over them, an outline first."""
    heights = shares(start)
    bars = ax.bar(BINS[:-1], heights, np.diff(BINS), align="edge", color=COLOURS[5], label="now")
    outline = ax.stairs(heights, BINS, color="black", label="step 0")
    centre = ax.axvline(0.5, color="0.5", linestyle=":")
    ax.set(xlim=(0, 1), xlabel=f"membership μ\n({reading} reading, {membership})")
    ax.set_ylabel("share of weights")
    ax.legend(frameon=False, loc="upper center", ncols=2)
    return bars, [outline, centre, ax.spines["left"], ax.spines["bottom"]]


def draw_parts(ax: Axes, places: Any, energy: Any, fuzzy: Any) -> tuple[Any, Any]:
    """Bars of the two parts of a worst case; both are returned to be moved."""
    lower = ax.bar(places, energy, color=COLOURS[0], label="energy, ||w||² / m")
    upper = ax.bar(places, fuzzy, bottom=energy, color=COLOURS[4], hatch="//", label="fuzziness, n m F / 4")
    return lower, upper


def draw_courses(ax: Axes, courses: "xr.DataArray", reading: str | None = None) -> None:
    """Fuzziness over training by each reading; the one named is drawn strongly."""
    for name, colour, style in zip(READINGS, COLOURS, STYLES, strict=False):
        strong = reading in (None, name)
        ax.plot(
            courses.snapshot,
            courses.sel(reading=name),
            style,
            color=colour,
            linewidth=2.4 if strong else 1.3,
            alpha=1 if strong else 0.8,
            label=name,
        )
    ax.set(xlabel="training step", ylim=(0, 1.02))
    ax.legend(title="reading", frameon=False, ncols=2, loc="lower right", fontsize="small")


def draw_accuracies(ax: Axes, lines: "Mapping[str, xr.Dataset]") -> None:
    """Draw accuracy over eps of reports of one attack each; if one is called "worst", it alone has a band."""
    norms = {line.attrs["norm"] for line in lines.values()}
    if len(norms) != 1:
        raise ValueError(f"reports are by the norms {sorted(norms)}; a figure takes reports by one norm")
    for i, (name, line) in enumerate(lines.items()):
        bold = name == "worst"
        colour = "black" if bold else COLOURS[i % (len(COLOURS) - 1)]  # the last is black
        # growing markers, so that lines that coincide are all seen
        size = 4 + 3 * (len(lines) - 1 - i) if len(lines) < 5 else 4 + (len(lines) - 1 - i)
        ax.plot(
            line.eps,
            100 * line.accuracy,
            STYLES[0] if bold else STYLES[i % len(STYLES)],
            marker="o",
            markersize=size,
            linewidth=3 if bold else 1.5,
            color=colour,
            label=name,
        )
        if bold or "worst" not in lines:
            low, high = 100 * line.interval
            ax.fill_between(line.eps, low, high, color=colour, alpha=0.2, linewidth=0)
    ax.set(xlabel=RADII[norms.pop()], ylabel="accuracy (%)", ylim=(0, 104))
    ax.legend(frameon=False, ncols=1 + len(lines) // 7, fontsize="small" if len(lines) > 6 else None)


def draw_strengths(
    axes: Any,
    results: "Mapping[float, xr.Dataset]",
    reading: Reading,
    membership: Membership,
    measure: Measure,
    marked: float | None = None,
) -> None:
    """Draw ``strengths`` on two axes."""
    order = sorted(results)
    runs = [results[strength] for strength in order]
    places = np.arange(len(order))
    accuracies, final = axes
    clean = [100 * float(run.test_accuracy[-1]) if run.sizes["epoch"] else np.nan for run in runs]
    accuracies.plot(places, clean, "o-", color=COLOURS[0], label="clean, all test images")
    attacked = [100 * float(run.get("robust_accuracy", np.nan)) for run in runs]
    if np.isfinite(attacked).any():
        notes = [run.robust_accuracy.attrs["long_name"] for run in runs if "robust_accuracy" in run]
        accuracies.plot(places, attacked, "s--", color=COLOURS[1], label=notes[0])
    chosen = {"reading": reading, "membership": membership, "measure": measure}
    for i, layer in enumerate(runs[0].layer.values):
        ends = [float(run.fuzziness.sel(layer=layer, **chosen)[-1]) for run in runs]
        colour, style = COLOURS[i % len(COLOURS)], "os^v"[i % 4] + STYLES[i % 4]
        final.plot(places, ends, style, color=colour, label=str(layer))
    for ax in axes:
        ax.set_xticks(places, [f"{strength:g}" for strength in order])
        ax.set_xlabel("strength λ")
        ax.legend(frameon=False, fontsize="small")
        if marked in order:
            ax.axvline(order.index(marked), color="0.85", linewidth=8, zorder=0)
    accuracies.set(ylabel="accuracy (%)", ylim=(0, 101))
    final.set(ylabel=f"fuzziness F at the end\n({measure}, {reading}, {membership})", ylim=(0, 1.02))
