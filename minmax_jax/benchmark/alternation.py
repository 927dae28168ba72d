"""Both sides in turn, each measurement in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from minmax_jax.benchmark.rows import Result, Row, Size, from_json
from minmax_jax.storage.cache import VARIABLE


@dataclass(frozen=True)
class Measured:
    """All measurements of one case of a row, in the order they were made; ``theirs`` may be empty.

    ``empty`` is what the first call took on top of a later one without a compilation cache, ``filled``
    with one that has what it needs, where there were runs enough to see.
    """

    case: int
    ours: list[Result]
    theirs: list[Result]
    empty: float
    filled: list[float]


def ask(*task: str, cache: str | None = None) -> Any:
    """A worker's answer. Raises RuntimeError with what it wrote where it fails."""
    command = [sys.executable, "-m", "minmax_jax.benchmark.worker", *task]
    environment = os.environ | ({} if cache is None else {VARIABLE: cache})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise RuntimeError(f"{' '.join(task[:2])} failed:\n{done.stderr.strip()[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def alternate(
    name: str, row: Row, size: Size, peer: bool, say: Callable[[str], object], ask: Callable[..., Any]
) -> list[Measured]:
    """Measure a row ``size.runs`` times on each side, ours and theirs in turn.

    Our first run has no compilation cache, the second fills one, and the later ones use it. What is timed
    is not touched by that: it comes after the first call.
    """
    text, ours, theirs = json.dumps(asdict(size)), [], []
    with tempfile.TemporaryDirectory(prefix="minmax_jax-benchmark-") as folder:
        for run in range(size.runs):
            say(f"{name}: run {run + 1} of {size.runs}")
            ours.append(from_json(ask("ours", name, text, cache=str(Path(folder)) if run else "off")))
            if peer and row.peer:
                theirs.append(from_json(ask("torch", name, text)))
    return [gather(case, i, ours, theirs) for i, case in enumerate(row.cases)]


def gather(
    case: int, i: int, ours: Sequence[Sequence[Result]], theirs: Sequence[Sequence[Result]]
) -> Measured:
    """The measurements of one case out of those of all runs."""
    mine = [results[i] for results in ours]
    firsts = [result.first for result in mine]
    return Measured(case, mine, [results[i] for results in theirs], firsts[0], firsts[2:])
