"""Several one-thread PyTorch processes, each training one model, at the same time."""

import subprocess
import sys
from time import perf_counter
from typing import Any

from minmax_jax.benchmark.rows import BATCH, Size

MEMBER = "from minmax_jax.benchmark.crew import work; work({images}, {steps})"


def steps(size: Size) -> int:
    """Steps that each process takes in each form of training."""
    return size.images // BATCH // 2


def work(images: int, steps: int) -> None:
    """What a process does: get ready for each form of training, say so, wait for a line, train, say so."""
    import torch

    from minmax_jax.benchmark.torch_models import Twin
    from minmax_jax.benchmark.torch_side import FORMS, WARM, batches, stepper, tensors
    from minmax_jax.data import load

    torch.set_num_threads(1)
    split = load("mnist").train[:images]
    for layout, fused in FORMS:
        step, data = stepper(Twin(), layout, fused), tensors(split, layout)
        for one in batches(*data, BATCH, WARM):
            step(*one)
        print("ready", flush=True)
        sys.stdin.readline()
        for one in batches(*data, BATCH, steps):
            step(*one)
        print("done", flush=True)


def hear(process: Any, word: str) -> None:
    """Wait until a process says a word. Raises RuntimeError where it says something else, or ends."""
    if (said := process.stdout.readline().strip()) != word:
        raise RuntimeError(f"a training process said {said!r} in place of {word!r}")


def walls(processes: int, size: Size) -> list[float]:
    """Seconds from the start of all processes to the end of the last, for each form of training."""
    from minmax_jax.benchmark.torch_side import FORMS

    command = [sys.executable, "-c", MEMBER.format(images=size.images, steps=steps(size))]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    crew = [subprocess.Popen(command, **pipes) for _ in range(processes)]
    times = []
    try:
        for _ in FORMS:
            for one in crew:
                hear(one, "ready")
            start = perf_counter()
            for one in crew:
                one.stdin.write("\n")  # type: ignore[union-attr]
                one.stdin.flush()  # type: ignore[union-attr]
            for one in crew:
                hear(one, "done")
            times.append(perf_counter() - start)
    finally:
        for one in crew:
            one.kill()  # those that are done have ended, or are about to
            one.communicate()
    return times
