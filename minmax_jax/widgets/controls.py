"""The controls that all explorers share, each labelled with its whole name."""

from collections.abc import Iterable, Sequence
from typing import Any

import ipywidgets


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
    name: str, values: Iterable[float], value: float, width: str = "400px", **options: Any
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


def integer(name: str, value: int, least: int, most: int) -> ipywidgets.BoundedIntText:
    """A field for a whole number from ``least`` to ``most``, or to ``value`` if that is larger."""
    return ipywidgets.BoundedIntText(
        value=value, min=least, max=max(most, value), description=name, layout={"width": "160px"}
    )


def button(name: str, icon: str, tooltip: str) -> ipywidgets.Button:
    """A button that is disabled until there is something for it to do."""
    return ipywidgets.Button(description=name, icon=icon, tooltip=tooltip, disabled=True)
