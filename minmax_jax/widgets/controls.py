"""The controls that all explorers share, each labelled with its whole name, and rows of them."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets

LONG = "500px"  # of a slider that leads an explorer
ROW = "minmax-row"  # what style sheet and script know a row by
PAGE = "minmax-page"


class SliderNames(anywidget.AnyWidget):
    """It tells screen readers the names and values of the sliders beside it, and all what is mistyped."""

    _esm = Path(__file__).with_name("controls.js")
    _css = Path(__file__).with_name("controls.css")


def row(*controls: ipywidgets.Widget) -> ipywidgets.HBox:
    """Controls side by side, in as many lines as they need."""
    return _styled(ipywidgets.HBox, controls)


def heading(text: str) -> ipywidgets.HTML:
    """What controls are for, where others of the same names are near."""
    return ipywidgets.HTML(f"<b>{html.escape(text)}</b>")


def grid(controls: Sequence[ipywidgets.Widget], columns: int) -> ipywidgets.GridBox:
    """Sliders in ``columns`` of equal width."""
    template = f"repeat({columns}, minmax(0, 1fr))"
    layout = {"grid_template_columns": template, "max_width": f"{300 * columns}px"}
    return _styled(ipywidgets.GridBox, controls, layout=layout)


def group(name: str, *controls: ipywidgets.Widget) -> ipywidgets.GridBox:
    """Controls of one kind below their heading, if any, as wide as there is room; numbers side by side."""
    for control in controls:
        control.layout.width = None
    parts = [heading(name), *controls] if name else controls
    return _styled(ipywidgets.GridBox, parts).add_class("minmax-group")


def page(
    side: Sequence[ipywidgets.Widget], main: Sequence[ipywidgets.Widget], *beneath: ipywidgets.Widget
) -> list[ipywidgets.Widget]:
    """What a box of the class ``PAGE`` holds: ``side`` left of ``main`` if there is room, and the rest."""
    parts = {"minmax-side": side, "minmax-main": main}
    return [*(ipywidgets.VBox(part).add_class(name) for name, part in parts.items()), *beneath]


def _styled(kind: Any, controls: Sequence[ipywidgets.Widget], **options: Any) -> Any:
    return kind([*controls, SliderNames().add_class("minmax-names")], **options).add_class(ROW)


def dropdown(
    name: str, options: Sequence[str], value: str | None = None, width: str = "190px"
) -> ipywidgets.Dropdown:
    """A choice among ``options``: the first, unless ``value`` names another."""
    return ipywidgets.Dropdown(
        value=options[0] if value is None else value,
        options=options,
        description=name,
        style={"description_width": "initial"},
        layout={"width": width},
    )


def slider(
    name: str, values: Iterable[float], value: float, width: str | None = None, **options: Any
) -> ipywidgets.SelectionSlider:
    """A slider over ``values`` in increasing order, with ``value`` among them."""
    return ipywidgets.SelectionSlider(
        options=[(f"{one:g}", one) for one in sorted({*values, value})],
        value=value,
        description=name,
        style={"description_width": "initial"},
        layout={"width": width},
        **options,
    ).add_class("minmax-choice")


def radius(value: float = 0.1) -> ipywidgets.FloatSlider:
    """A slider over the L-inf radius eps."""
    return ipywidgets.FloatSlider(
        value=value, min=0, max=0.5, step=0.01, description="eps", style={"description_width": "initial"}
    )


class WholeNumber(ipywidgets.FloatText):
    """A field for a whole number from ``least`` to ``most``, or to ``value`` if that is larger.

    What is typed stays as it is; ``number`` is the int.
    """

    def __init__(self, name: str, value: int, least: int, most: int) -> None:
        self.ends = least, max(most, value)
        style, layout = {"description_width": "initial"}, {"width": "160px"}
        super().__init__(value=value, step=1, description=name, style=style, layout=layout)

    @property
    def number(self) -> int:
        """What is typed. Raises ValueError unless it is such a number."""
        least, most = self.ends
        if not self.value.is_integer():
            raise ValueError(f"{self.description} must be a whole number, got {self.value:g}")
        if not least <= self.value <= most:
            raise ValueError(f"{self.description} must be in [{least}, {most}], got {int(self.value)}")
        return int(self.value)


def text(name: str, placeholder: str) -> ipywidgets.Text:
    """A field for a line of text."""
    return ipywidgets.Text(
        description=name,
        placeholder=placeholder,
        style={"description_width": "initial"},
        layout={"width": "260px"},
    )


def checkbox(name: str, value: bool) -> ipywidgets.Checkbox:
    """A box to tick, with its name at the right."""
    return ipywidgets.Checkbox(value=value, description=name, indent=False, layout={"width": "auto"})


def button(name: str, icon: str, tooltip: str) -> ipywidgets.Button:
    """A button that is disabled until there is something for it to do."""
    return ipywidgets.Button(description=name, icon=icon, tooltip=tooltip, disabled=True)
