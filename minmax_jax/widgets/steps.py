"""A slider over some numbers as all explorers have it."""

from collections.abc import Iterable
from typing import Any

import ipywidgets


def steps(
    name: str, values: Iterable[float], value: float, width: str = "400px", **options: Any
) -> ipywidgets.SelectionSlider:
    """A slider over ``values`` in rising order, ``value`` among them, labelled with its whole name."""
    return ipywidgets.SelectionSlider(
        options=[(f"{one:g}", one) for one in sorted({*values, value})],
        value=value,
        description=name,
        style={"description_width": "initial"},
        layout={"width": width},
        **options,
    )
