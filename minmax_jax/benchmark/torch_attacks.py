"""PyTorch's side of whole attacks: torchattacks and, where it is installed, foolbox."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from itertools import product
from typing import Any

import torch
from flax import nnx

from minmax_jax.benchmark.jax_side import as_predicted
from minmax_jax.benchmark.rows import EPS, PGD_STEPS, Size
from minmax_jax.benchmark.timing import Result, best, clock, repeated
from minmax_jax.benchmark.torch_models import twin_of
from minmax_jax.benchmark.torch_side import correct
from minmax_jax.benchmark.torch_step import LAYOUTS, tensors
from minmax_jax.data import Split, load
from minmax_jax.jobs.parallel import cores
from minmax_jax.lenet import LeNet
from minmax_jax.training import saved

Attack = Callable[[Any, Any], Any]
STEP = 2.5 * EPS / PGD_STEPS  # as ours


def torchattacks_pgd(net: Any) -> Attack:
    """PGD of torchattacks, with a random start."""
    import torchattacks

    return torchattacks.PGD(net, eps=EPS, alpha=STEP, steps=PGD_STEPS)


def foolbox_pgd(net: Any) -> Attack:
    """PGD of foolbox, with a random start."""
    import foolbox

    wrapped = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=PGD_STEPS)
    return lambda images, labels: attack(wrapped, images, labels, epsilons=EPS)[1]


def torchattacks_autoattack(net: Any, norm: str = "linf", eps: float = EPS) -> Attack:
    """AutoAttack of torchattacks' parts, as published: its own version takes 10 steps instead of 100."""
    import torchattacks as attacks

    options = {"norm": {"linf": "Linf", "l2": "L2"}[norm], "eps": eps}
    return attacks.MultiAttack(
        [
            attacks.APGD(net, steps=100, loss="ce", **options),
            attacks.APGDT(net, steps=100, n_classes=10, **options),
            attacks.FAB(net, steps=100, multi_targeted=True, n_classes=10, **options),
            attacks.Square(net, n_queries=5000, resc_schedule=False, **options),
        ]
    )


PGDS = {"torchattacks": torchattacks_pgd, "foolbox": foolbox_pgd}


def withstood(net: Any, attack: Attack, images: Any, labels: Any, batch: int) -> int:
    """How many images are classified correctly after an attack on each batch."""
    pairs = zip(images.split(batch), labels.split(batch), strict=True)
    return sum(correct(net, attack(x, y), y, batch) for x, y in pairs)


def timed(
    make: Callable[[Any], Attack], net: Any, layout: str, data: Split, batch: int, repeats: int
) -> Result:
    """An attack on all images.

    Args:
        make: makes the attack of a network.
        net: the attacked network.
        layout: a key of ``LAYOUTS``.
        data: all images.
        batch: images in each call of the attack.
        repeats: timed calls after a first one; 0 times the first call alone. (PyTorch compiles nothing, so
            a process that is warm needs no first call.)

    Returns:
        Its time, with the form and the number of images that withstood the attack as ``choice``.
    """
    net = net.to(memory_format=LAYOUTS[layout]).eval().requires_grad_(False)
    attack, (images, labels) = make(net), tensors(data, layout)
    left = 0

    def call() -> None:
        nonlocal left
        left = withstood(net, attack, images, labels, batch)

    seconds = repeated(call, repeats).seconds if repeats else clock(call)
    return Result(seconds, choice=f"{layout}, batch {batch}; {left} withstand")


def forms(images: int) -> Iterator[tuple[str, int]]:
    """Layouts and batch sizes of an attack on so many images."""
    return product(LAYOUTS, (images // 4, images))


def pgd40(images: int, size: Size) -> Result:
    """PGD on all images, in the fastest form of the fastest package."""
    torch.set_num_threads(cores())
    model, found = LeNet(rngs=nnx.Rngs(0)), []
    data = as_predicted(model, images)
    for (package, make), (layout, batch) in product(PGDS.items(), forms(images)):
        if find_spec(package) is not None:
            result = timed(make, twin_of(model), layout, data, batch, size.repeats)
            found.append(result._replace(choice=f"{package}, {result.choice}"))
    return best(found)


def autoattack(images: int, size: Size) -> Result:
    """One AutoAttack on all images, in the form in which torchattacks' PGD is the fastest."""
    torch.set_num_threads(cores())
    model: nnx.Module = saved.open(size.target)
    data = load("mnist").test[:images]
    probe = partial(timed, torchattacks_pgd, twin_of(model), data=data, repeats=1)
    layout, batch = min(forms(images), key=lambda form: probe(layout=form[0], batch=form[1]).seconds)
    result = timed(torchattacks_autoattack, twin_of(model), layout, data, batch, 0)
    return result._replace(choice=f"torchattacks, {result.choice}")


MEASURES: dict[str, Callable[[int, Size], Result]] = {"pgd40": pgd40, "autoattack": autoattack}
