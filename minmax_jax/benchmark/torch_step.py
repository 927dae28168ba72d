"""A training step in PyTorch, in each of the forms that may be the fastest, and how it is timed."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from minmax_jax.benchmark.timing import Result, best, clock
from minmax_jax.data import Split
from minmax_jax.jobs.parallel import cores

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
FORMS = tuple(product(LAYOUTS, (True, False)))
WARM = 5  # steps before the clock starts

Step = Callable[[Any, Any], None]
Draw = Callable[[int], Iterable[tuple[Any, Any]]]  # so many batches of images and labels


def name_of(layout: str, fused: bool) -> str:
    """A form of training, for reading."""
    return f"{layout}, {'fused' if fused else 'unfused'} Adam"


def tensors(split: Split, layout: str, device: str = "cpu") -> tuple[Any, Any]:
    """Images NCHW in a layout, and labels, in memory."""
    images = torch.from_numpy(split.images.transpose(0, 3, 1, 2).copy())
    labels = torch.from_numpy(split.labels.astype(np.int64))
    return images.to(device).contiguous(memory_format=LAYOUTS[layout]), labels.to(device)


def stepper(net: Any, layout: str, fused: bool, device: str = "cpu") -> Step:
    """A training step on a batch: forward, cross-entropy, backward, Adam."""
    net.to(device=device, memory_format=LAYOUTS[layout])
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, fused=fused)

    def step(images: Any, labels: Any) -> None:
        optimiser.zero_grad(set_to_none=True)
        functional.cross_entropy(net(images), labels).backward()
        optimiser.step()

    return step


def batches(images: Any, labels: Any, batch: int, steps: int) -> Iterator[tuple[Any, Any]]:
    """Batches gathered by index, in a random order that is repeated epoch by epoch."""
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(labels), generator=generator).to(labels.device)
    each = len(labels) // batch
    for number in range(steps):
        rows = order[number % each * batch :][:batch]
        yield images.index_select(0, rows), labels.index_select(0, rows)


def mean_step(step: Step, draw: Draw, steps: int, device: str = "cpu") -> float:
    """Seconds of one training step, the mean of many after a few to warm up; drawing batches is included."""

    def run(steps: int) -> None:
        for images, labels in draw(steps):
            step(images, labels)
        if device == "cuda":
            torch.cuda.synchronize()

    run(WARM)
    return clock(lambda: run(steps)) / steps


def trained(make: Callable[[], Any], split: Split, batch: int, device: str = "cpu") -> Result:
    """One training step in the fastest form, each over an epoch of the images."""
    torch.set_num_threads(cores())
    found = []
    for layout, fused in FORMS:
        step, data = stepper(make(), layout, fused, device), tensors(split, layout, device)
        seconds = mean_step(step, partial(batches, *data, batch), len(split) // batch, device)
        found.append(Result(seconds, choice=name_of(layout, fused)))
    return best(found)
