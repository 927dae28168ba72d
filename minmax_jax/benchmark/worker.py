"""One task in a process of its own: ``python -m minmax_jax.benchmark.worker TASK DETAILS``.

The last line it prints is the answer, as JSON. Each task imports what it needs itself: PyTorch may not be
installed, and the process of one side is not slowed down by the other's threads.
"""

import json
import sys
from typing import Any

from minmax_jax.benchmark.rows import DEVICE, ROWS, Size


def measure(side: str, name: str, size: Size) -> list[Any]:
    """All cases of a row on one side, "ours" or "torch"."""
    row = (ROWS | DEVICE)[name]
    if side == "ours":
        from minmax_jax.benchmark import jax_attacks, jax_side

        functions = jax_side.MEASURES | jax_attacks.MEASURES
    elif row.needs:
        from minmax_jax.benchmark import torch_attacks

        functions = torch_attacks.MEASURES
    else:
        from minmax_jax.benchmark import torch_side

        functions = torch_side.MEASURES
    return [functions[row.measure](case, size) for case in row.cases]


def answer(task: str, *details: str) -> Any:
    """The answer to "machine", "agreement" of a model, "target" in a file, or a side's row and size."""
    if task == "machine":
        from minmax_jax.benchmark import machine

        return machine.describe()
    if task == "agreement":
        from minmax_jax.benchmark import agreement

        found = agreement.differences(int(details[0]))
        return {"differences": found, "objections": agreement.objections(found)}
    if task == "target":
        from minmax_jax.benchmark import target

        return target.prepare(details[0])
    name, size = details
    return measure(task, name, Size(**json.loads(size)))


if __name__ == "__main__":
    print(json.dumps(answer(*sys.argv[1:])))
