"""PyTorch on an accelerator: one model, or many stacked along an axis and trained at once."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from minmax_jax.benchmark.rows import BATCH, Size
from minmax_jax.benchmark.timing import Result, best
from minmax_jax.benchmark.torch_models import Twin
from minmax_jax.benchmark.torch_step import Step, batches, mean_step, stepper, tensors, trained
from minmax_jax.data import load

STEPS = 20  # of many models at once
CHUNKS = (None, 256, 32)  # models in one go, which bounds memory: None for all


def alone(size: Size, device: str) -> Result:
    """One training step of one model, in the fastest of the ways that work on this device."""
    found, failed = [trained(Twin, load("mnist").train[: size.images], BATCH, device)], []
    ways = {"torch.compile": compiled, "CUDA graph": captured} if device == "cuda" else {}
    draw = partial(batches, *tensors(load("mnist").train[: size.images], "contiguous", device), BATCH)
    for name, make in ways.items():
        try:
            seconds = mean_step(make(device), draw, size.images // BATCH, device)
        except Exception:  # whatever the reason, such as no compiler or an old driver: the others remain
            failed.append(name)
        else:
            found.append(Result(seconds, choice=name))
    fastest = best(found)
    note = f" ({', '.join(failed)} failed)" if failed else ""
    return fastest._replace(choice=fastest.choice + note)


def compiled(device: str) -> Step:
    """A training step through ``torch.compile``, with CUDA graphs of its own where there are any."""
    net = torch.compile(Twin().to(device), mode="reduce-overhead")
    return stepper(net, "contiguous", True, device)


def captured(device: str) -> Step:
    """A training step recorded once as a CUDA graph and replayed on each batch."""
    net = Twin().to(device)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True, capturable=True)
    images = torch.zeros(BATCH, 1, 28, 28, device=device)
    labels = torch.zeros(BATCH, dtype=torch.int64, device=device)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        functional.cross_entropy(net(images), labels).backward()
        optimiser.step()

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # PyTorch wants a few steps on a side stream before the capture
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def replay(x: Any, y: Any) -> None:
        images.copy_(x)
        labels.copy_(y)
        graph.replay()

    return replay


def stack_step(stack: dict[str, Any], chunk: int | None) -> Step:
    """A training step of all models of a stack, each on its own batch: (model, batch, ...).

    Adam works weight by weight, so one Adam over the stack is one over each of its models.
    """
    net = Twin().to("meta")  # its structure alone

    def loss(params: Any, images: Any, labels: Any) -> Any:
        return functional.cross_entropy(functional_call(net, params, (images,)), labels)

    gradients = vmap(grad(loss), chunk_size=chunk)
    optimiser = torch.optim.Adam(stack.values(), lr=1e-3, fused=True)

    def step(images: Any, labels: Any) -> None:
        for name, gradient in gradients({n: p.detach() for n, p in stack.items()}, images, labels).items():
            stack[name].grad = gradient
        optimiser.step()

    return step


def stack_of(nets: list[Any], device: str) -> dict[str, Any]:
    """The weights of some networks along a new first axis, by name, to be trained."""
    states = [net.state_dict() for net in nets]
    stacked = {name: torch.stack([state[name] for state in states]) for name in states[0]}
    return {name: weights.to(device).requires_grad_(True) for name, weights in stacked.items()}


def stack_batches(images: Any, labels: Any, models: int, steps: int) -> Iterator[tuple[Any, Any]]:
    """Batches of a stack, (model, batch, ...): each model's images are drawn at random."""
    for _ in range(steps):
        rows = torch.randint(len(labels), (models * BATCH,), device=labels.device)
        batch = images.index_select(0, rows), labels.index_select(0, rows)
        yield tuple(one.unflatten(0, (models, BATCH)) for one in batch)


def stacked(models: int, size: Size, device: str) -> Result:
    """One training step of one model of a stack, by the fastest of some chunk sizes that fit in memory."""
    draw = partial(stack_batches, *tensors(load("mnist").train[: size.images], "contiguous", device), models)
    found = []
    for chunk in CHUNKS:
        if chunk is not None and chunk >= models:
            continue
        choice = "torch.func.vmap" + ("" if chunk is None else f" in chunks of {chunk}")
        try:
            step = stack_step(stack_of([Twin() for _ in range(models)], device), chunk)
            seconds = mean_step(step, draw, STEPS, device) / models
        except torch.cuda.OutOfMemoryError:
            continue
        found.append(Result(seconds, choice=choice))
    return best(found)
