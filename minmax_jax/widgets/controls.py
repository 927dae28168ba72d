"""A dropdown as all explorers have it."""

from collections.abc import Sequence

import ipywidgets


def dropdown(
    name: str, options: Sequence[str], value: str | None = None, width: str = "190px"
) -> ipywidgets.Dropdown:
    """A choice among ``options``, the first unless ``value`` names another, labelled with its whole name."""
    return ipywidgets.Dropdown(
        value=options[0] if value is None else value,
        options=options,
        description=name,
        style={"description_width": "initial"},
        layout={"width": width},
    )
