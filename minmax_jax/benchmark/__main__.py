"""The command ``python -m minmax_jax.benchmark``."""

import argparse
import io
import json
import sys
import tempfile
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from minmax_jax.benchmark import table
from minmax_jax.benchmark.alternation import Comparison, alternate, ask
from minmax_jax.benchmark.rows import DEVICE, ROWS, Row, Size, choose
from minmax_jax.benchmark.timing import ratio
from minmax_jax.storage.archive import write_text
from minmax_jax.storage.names import path_option

STOPPED = 130  # what a shell gives for a command that Ctrl-C ended


def parse(arguments: list[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m minmax_jax.benchmark",
        description="Times this package against PyTorch at its best, doing the same work.",
    )
    known = f"{','.join(ROWS)}; on a GPU {','.join(DEVICE)}"
    parser.add_argument(
        "--only",
        metavar="ROWS",
        help=f"some of {known}; the default leaves autoattack out, which takes half an hour",
    )
    parser.add_argument("--runs", type=int, help="alternations (default 5, or 2 for rows that show growth)")
    parser.add_argument("--quick", action="store_true", help="about a minute, instead of about ten")
    parser.add_argument("--gpu", action="store_true", help="the GPU's rows, whatever device JAX finds")
    parser.add_argument(
        "--json", metavar="FILE", type=path_option("--json"), help="write all numbers to a file"
    )
    options = parser.parse_args(arguments)
    if options.runs is not None and options.runs < 1:
        parser.error(f"--runs must be at least 1, got {options.runs}")
    if options.json is not None and (options.json.is_dir() or not options.json.absolute().parent.is_dir()):
        parser.error(f"--json must be a file in an existing folder, got {options.json}")
    return parser, options


def say(text: str) -> None:
    """Report progress, apart from the table."""
    print(text, file=sys.stderr, flush=True)


def plan(parser: argparse.ArgumentParser, options: argparse.Namespace) -> tuple[dict[str, Row], Any]:
    """The rows to measure on this machine, and the machine. Ends the command if a row is unknown."""
    machine = ask("machine")
    device = options.gpu or machine["backend"] != "cpu"
    try:
        rows = choose(options.only, quick=options.quick, device=device)
    except ValueError as error:
        parser.error(str(error))
    for name, row in [*rows.items()]:
        if missing := [package for package in row.needs if find_spec(package) is None]:
            say(f"{' and '.join(missing)} is not installed, so the row {name} is left out")
            del rows[name]
    return rows, machine


def agree(rows: dict[str, Row]) -> dict[str, Any]:
    """How far the two sides differ, by model. Raises RuntimeError if they do not compute the same."""
    factors = [0] if set(rows) != {"channels"} else []
    factors += ROWS["channels"].cases if "channels" in rows else []
    found = {}
    for factor in factors:
        model = f"two convolutions, {factor} times as many channels" if factor else "LeNet"
        say(f"checking that both sides compute the same: {model}")
        found[model] = ask("agreement", str(factor))
        refuse(found[model]["objections"], "nothing is timed")
    return found


def refuse(objections: list[str], consequence: str) -> None:
    """Raise RuntimeError if there are objections to measuring."""
    if objections:
        listing = "\n".join(objections)
        raise RuntimeError(f"the two sides do not compute the same, so {consequence}:\n{listing}")


def measure(
    rows: dict[str, Row], sizes: dict[str, Size], peer: bool
) -> tuple[dict[str, list[Comparison]], int]:
    """The measurements of all rows and the exit status; Ctrl-C keeps the rows that are finished."""
    measured: dict[str, list[Comparison]] = {}
    status = 0
    try:
        with tempfile.TemporaryDirectory(prefix="minmax_jax-benchmark-") as folder:
            for name, row in rows.items():
                size = replace(sizes[name], target=target_in(Path(folder))) if row.long else sizes[name]
                measured[name] = alternate(name, row, size, peer, say, ask)
    except KeyboardInterrupt:
        say("stopped; these are the rows that were finished")
        status = STOPPED
    return measured, status


def target_in(folder: Path) -> str:
    """The file of a robust model to attack, trained if it is not there yet. Raises as ``agree`` does."""
    file = folder / "target.npz"
    if not file.exists():
        say("training a robust model to attack")
        about = ask("target", str(file))
        say(f"its accuracy is {about['clean']:.1%}, and {about['robust']:.1%} under PGD")
        refuse(about["objections"], "it is not attacked")
    return str(file)


def numbers(measured: list[Comparison]) -> list[dict[str, Any]]:
    """All measurements of a row and their ratio, for a file."""
    found = []
    for one in measured:
        ours, theirs = ([result.seconds for result in side] for side in (one.ours, one.theirs))
        sides = {side: [result._asdict() for result in getattr(one, side)] for side in ("ours", "theirs")}
        times = ratio(ours, theirs)._asdict() if theirs else None
        found.append(asdict(one) | sides | {"times_as_fast": times})
    return found


def main(arguments: list[str] | None = None) -> int:
    """Check, measure, print; the exit status."""
    parser, options = parse(arguments)
    peer = find_spec("torch") is not None
    try:
        rows, machine = plan(parser, options)
        agreement = agree(rows) if peer and rows else {}
        sizes = {name: row.size(options.quick, options.runs) for name, row in rows.items()}
        measured, status = measure(rows, sizes, peer)
    except RuntimeError as error:
        parser.exit(1, f"{error}\n")
    rows = {name: rows[name] for name in measured}
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal has a dash
    show(rows, measured, machine, {name: sizes[name].runs for name in rows}, peer)
    if options.json:
        results = {name: numbers(one) for name, one in measured.items()}
        everything = {"machine": machine, "agreement": agreement, "rows": results}
        everything["sizes"] = {name: asdict(size) for name, size in sizes.items()}
        write_text(options.json, json.dumps(everything, indent=1))
    return status


def show(
    rows: dict[str, Row],
    measured: dict[str, list[Comparison]],
    machine: dict[str, Any],
    runs: dict[str, int],
    peer: bool,
) -> None:
    """Print the tables, and what was measured where and how."""
    parts = [table.summary(rows, measured)]
    for name, row in rows.items():
        if row.axis:
            parts.append((table.rates if name in DEVICE else table.growth)(row, measured[name]))
    parts += [[table.method(runs, peer)], [table.place(machine)]]
    parts += [] if peer else [[table.INSTALL]]
    print("\n\n".join("\n".join(part) for part in parts if part))


if __name__ == "__main__":
    sys.exit(main())
