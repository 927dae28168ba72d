"""Several one-thread PyTorch processes, each training one model, at the same time."""

import subprocess
import sys
from typing import Any

import torch

from minmax_jax.benchmark.rows import BATCH, Size
from minmax_jax.benchmark.timing import clock
from minmax_jax.benchmark.torch_models import Twin
from minmax_jax.benchmark.torch_step import FORMS, WARM, batches, stepper, tensors
from minmax_jax.data import load


def steps_each(size: Size) -> int:
    """Steps that each process takes in each form of training."""
    return size.images // BATCH // 2


def work(images: int, steps: int) -> None:
    """What a process does, in each form: warm up, print "ready", wait for a line, train, print "done"."""
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


def expect(processes: list[Any], word: str) -> None:
    """Wait until every process has printed a word. Raises RuntimeError if one prints another, or ends."""
    for process in processes:
        if (said := process.stdout.readline().strip()) != word:
            raise RuntimeError(f"a training process printed {said!r} instead of {word!r}")


def train_together(processes: list[Any]) -> None:
    """Start all processes at once and wait for the last."""
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    expect(processes, "done")


def walls(number: int, size: Size) -> list[float]:
    """Seconds from the start of so many processes to the end of the last, for each form of training."""
    command = [sys.executable, "-m", __name__, str(size.images), str(steps_each(size))]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(number)]
    times = []
    try:
        for _ in FORMS:
            expect(processes, "ready")
            times.append(clock(lambda: train_together(processes)))
    finally:
        for process in processes:
            process.kill()  # if it has not ended by itself
            process.communicate()
    return times


if __name__ == "__main__":
    work(*map(int, sys.argv[1:]))
