"""PyTorch's side: the same work, in each of the ways that may be the fastest."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from minmax_jax.benchmark import torch_stack, torch_workers
from minmax_jax.benchmark.networks import noise
from minmax_jax.benchmark.rows import BATCH, EPS, PGD_STEPS, Size
from minmax_jax.benchmark.timing import Result, best, repeated
from minmax_jax.benchmark.torch_models import Twin, plain
from minmax_jax.benchmark.torch_networks import NETWORKS
from minmax_jax.benchmark.torch_step import FORMS, LAYOUTS, name_of, tensors, trained
from minmax_jax.data import Split, load
from minmax_jax.jobs.parallel import cores


def train(batch: int, size: Size) -> Result:
    """One training step of LeNet."""
    return trained(Twin, load("mnist").train[: size.images], batch)


def channels(factor: int, size: Size) -> Result:
    """One training step of ``Plain``."""
    split = load("mnist").train[: max(10 * BATCH, size.images // factor)]
    return trained(lambda: plain(factor), split, BATCH)


def own(number: int, size: Size) -> Result:
    """One training step of one of ``NETWORKS``."""
    return trained(NETWORKS[number], noise(number, 10 * BATCH).train, BATCH)


def project_gradient(net: Any, images: Any, labels: Any, start: Any) -> Any:
    """PGD as ours: the last point, or the original image where the attack did not improve on it."""
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
    """One step of PGD on LeNet, with its share of the attack's start and end."""
    return attacked_by_pgd(Twin, load("mnist").test[:batch], size)


def own_pgd(number: int, size: Size) -> Result:
    """One step of PGD on one of ``NETWORKS``."""
    return attacked_by_pgd(NETWORKS[number], noise(number, BATCH).train, size)


def attacked_by_pgd(make: Callable[[], Any], data: Split, size: Size) -> Result:
    """One step of PGD, with its share of the attack's start and end."""
    torch.set_num_threads(cores())
    found = []
    for layout, memory in LAYOUTS.items():
        net = make().to(memory_format=memory).requires_grad_(False).eval()
        images, labels = tensors(data, layout)

        def call(net: Any = net, images: Any = images, labels: Any = labels) -> Any:
            noise = torch.empty_like(images).uniform_(-EPS, EPS)
            return project_gradient(net, images, labels, (images + noise).clamp_(0, 1))

        found.append(Result(repeated(call, size.repeats).seconds / PGD_STEPS, choice=layout))
    return best(found)


def correct(net: Any, images: Any, labels: Any, batch: int) -> int:
    """How many images are classified correctly."""
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
            whole = repeated(partial(correct, net, *data, batch), size.repeats)
            found.append(Result(whole.seconds, choice=f"{layout}, batch {batch}"))
    return best(found)


def sweep(models: int, size: Size) -> Result:
    """One training step of one model, where as many processes as cores train one each, with one thread."""
    walls = torch_workers.walls(cores(), size)
    steps = cores() * torch_workers.steps_each(size)
    together = f"{cores()} one-thread processes"
    found = zip(walls, FORMS, strict=True)
    return best(Result(wall / steps, choice=f"{together}, {name_of(*form)}") for wall, form in found)


def device(models: int, size: Size) -> Result:
    """One training step of one model on an accelerator."""
    torch.set_float32_matmul_precision("high")  # TF32, as JAX has it by default
    where = "cuda" if torch.cuda.is_available() else "cpu"
    return torch_stack.alone(size, where) if models == 1 else torch_stack.stacked(models, size, where)


MEASURES: dict[str, Callable[[int, Size], Result]] = {
    "train": train,
    "channels": channels,
    "own": own,
    "pgd": pgd,
    "own_pgd": own_pgd,
    "robustness": pgd,
    "evaluation": evaluation,
    "sweep": sweep,
    "device": device,
}
