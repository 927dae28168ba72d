"""Our side of whole attacks: the call that a user makes, on many images."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from flax import nnx

from minmax_jax import attacks
from minmax_jax.benchmark.jax_side import as_predicted
from minmax_jax.benchmark.rows import EPS, PGD_STEPS, Size
from minmax_jax.benchmark.timing import Result, best, repeated
from minmax_jax.data import Split, load
from minmax_jax.lenet import LeNet
from minmax_jax.robustness import robustness
from minmax_jax.training import saved


def withstood(attack: Callable[..., Any], model: nnx.Module, data: Split, batch: int) -> int:
    """How many images are classified correctly after an attack, by ``mm.robustness``."""
    report = robustness(model, data, [EPS], attacks={"it": attack}, batch_size=batch, progress=False)
    return int(report.withstood.sel(attack="it").sum())


def timed(
    attack: Callable[..., Any], model: nnx.Module, data: Split, batches: Sequence[int], repeats: int
) -> Result:
    """An attack on all images, in the fastest of some batch sizes.

    Args:
        attack: called as ``attack(model, images, labels, eps, key=key)``.
        model: the attacked model.
        data: all images.
        batches: the batch sizes to try.
        repeats: timed calls in each, after a first one.

    Returns:
        The fastest, with its batch size and the number of images that withstood the attack as ``choice``.
    """
    found = []
    for batch in batches:
        left = 0

        def counted(batch: int = batch) -> None:
            nonlocal left
            left = withstood(attack, model, data, batch)

        result = repeated(counted, repeats)
        found.append(result._replace(choice=f"batch {batch}; {left} withstand"))
    return best(found)


def pgd40(images: int, size: Size) -> Result:
    """PGD on all images, its start and end included; its speed does not depend on the weights."""
    model = LeNet(rngs=nnx.Rngs(0))
    widths = (images // 4, images // 2)
    attack = partial(attacks.pgd, steps=PGD_STEPS)
    return timed(attack, model, as_predicted(model, images), widths, size.repeats)


def autoattack(images: int, size: Size) -> Result:
    """AutoAttack, the standard one, on all images."""
    data = load("mnist").test[:images]
    return timed(attacks.autoattack, saved.open(size.target), data, (images // 4,), size.repeats)


MEASURES: dict[str, Callable[[int, Size], Result]] = {"pgd40": pgd40, "autoattack": autoattack}
