"""A finding, and results in words and figures as the table of findings has them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool

from minmax_jax.attacks.registry import WORST
from minmax_jax.study.analysis.verdict import Effect
from minmax_jax.study.engine.result import about

if TYPE_CHECKING:
    import xarray as xr

MEASURE = "entropy"  # that fuzziness is judged by
WIDTH = 100  # of a line on a terminal
TOY = "(a toy's verdict: of a quick run)"


class Finding(NamedTuple):
    """A claim, the reading of it that was tested, the result, its size with an interval, and its basis.

    ``shown`` is the notebook and the section where a reader sees it: "1_observation#Not one run, but many".
    """

    claim: str
    reading: str
    result: str
    effect: str
    attack: str
    seeds: int
    experiment: str
    shown: str


def is_toy(table: "xr.Dataset") -> bool:
    """Whether a result is that of a quick run."""
    return bool(about(table).get("config", {}).get("small"))


def attacks_of(table: "xr.Dataset") -> str:
    """The attacks of a result in words: "pgd + autoattack"."""
    return " + ".join(str(one) for one in table.attack.values if one != WORST)


def markdown(found: Iterable[Finding]) -> str:
    """The findings as a Markdown table for a file beside the results, with links to where each is shown."""
    *names, _ = Finding._fields
    rows = [names, ["---"] * len(names)]
    for *values, shown in found:
        notebook, section = shown.split("#")
        place = f"../{notebook}.ipynb#{section.replace(' ', '-')}"
        rows.append([*map(str, values[:-1]), f"[{values[-1]}]({place})"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def plain(found: Iterable[Finding], width: int = WIDTH) -> str:
    """The findings as text for a terminal, in lines of at most ``width`` characters."""
    lines = []
    for (claim, *basis), rows in groupby(
        found, key=lambda one: (one.claim, one.experiment, one.attack, one.seeds)
    ):
        experiment, attack, seeds = basis
        lines += ["", *wrap(claim, width), f"  {experiment}, {seeds} seeds, attack: {attack}"]
        for one in rows:
            lines += wrap(
                f"{one.reading}: {one.result}", width, initial_indent="  - ", subsequent_indent=" " * 4
            )
            lines += wrap(one.effect, width, initial_indent=" " * 4, subsequent_indent=" " * 4)
    return "\n".join(lines[1:])


def counted(holds: Bool[np.ndarray, " n"], what: str, names: Sequence[str] = ()) -> str:
    """In how many of some conditions something holds, and by ``names`` in which, or in which not."""
    if not len(holds):
        return f"no {what} to judge"
    if holds.all():
        return f"holds in all {len(holds)} {what}"
    if not holds.any():
        return "does not hold"
    few = holds if 2 * holds.sum() <= len(holds) else ~holds
    those = ", ".join(name for name, one in zip(names, few, strict=True) if one) if names else ""
    listed = f" ({'only' if few is holds else 'not'}: {those})" if those else ""
    return f"holds in {holds.sum()} of {len(holds)} {what}{listed}"


def direction(effects: Sequence[Effect], *, falls: str, rises: str) -> str:
    """``falls`` if all intervals lie below 0, ``rises`` if all lie above, else "no clear effect"."""
    if all(one.high < 0 for one in effects):
        return falls
    return rises if all(one.low > 0 for one in effects) else "no clear effect"


def robustness_change(one: Effect) -> str:
    """What a difference of accuracies under attack says: "more robust", "less robust", or what it may hide.

    Where the interval holds 0, no effect beyond its farther end: "no effect beyond 3 points".
    """
    unclear = f"no effect beyond {100 * max(abs(float(one.low)), float(one.high)):.0f} points"
    if one.low <= 0 <= one.high:
        return unclear
    return "more robust" if one.low > 0 else "less robust"


def number(one: Effect) -> str:
    """A mean with its interval: -0.012 [-0.015, -0.010]."""
    return f"{float(one.mean):+.3f} [{float(one.low):+.3f}, {float(one.high):+.3f}]"


def by_layer(effects: Mapping[str, Effect]) -> str:
    """The number of each layer: conv1 -0.012 [-0.015, -0.010], conv2 ..."""
    return ", ".join(f"{layer} {number(one)}" for layer, one in effects.items())


def points(one: Effect) -> str:
    """A difference of accuracies in percentage points: +1.2 [+0.3, +2.0] points."""
    return f"{100 * float(one.mean):+.1f} [{100 * float(one.low):+.1f}, {100 * float(one.high):+.1f}] points"
