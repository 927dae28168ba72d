"""An explorer of the networks of a result, drawn ahead."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Shaped
from matplotlib.figure import Figure

from minmax_jax.plots.arm_view import ArmView
from minmax_jax.widgets.frames import DPI, Choice, Frames, told

if TYPE_CHECKING:
    import xarray as xr


class ArmExplorer(Frames):
    """Choose among the networks of a result by what was done to them: no kernel, no wait.

    Shown are the filters of the first convolution, the sizes of their weights, and accuracy under the
    strongest attack by radius, beside networks that stay ::

        table = mm.study.read("results/dose_mnist.nc")
        mm.widgets.ArmExplorer(table, {"dose": None}, {"plain": {"dose": 0.0}}, {"variant": "modern"})

    Args:
        table: A result with ``kernel_conv1``, such as "transplants_ablations", "crisp_by_hand" or
            "dose_mnist".
        controls: What is chosen, by the names of the table's axes or of its arms' labels, without the prefix
            before "_", and the values of each in order; None for all that there are.
        beside: What is drawn beside, by what the legend calls it: the name of an arm, or labels with values.
        where: What other labels must be. Where several arms fit a choice, the first is shown.
        start: The choice to begin with, by default the first value of each control.
        seed: Whose filters are shown.
        progress: Whether to draw a bar while the pictures are drawn.

    Raises:
        ValueError: For a label or a seed that the table does not have, or a choice that no arm fits.
    """

    def __init__(
        self,
        table: "xr.Dataset",
        controls: Mapping[str, Sequence[Choice] | None],
        beside: Mapping[str, str | Mapping[str, Choice]] | None = None,
        where: Mapping[str, Choice] | None = None,
        start: Mapping[str, Choice] | None = None,
        seed: int = 0,
        progress: bool = True,
    ):
        if seed not in table.seed.values:
            raise ValueError(f"seed must be one of {table.seed.values.tolist()}, got {seed}")
        axes = {
            name: list(dict.fromkeys(_labels(table, name).tolist())) if values is None else list(values)
            for name, values in controls.items()
        }
        others = {
            name: table.sel(arm=one) if isinstance(one, str) else cell(table, {**(where or {}), **one})
            for name, one in (beside or {}).items()
        }
        view = ArmView(others, seed)
        view.figure.set_dpi(DPI)  # before panels are laid out

        def draw(**choice: Choice) -> tuple[Figure, str]:
            shown = cell(table, {**(where or {}), **choice})
            return view.show(shown, told(choice)), view.caption

        super().__init__(draw, axes, start, progress=progress)


def cell(table: "xr.Dataset", choice: Mapping[str, Choice]) -> "xr.Dataset":
    """The part of a table that has these labels; of several arms the first.

    Raises ValueError for a label that the table does not have, and where nothing fits.
    """
    fits = np.ones(table.sizes.get("arm", 1), bool)
    for name, value in choice.items():
        found = _labels(table, name) == value
        if not found.any():
            known = list(dict.fromkeys(_labels(table, name).tolist()))
            raise ValueError(f"{name} must be one of {known}, got {value!r}")
        if name in table.dims and name != "arm":
            table = table.isel({name: int(found.argmax())})
        else:
            fits &= found
    if not fits.any():
        raise ValueError(f"table must have an arm for every choice, it has none with {dict(choice)}")
    return table.isel(arm=int(fits.argmax())) if "arm" in table.dims else table


def _labels(table: "xr.Dataset", name: str) -> Shaped[np.ndarray, " n"]:
    """The labels along an axis, or along the arms."""
    if name in table.dims and name in table.coords:
        return table[name].values
    known = {str(one).partition("_")[2]: one for one in table.coords if table[one].dims == ("arm",)}
    if name not in known:
        raise ValueError(f"labels must be of {[*filter(None, known), *map(str, table.dims)]}, got {name!r}")
    return table[known[name]].values
