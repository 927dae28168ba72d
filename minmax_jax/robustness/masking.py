"""Gradient masking: do attacks fail because they are misled, and not because the model is robust?"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from minmax_jax.attacks.ball import Norm
from minmax_jax.attacks.registry import NAMED
from minmax_jax.checks import SEEDS, check_count, one_of
from minmax_jax.data import Dataset, Split
from minmax_jax.evaluation import Model
from minmax_jax.jobs.progress import TIME_LEFT, progress_bar
from minmax_jax.robustness import masking_checks as checks
from minmax_jax.robustness.masking_report import Masking
from minmax_jax.robustness.target import prepare, radii

MaskingNorm = Literal["linf", "l2"]
# The checks by name, in the order in which they are made.
CHECKS = (
    *("zero_gradient", "black_box", "random_direction", "one_step", "logit_scale", "large_eps"),
    "transfer",
)


def masking(
    model: Model,
    data: Split | Dataset,
    eps: float = 0.1,
    *,
    norm: MaskingNorm = "linf",
    others: Sequence[Model] = (),
    batch_size: int = 250,
    seed: int = 0,
    progress: bool = True,
) -> Masking:
    """Checks for gradient masking, with verdicts in plain words: can accuracy under attack be trusted?

    The checks, each a share of the images that are classified as labelled:

    - ``zero_gradient``: the cross-entropy's gradient is zero, or not finite, in every pixel
    - ``black_box``: they withstand PGD and APGD, which follow the gradient, but not Square, which sees only
      the model's outputs
    - ``random_direction``: they withstand PGD but not random noise of size eps
    - ``one_step``: they withstand PGD, which takes many steps, but not FGSM, which takes one
    - ``logit_scale``: they withstand PGD but not the same with the logits times 0.01, 0.1, 10 or 100, or on
      the difference of logits ratio, which has no scale (for two classes the margin); the largest share
    - ``large_eps``: they withstand PGD at a radius at which it must break them, since a grey image (half the
      width of the box away) or any image (the full width away) is in reach and classified otherwise; the
      larger share
    - ``transfer``: they withstand PGD but not the images that PGD makes on one of the ``others``; the largest
      share

    A check alarms above 1 %, or above one image if that is more. It is no proof if all pass.

    Args:
        model: any jittable callable from images to logits, as for ``mm.robustness``.
        data: a split, or a data set of which the test images are used.
        eps: the radius at which robustness is claimed, above 0, in pixel units of [0, 1].
        norm: by which eps is measured, "linf" or "l2".
        others: further models for the same images, such as other seeds of this one; without any, ``transfer``
            is not done.
        batch_size: images that are attacked together.
        seed: of the attacks' random numbers.
        progress: whether to draw a bar.

    Returns:
        The checks; a notebook shows them as a table, and ``to_dataset()`` gives them as labelled arrays.

    Raises:
        ValueError, TypeError: as ``mm.robustness`` does, for eps = 0, and if no image is classified as
            labelled.

    Sources: Athalye et al. 2018, section 3.1; Carlini et al. 2019; the checks of Croce and Hein's AutoAttack.
    """
    one_of("norm", norm, get_args(MaskingNorm))
    seed, batch_size = check_count("seed", seed, **SEEDS), check_count("batch_size", batch_size)
    if not isinstance(others, list | tuple):
        raise TypeError(f"others must be a list of models for the same images, got a {type(others).__name__}")
    radius = _one_radius(eps, norm)
    target = prepare(model, data, norm, batch_size)
    rivals = [prepare(other, data, norm, batch_size) for other in others]
    rows = np.flatnonzero(target.correct)
    if not len(rows):
        raise ValueError("model must classify at least one image as labelled, got none")
    again = len(checks.SCALES) + 3 + len(rivals)  # for no scale, and two large radii, too
    planned = [*checks.WHITE, checks.BLACK, "noise", "fgsm", *["pgd"] * again]
    passes = len(rows) * sum(NAMED[name].passes for name in planned)
    with progress_bar(passes, progress, layout=TIME_LEFT) as bar:
        attacker = checks.Attacker(target, rows, radius, seed, bar)
        standing = ~attacker.breaks("pgd", attacker.all)
        found = (
            checks.zero_gradient(attacker),
            checks.black_box(attacker, standing),
            checks.random_direction(attacker, standing),
            checks.one_step(attacker, standing),
            checks.logit_scale(attacker, standing),
            checks.large_eps(attacker),
            checks.transfer(attacker, standing, rivals),
        )
    notes = {
        "dataset": data.name if isinstance(data, Dataset) else "unnamed",
        "model": type(model).__name__,
        "norm": norm,
        "eps": radius,
        "images": len(target.labels),
        "correct": len(rows),
        "clean_accuracy": float(target.correct.mean()),
        "pgd_accuracy": float(standing.sum() / len(target.labels)),
        "others": len(rivals),
        "batch_size": batch_size,
        "seed": seed,
    }
    return Masking(found, notes)


def _one_radius(eps: float, norm: Norm) -> float:
    found = radii(eps, norm)
    if len(found) != 1 or not found[0]:
        raise ValueError(f"eps must be one radius above 0, got {eps}")
    return found[0]
