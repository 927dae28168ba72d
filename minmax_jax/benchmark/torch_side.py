"""PyTorch's side, on a CPU: the same work, in each of the ways that may be the fastest."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import product
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from minmax_jax.benchmark import torch_workers as crew
from minmax_jax.benchmark.rows import BATCH, EPS, PGD_STEPS, Result, Size
from minmax_jax.benchmark.torch_models import Twin, plain
from minmax_jax.data import Split, load
from minmax_jax.jobs.parallel import cores

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
FORMS = tuple(product(LAYOUTS, (True, False)))
WARM = 5  # steps before the clock starts

Step = Callable[[Any, Any], None]


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
    """Batches gathered by index, in a random order that goes round and round."""
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(labels), generator=generator).to(labels.device)
    each = len(labels) // batch
    for number in range(steps):
        rows = order[number % each * batch :][:batch]
        yield images.index_select(0, rows), labels.index_select(0, rows)


def finish(device: str) -> None:
    """Wait until a device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def mean_step(step: Step, images: Any, labels: Any, batch: int, steps: int, device: str = "cpu") -> float:
    """Seconds of one training step, the mean of many after a few to warm up."""
    for one in batches(images, labels, batch, WARM):
        step(*one)
    finish(device)
    start = perf_counter()
    for one in batches(images, labels, batch, steps):
        step(*one)
    finish(device)
    return (perf_counter() - start) / steps


def best(results: Iterable[Result]) -> Result:
    """The fastest."""
    return min(results, key=lambda result: result.seconds)


def trained(make: Callable[[], Any], images: int, batch: int, device: str = "cpu") -> Result:
    """One training step in the fastest form, each over an epoch of ``images``."""
    torch.set_num_threads(cores())
    split = load("mnist").train[:images]
    found = []
    for layout, fused in FORMS:
        step, data = stepper(make(), layout, fused, device), tensors(split, layout, device)
        seconds = mean_step(step, *data, batch, images // batch, device)
        found.append(Result(seconds, choice=name_of(layout, fused)))
    return best(found)


def train(batch: int, size: Size) -> Result:
    """One training step of LeNet."""
    return trained(Twin, size.images, batch)


def channels(factor: int, size: Size) -> Result:
    """One training step of ``Plain``."""
    return trained(lambda: plain(factor), max(10 * BATCH, size.images // factor), BATCH)


def project_gradient(net: Any, images: Any, labels: Any, start: Any) -> Any:
    """Projected gradient descent as ours: the last point, or the image where it is the worse."""
    low, high = (images - EPS).clamp(0, 1), (images + EPS).clamp(0, 1)
    size, points = 2.5 * EPS / PGD_STEPS, start
    for _ in range(PGD_STEPS):
        points.requires_grad_(True)
        loss = functional.cross_entropy(net(points), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, points)
        points = torch.clamp(points.detach().add_(gradient.sign_(), alpha=size), low, high)

    def quality(x: Any) -> Any:
        logits = net(x)
        losses = functional.cross_entropy(logits, labels, reduction="none")
        return losses.masked_fill(logits.argmax(1) != labels, torch.inf)

    with torch.no_grad():
        better = quality(points) > quality(images)
    return torch.where(better[:, None, None, None], points, images)


def pgd(batch: int, size: Size) -> Result:
    """One step of PGD, its start and its end counted in."""
    torch.set_num_threads(cores())
    found = []
    for layout, memory in LAYOUTS.items():
        net = Twin().to(memory_format=memory).requires_grad_(False)
        images, labels = tensors(load("mnist").test[:batch], layout)

        def call(net: Any = net, images: Any = images, labels: Any = labels) -> Any:
            noise = torch.empty_like(images).uniform_(-EPS, EPS)
            return project_gradient(net, images, labels, (images + noise).clamp_(0, 1))

        found.append(Result(median_call(call, size.repeats) / PGD_STEPS, choice=layout))
    return best(found)


def median_call(call: Callable[[], Any], repeats: int) -> float:
    """Median seconds of repeated calls after a first one."""
    times = []
    for _ in range(repeats + 1):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return median(times[1:])


def correct(net: Any, images: Any, labels: Any, batch: int) -> int:
    """How many images are classified as their labels."""
    with torch.inference_mode():
        pairs = zip(images.split(batch), labels.split(batch), strict=True)
        return sum(int((net(x).argmax(1) == y).sum()) for x, y in pairs)


def evaluation(images: int, size: Size) -> Result:
    """The accuracy on test images."""
    torch.set_num_threads(cores())
    found = []
    for layout, memory in LAYOUTS.items():
        net, data = Twin().to(memory_format=memory).eval(), tensors(load("mnist").test[:images], layout)
        for batch in (250, 500, 1000):
            seconds = median_call(partial(correct, net, *data, batch), size.repeats)
            found.append(Result(seconds, choice=f"{layout}, batch {batch}"))
    return best(found)


def sweep(models: int, size: Size) -> Result:
    """One training step of one model, where as many processes as cores train one each, with one thread."""
    walls = crew.walls(cores(), size)
    forms = [name_of(*form) for form in FORMS]
    per_model = [wall / cores() / crew.steps(size) for wall in walls]
    together = f"{cores()} one-thread processes"
    return best(Result(s, choice=f"{together}, {form}") for s, form in zip(per_model, forms, strict=True))


def device(models: int, size: Size) -> Result:
    """One training step of one model on an accelerator."""
    from minmax_jax.benchmark.torch_stack import alone, stacked

    torch.set_float32_matmul_precision("high")  # TF32, as JAX has it by default
    where = "cuda" if torch.cuda.is_available() else "cpu"
    return alone(size, where) if models == 1 else stacked(models, size, where)


MEASURES: dict[str, Callable[[int, Size], Result]] = {
    "train": train,
    "channels": channels,
    "pgd": pgd,
    "robustness": pgd,
    "evaluation": evaluation,
    "sweep": sweep,
    "device": device,
}
