"""The study in one figure: what first convolutions become, and which networks withstand attacks."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.plots.style import CREDIT, Figure, layout
from minmax_jax.plots.why import SIZES, draw_filters, draw_withstood
from minmax_jax.storage.names import as_path
from minmax_jax.study.analysis.findings import tables_in
from minmax_jax.study.analysis.verdicts import DONOR
from minmax_jax.study.analysis.why import withstanding
from minmax_jax.study.design.condition import REFERENCE
from minmax_jax.study.design.crisp import Found, Made
from minmax_jax.study.experiments import confirmation, crisp, robust

if TYPE_CHECKING:
    import xarray as xr

TRANSPLANTS = "transplants_ablations"


def overview(folder: str | os.PathLike[str]) -> Figure:
    """Filters by radius of adversarial training, and accuracy under the strongest attack of all kinds.

    Above: the first convolution of one seed as drawn, trained plainly, and under attack; below each the sizes
    of its weights. Right: accuracy by radius, means over seeds with 95 % t intervals, of those networks
    whose results are in ``folder``.

    Raises FileNotFoundError where there is no result of transplants, and what ``mm.study.read`` raises.
    """
    tables = tables_in(as_path("folder", folder, "folder"))
    if TRANSPLANTS not in tables:
        raise FileNotFoundError(
            f"folder {folder} does not hold {TRANSPLANTS}.nc; "
            f"`python -m minmax_jax.study --only {TRANSPLANTS}` makes it"
        )
    seed = int(tables[TRANSPLANTS].seed[0])
    kernels = {"as drawn": np.asarray(REFERENCE.model(seed).conv1.kernel[...])}
    for name, (table, arm) in KERNELS.items():
        with suppress(KeyError):  # no such result; or a quick run's, which has few arms
            kernels[name] = tables[table].kernel_conv1.sel(arm=arm, seed=seed).values
    figure = Figure(figsize=(13.2, 4.8), layout=layout())
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.35, 1))[0]
    axes = left.subplots(2, len(kernels), height_ratios=(1, 1.1))
    for column, (name, kernel) in zip(axes.T, kernels.items(), strict=True):
        picture, below = column
        draw_filters(picture, below, kernel)
        picture.set_title(name)
    axes[1, 0].set_ylabel(SIZES)
    ax = right.subplots()
    shown = cells(tables)
    draw_withstood(ax, shown)
    for one in (*axes[1], ax):
        one.spines[["top", "right"]].set_visible(False)
    ax.set_title(_title(shown))
    ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    text = "MNIST, the strongest of PGD and AutoAttack, 95 % t intervals over seeds; filters of one seed"
    figure.supxlabel(text, **CREDIT)
    return figure


def cells(tables: "Mapping[str, xr.Dataset]") -> "dict[str, xr.Dataset]":
    """The networks that are compared, by what the legend calls them; those whose results are there."""
    found = {}
    for name, (table, choose) in SHOWN.items():
        with suppress(KeyError):  # no such result; or a quick run's, which has few arms
            found[name] = choose(tables[table])
    return found


def _arm(name: str) -> "Callable[[xr.Dataset], xr.Dataset]":
    return lambda table: table.sel(arm=name)


def _penalty(name: str) -> "Callable[[xr.Dataset], xr.Dataset]":
    """The arm of a penalty, whatever strength was chosen."""
    return lambda table: table.isel(arm=int((table.trained_penalty.values == name).argmax()))


def _title(shown: "Mapping[str, xr.Dataset]") -> str:
    """What is found: how many withstand with a robust network's convolutions, and with the term."""
    parts = []
    for name, words in ((TERM, "a term on units"), (BOTH, "transplanted convolutions")):
        if name in shown:
            share = 100 * float(withstanding(shown[name], 0.1).mean)
            parts.append(f"{share:.0f} % withstand 0.1 by {words}")
    return ",\n".join(parts)


KERNELS = {  # of the filters, besides those that were drawn: a result and the arm
    "trained plainly": (TRANSPLANTS, "none"),
    "trained at eps 0.1": ("transplants_donors", "adversarial 0.1, all"),
    "trained at eps 0.3": (TRANSPLANTS, "adversarial 0.3, all"),
}
TERM = "crisp by a term, tanh"
BOTH = "convolutions of eps 0.3"
# In the order of the legend: the table of each, and its part.
SHOWN: "Mapping[str, tuple[str, Callable[[xr.Dataset], xr.Dataset]]]" = {
    "plain": (TRANSPLANTS, _arm("none")),
    "less fuzziness of weights": (confirmation.NAME, _penalty("fuzziness")),
    "L2": (confirmation.NAME, _penalty("l2")),
    "L1 - L2 of conv1": (crisp.LOSS, _arm(Found("l1 - l2", 1.0, variant="modern").name)),
    BOTH: (TRANSPLANTS, _arm(DONOR)),
    "the same without biases": (TRANSPLANTS, _arm(f"{DONOR}, no bias")),
    "crisp by hand, tanh": (crisp.HAND, _arm(Made(1, 20.0).name)),
    TERM: (crisp.CONFIRMED, lambda table: table.isel(arm=-1)),
    "TRADES": (robust.NAME, lambda table: table),
}
