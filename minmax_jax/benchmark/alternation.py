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

from minmax_jax.benchmark.rows import Row, Size
from minmax_jax.benchmark.timing import Result
from minmax_jax.storage.cache import VARIABLE


@dataclass(frozen=True)
class Comparison:
    """All measurements of one case of a row, in the order they were made; ``theirs`` may be empty.

    ``empty`` is what the first call took on top of a later one without a compilation cache, and ``filled``
    with a full one: a value for each run from the third on.
    """

    case: int
    ours: list[Result]
    theirs: list[Result]
    empty: float
    filled: list[float]


def ask(*task: str, cache: str | None = None) -> Any:
    """A worker's answer to a task. Raises RuntimeError with what the worker wrote if it fails."""
    command = [sys.executable, "-m", "minmax_jax.benchmark.worker", *task]
    environment = os.environ | ({} if cache is None else {VARIABLE: cache})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise RuntimeError(f"{' '.join(task[:2])} failed:\n{done.stderr.strip()[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def alternate(
    name: str, row: Row, size: Size, peer: bool, say: Callable[[str], object], ask: Callable[..., Any]
) -> list[Comparison]:
    """Measure a row ``size.runs`` times on each side, ours and theirs in turn.

    Our first run has no compilation cache, the second fills one, and the later ones use it. The times are
    not affected: they are taken after the first call.

    Args:
        name: the row's name, as workers know it.
        row: the row itself.
        size: how much is measured.
        peer: whether PyTorch is measured too, where the row has a counterpart there.
        say: called with each line of progress.
        ask: starts a worker and returns its answer, as ``alternation.ask`` does.
    """
    text, ours, theirs = json.dumps(asdict(size)), [], []
    with tempfile.TemporaryDirectory(prefix="minmax_jax-benchmark-") as folder:
        for run in range(size.runs):
            say(f"{name}: run {run + 1} of {size.runs}")
            ours.append(ask("ours", name, text, cache=str(Path(folder)) if run else "off"))
            if peer and row.peer:
                theirs.append(ask("torch", name, text))
    return [compare(case, i, ours, theirs) for i, case in enumerate(row.cases)]


def compare(case: int, i: int, ours: Sequence[Any], theirs: Sequence[Any]) -> Comparison:
    """The measurements of the ``i``-th case, from what workers answered in all runs."""
    mine, others = ([Result(*answer[i]) for answer in side] for side in (ours, theirs))
    firsts = [result.first for result in mine]
    return Comparison(case, mine, others, firsts[0], firsts[2:])
