"""One measurement in a process of its own: ``python -m minmax_jax.benchmark.worker SIDE ROW SIZE``.

Prints one line of JSON, the last line it prints.
"""

import json
import sys
from typing import Any

from minmax_jax.benchmark.rows import DEVICE, ROWS, Size


def measure(side: str, name: str, size: Size) -> list[Any]:
    """All cases of a row on one side, "ours" or "torch"."""
    row = (ROWS | DEVICE)[name]
    if side == "ours":
        from minmax_jax.benchmark import jax_side as ours
        from minmax_jax.benchmark import whole

        functions = ours.MEASURES | whole.MEASURES
    else:
        from minmax_jax.benchmark import torch_side as peer

        functions = peer.MEASURES
        if row.needs:
            from minmax_jax.benchmark import torch_attacks as peer_attacks

            functions = peer_attacks.MEASURES
    return [functions[row.measure](case, size) for case in row.cases]


def answer(task: str, *details: str) -> Any:
    """What is asked for: "machine", "agreement" of a model, a "victim" in a file, or a measurement."""
    if task == "machine":
        from minmax_jax.benchmark import jax_side as ours
        from minmax_jax.benchmark import machine

        return machine.describe() | {"sweep": ours.can_sweep()}
    if task == "agreement":
        from minmax_jax.benchmark import agreement

        found = agreement.differences(int(details[0]))
        return {"differences": found, "objections": agreement.objections(found)}
    if task == "victim":
        from minmax_jax.benchmark import target as victim

        return victim.prepare(details[0])
    name, size = details
    return measure(task, name, Size(**json.loads(size)))


if __name__ == "__main__":
    print(json.dumps(answer(*sys.argv[1:])))
