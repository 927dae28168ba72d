"""Gradient masking: signs that attacks fail because they are led astray, not because a model is robust."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from minmax_jax.attacks.ball import Norm
from minmax_jax.attacks.registry import NAMED
from minmax_jax.checks import SEEDS, check_count, one_of
from minmax_jax.data import Dataset, Split
from minmax_jax.evaluation import Model
from minmax_jax.jobs.progress import TIME_LEFT, progress_bar
from minmax_jax.robustness import masking_checks as signs
from minmax_jax.robustness.masking_report import Masking
from minmax_jax.robustness.target import radii, take
from minmax_jax.robustness.trial import Trial

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

    ``model`` and ``data`` are as for ``mm.robustness``; ``eps`` is the radius at which robustness is claimed,
    by ``norm`` "linf" or "l2"; ``others`` are models for the same images, such as other seeds of this one.
    The checks, each a share of the images that are classified as labelled:

    - ``zero_gradient``: the cross-entropy has a gradient of zero in every pixel, or of no numbers
    - ``black_box``: they withstand PGD and APGD, which follow the gradient, but not Square, which sees only
      answers
    - ``random_direction``: they withstand PGD but not random noise of size eps
    - ``one_step``: they withstand PGD, which takes many steps, but not FGSM, which takes one
    - ``logit_scale``: they withstand PGD but not the same with the logits times 0.01, 0.1, 10 or 100, or on
      the difference of logits ratio, which has no scale (for two classes the margin); the largest share
    - ``large_eps``: they withstand PGD at a radius at which it must break them, as a grey image (half the
      width of the box away) or any image (all its width) is in reach and classified otherwise; the larger
      share
    - ``transfer``: they withstand PGD but not the images that PGD makes on one of the ``others``; the largest
      share

    A check alarms above 1 %, or above one image where that is more. That all pass is no proof.
    Raises ValueError and TypeError as ``mm.robustness`` does, for eps = 0, and where no image is classified
    as labelled.
    Sources: Athalye et al. 2018, section 3.1; Carlini et al. 2019; the checks of Croce and Hein's AutoAttack.
    """
    one_of("norm", norm, get_args(MaskingNorm))
    check_count("seed", seed, **SEEDS)
    if not isinstance(others, list | tuple):
        raise TypeError(f"others is a {type(others).__name__}; it takes a list of models for the same images")
    radius = _one_radius(eps, norm)
    victim = take(model, data, norm, batch_size)
    rivals = [take(other, data, norm, batch_size) for other in others]
    rows = np.flatnonzero(victim.correct)
    if not len(rows):
        raise ValueError("model classifies no image as labelled; checks need one that gets some right")
    planned = [*signs.WHITE, signs.BLACK, "noise", "fgsm", *["pgd"] * (len(signs.SCALES) + 3 + len(rivals))]
    passes = len(rows) * sum(NAMED[name].passes for name in planned)
    with progress_bar(passes, progress, layout=TIME_LEFT) as work:
        trial = Trial(victim, rows, radius, seed, work)
        standing = ~trial.breaks("pgd", trial.all)
        checks = (
            signs.zero_gradient(trial),
            signs.black_box(trial, standing),
            signs.random_direction(trial, standing),
            signs.one_step(trial, standing),
            signs.logit_scale(trial, standing),
            signs.large_eps(trial),
            signs.transfer(trial, standing, rivals),
        )
    notes = {
        "dataset": data.name if isinstance(data, Dataset) else "unnamed",
        "model": type(model).__name__,
        "norm": norm,
        "eps": radius,
        "images": len(victim.labels),
        "correct": len(rows),
        "clean_accuracy": float(victim.correct.mean()),
        "pgd_accuracy": float(standing.sum() / len(victim.labels)),
        "others": len(rivals),
        "batch_size": batch_size,
        "seed": seed,
    }
    return Masking(checks, notes)


def _one_radius(eps: float, norm: Norm) -> float:
    found = radii(eps, norm)
    if len(found) != 1 or not found[0]:
        raise ValueError(f"eps is {eps}; checks for masking take one radius above 0")
    return found[0]
