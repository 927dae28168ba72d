"""One measurement in a process of its own: ``python -m minmax_jax.benchmark.worker SIDE ROW SIZE``.

Prints one line of JSON, the last line it prints.
"""

import json
import sys
from typing import Any

from minmax_jax.benchmark.row import DEVICE, ROWS, Size


def measure(side: str, name: str, size: Size) -> list[Any]:
    """All cases of a row on one side, "ours" or "torch"."""
    row = (ROWS | DEVICE)[name]
    if side == "ours":
        from minmax_jax.benchmark import ours

        function = ours.MEASURES[row.measure]
    else:
        from minmax_jax.benchmark import peer

        function = peer.MEASURES[row.measure]
    return [function(case, size) for case in row.cases]


def answer(task: str, *details: str) -> Any:
    """What is asked for: "machine", "agreement" of a model, or a measurement."""
    if task == "machine":
        from minmax_jax.benchmark import machine, ours

        return machine.describe() | {"sweep": ours.can_sweep()}
    if task == "agreement":
        from minmax_jax.benchmark import agreement

        found = agreement.differences(int(details[0]))
        return {"differences": found, "objections": agreement.objections(found)}
    name, size = details
    return measure(task, name, Size(**json.loads(size)))


if __name__ == "__main__":
    print(json.dumps(answer(*sys.argv[1:])))
