"""Pictures drawn ahead for every choice of some controls, which flip in the browser alone."""

import base64
import html
import io
import itertools
import json
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from minmax_jax.jobs.progress import progress_bar
from minmax_jax.plots import style

LIMIT = 500  # pictures; some 30 kB each
DPI = 90

Choice = str | int | float


class Frames:
    """A figure for every choice of its controls, drawn ahead: it answers at once, without a kernel.

    It is shown by Jupyter, Voila and exported pages, where its sliders work even after the kernel has
    stopped; where nothing runs, it is a static picture, that of ``start`` ::

        places = range(run.history.sizes["snapshot"])
        mm.widgets.Frames(lambda place: mm.plots.minmax(run.history, snapshot=place), {"place": places})

    Args:
        draw: ``draw(**choice)`` gives a matplotlib Figure, or one with a caption in words (by default the
            choice and the figure's titles); it may give the same Figure each time, changed.
        axes: The controls by name, and the values of each: numbers make a slider, texts a list.
        start: The choice to begin with, by default the first value of each control.
        dpi: Dots per inch of the pictures.
        progress: Whether to draw a bar while the pictures are drawn.

    Raises:
        ValueError: For no axes, an axis without values, more than 500 pictures in all, or a start that no
            axis has.
    """

    def __init__(
        self,
        draw: Callable[..., Figure | tuple[Figure, str]],
        axes: Mapping[str, Sequence[Choice]],
        start: Mapping[str, Choice] | None = None,
        dpi: int = DPI,
        progress: bool = True,
    ):
        self.axes = {name: list(values) for name, values in axes.items()}
        self.start = {name: values[0] for name, values in self.axes.items() if values} | dict(start or {})
        self._check()
        self.captions: list[str] = []
        self._pictures: list[bytes] = []
        choices = list(itertools.product(*self.axes.values()))
        with progress_bar(len(choices), progress, unit="picture") as bar:
            for values in choices:
                choice = dict(zip(self.axes, values, strict=True))
                drawn = draw(**choice)
                figure, caption = drawn if isinstance(drawn, tuple) else (drawn, _described(drawn, choice))
                self._pictures.append(_webp(figure, dpi))
                self.captions.append(caption)
                bar.did()

    def _check(self) -> None:
        sizes = {name: len(values) for name, values in self.axes.items()}
        count = math.prod(sizes.values())
        if not sizes or not 1 <= count <= LIMIT:
            raise ValueError(
                f"axes must have one or more choices each and make at most {LIMIT} pictures, got {sizes}"
            )
        self._check_names("start", self.start)
        for name, value in self.start.items():
            if value not in self.axes[name]:
                raise ValueError(f"start[{name!r}] must be one of {self.axes[name]}, got {value!r}")

    def _check_names(self, argument: str, choice: Mapping[str, Choice]) -> None:
        if unknown := set(choice) - set(self.axes):
            raise ValueError(f"{argument} must name some of {list(self.axes)}, got {sorted(unknown)}")

    def frame(self, **choice: Choice) -> bytes:
        """The picture of a choice as WebP, without loss; what is not named is as at the start."""
        return self._pictures[self._place(choice)]

    def caption(self, **choice: Choice) -> str:
        """What the picture of a choice shows, in words."""
        return self.captions[self._place(choice)]

    def _place(self, choice: Mapping[str, Choice]) -> int:
        self._check_names("choice", choice)
        place = 0
        for name, values in self.axes.items():
            value = choice.get(name, self.start[name])
            if value not in values:
                raise ValueError(f"{name} must be one of {values}, got {value!r}")
            place = place * len(values) + values.index(value)
        return place

    def to_html(self) -> str:
        """The element with its controls and all pictures, which asks no server for anything."""
        identity = f"frames-{secrets.token_hex(6)}"
        controls = [_control(name, values, self.start[name]) for name, values in self.axes.items()]
        caption = html.escape(self.caption())
        content = json.dumps(
            {
                "frames": [base64.b64encode(one).decode() for one in self._pictures],
                "captions": self.captions,
                "sizes": [len(values) for values in self.axes.values()],
                "words": [[_word(value) for value in values] for values in self.axes.values()],
            }
        ).replace("<", "\\u003c")  # so that no caption can end the script
        width, height = Image.open(io.BytesIO(self.frame())).size
        source = base64.b64encode(self.frame()).decode()
        script = files("minmax_jax.widgets").joinpath("frames.js").read_text("utf-8")
        script = script.replace("ID", identity, 1)
        return (
            f'<div id="{identity}" class="minmax-frames" style="max-width: {width}px">'
            f'<div role="group" aria-label="controls of the figure">{"".join(controls)}</div>'
            f'<img src="data:image/webp;base64,{source}" alt="{caption}" width="{width}" height="{height}" '
            'style="max-width: 100%; height: auto; background: white">'
            f'<p aria-live="polite">{caption}</p>'
            f'<script type="application/json">{content}</script><script>{script}</script></div>'
        )

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        static = io.BytesIO()
        Image.open(io.BytesIO(self.frame())).save(static, format="png", optimize=True)
        words = self.caption()
        data = {"text/html": self.to_html(), "image/png": static.getvalue(), "text/plain": words}
        return data, {"image/png": {"alt": words}}


def told(choice: Mapping[str, Choice]) -> str:
    """A choice as a line of text: "taps 1, slope 20"."""
    return ", ".join(f"{name} {_word(value)}" for name, value in choice.items())


def _described(figure: Figure, choice: Mapping[str, Choice]) -> str:
    """A choice and the titles of its figure as a line of text."""
    words = told(choice)
    return f"{words}: {titles}" if (titles := style.in_words(figure, axes=False)) else words


def _word(value: Choice) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _control(name: str, values: Sequence[Choice], start: Choice) -> str:
    """A slider for numbers, a list for texts; the value is the place among ``values``."""
    place, label = values.index(start), html.escape(name)
    style = "margin-right: 0.5em; display: inline-flex; align-items: center; gap: 0.5em"
    if isinstance(start, str):
        options = "".join(
            f'<option value="{i}"{" selected" if i == place else ""}>{html.escape(_word(one))}</option>'
            for i, one in enumerate(values)
        )
        return f'<label style="{style}">{label} <select>{options}</select></label>'
    return (
        f'<label style="{style}">{label} <input type="range" min="0" max="{len(values) - 1}" step="1" '
        f'value="{place}" aria-valuetext="{_word(start)}" style="width: 20em"></label>'
        f'<span aria-hidden="true" style="margin-right: 1.5em">{_word(start)}</span>'
    )


def _webp(figure: Figure, dpi: int) -> bytes:
    small = io.BytesIO()
    # The time of eighty pictures counts: more effort makes them hardly smaller.
    _picture(figure, dpi).convert("RGB").save(small, format="webp", lossless=True, method=1, quality=50)
    return small.getvalue()


def _picture(figure: Figure, dpi: int) -> Image.Image:
    if isinstance(figure, style.Figure):  # which draws only what has changed
        if figure.dpi != dpi:
            figure.set_dpi(dpi)
        return Image.fromarray(figure.pixels())
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    return Image.open(drawn)
