"""The benchmark's numbers as Markdown tables, as they stand in its README."""

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from minmax_jax.benchmark.alternation import Comparison
from minmax_jax.benchmark.rows import Row
from minmax_jax.benchmark.timing import Result, Spread, ratio, spread

NONE = "–"
INSTALL = "PyTorch is not installed, so this is our side alone: `pip install 'minmax_jax[peers]'` adds it."


def figure(number: float) -> str:
    """Three significant digits, and no exponent."""
    return f"{number:.0f}" if number >= 100 else f"{number:#.3g}"


def figures(values: Spread, unit: str = "") -> str:
    """A middle value with its range."""
    return f"{figure(values.middle)}{unit} ({figure(values.low)}–{figure(values.high)})"


def durations(results: Sequence[Result]) -> str:
    """Median and range of some measurements, in milliseconds below ten seconds and in seconds above."""
    if not results:
        return NONE
    found = spread([one.seconds for one in results])
    if found.middle >= 10:
        return figures(found, " s")
    return figures(Spread(*(1000 * value for value in found)), " ms")


def times(measured: Comparison) -> str:
    """How many times as fast as PyTorch."""
    ours, theirs = ([one.seconds for one in side] for side in (measured.ours, measured.theirs))
    return figures(ratio(ours, theirs)) if theirs else NONE


def per_second(results: Sequence[Result]) -> str:
    """Median and range of steps per second."""
    return figures(spread([1 / one.seconds for one in results])) if results else NONE


def choice(results: Sequence[Result]) -> str:
    """The way of doing the work that was PyTorch's fastest in most runs."""
    return Counter(one.choice for one in results).most_common(1)[0][0] if results else NONE


def first(measured: Comparison) -> str:
    """What the first call took on top of a later one, with an empty cache and with a full one."""
    filled = f"{figure(max(0, median(measured.filled)))} s" if measured.filled else NONE
    return f"{figure(max(0, measured.empty))} s / {filled}"


def lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; columns of numbers are aligned to the right."""
    rule = ["---" if name in ("", "work", "PyTorch's best") else "---:" for name in header]
    return ["| " + " | ".join(cells) + " |" for cells in (header, rule, *rows)]


def summary(rows: dict[str, Row], measured: dict[str, list[Comparison]]) -> list[str]:
    """One line for each row that does not show growth."""
    header = (
        "work",
        "minmax_jax",
        "PyTorch",
        "times as fast",
        "PyTorch's best",
        "first call: empty / filled cache",
    )
    table = [
        (
            row.work,
            durations(one.ours),
            durations(one.theirs),
            times(one),
            choice(one.theirs),
            first(one),
        )
        for name, row in rows.items()
        if not row.axis
        for one in measured[name]
    ]
    return lines(header, table) if table else []


def by_case(row: Row, measured: list[Comparison], show: Callable[[Sequence[Result]], str]) -> list[str]:
    """A line for each case of a row."""
    header = (row.axis, "minmax_jax", "PyTorch", "times as fast", "PyTorch's best")
    table = [
        (f"{one.case:,}", show(one.ours), show(one.theirs), times(one), choice(one.theirs))
        for one in measured
    ]
    return lines(header, table)


def growth(row: Row, measured: list[Comparison]) -> list[str]:
    """How the cost of one row grows: a line for each case."""
    title = f"{row.work[0].upper()}{row.work[1:]}, by {row.axis}:"
    return [title, "", *by_case(row, measured, durations)]


def rates(row: Row, measured: list[Comparison]) -> list[str]:
    """Training steps per second of all models together: a line for each number of models."""
    return ["Training steps per second, of all models together:", "", *by_case(row, measured, per_second)]


def place(machine: dict[str, Any]) -> str:
    """Machine and versions in a sentence or two."""
    memory = f", {machine['memory']:.0f} GiB" if machine.get("memory") else ""
    device = f", {machine['device']}" if machine.get("device") else ""
    cores = f"{machine['cores']} core{'s' if machine['cores'] != 1 else ''}"
    listing = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return f"Measured on {machine['processor']}, {cores}{memory}{device}, {machine['system']}; {listing}."


def method(runs: dict[str, int], peer: bool) -> str:
    """How it was measured."""
    counts = sorted(set(runs.values()))
    number = f"{' or '.join(map(str, counts))} run{'s' if counts[-1:] != [1] else ''}"
    turns = f"the two sides in turn, {number} each" if peer else number
    return (
        f"Medians, and ranges in brackets, of {turns}, every run in a process of its own; "
        "the first call is not in the times but in its own column, as seconds on top of a later call."
    )
