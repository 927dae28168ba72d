"""The controls that all explorers share, each labelled with its whole name, and rows of them."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets

LONG = "500px"  # of a slider that leads an explorer
ROW = "minmax-row"  # what style sheet and script know a row by


class SliderNames(anywidget.AnyWidget):
    """Nothing to see: it tells screen readers the names and values of the sliders beside it."""

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


def _styled(kind: Any, controls: Sequence[ipywidgets.Widget], **options: Any) -> Any:
    names = SliderNames(layout={"display": "none"})
    return kind([*controls, names], **options).add_class(ROW)


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
    )


def radius(value: float = 0.1) -> ipywidgets.FloatSlider:
    """A slider over the L-inf radius eps."""
    return ipywidgets.FloatSlider(
        value=value, min=0, max=0.5, step=0.01, description="eps", style={"description_width": "initial"}
    )


def integer(name: str, value: int, least: int, most: int) -> ipywidgets.BoundedIntText:
    """A field for a whole number from ``least`` to ``most``, or to ``value`` if that is larger."""
    return ipywidgets.BoundedIntText(
        value=value, min=least, max=max(most, value), description=name, layout={"width": "160px"}
    )


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
