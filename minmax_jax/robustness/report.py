"""Robustness: which images withstand which attack at which radius, and so the accuracy under attack."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from minmax_jax.attacks.ball import NORMS, Norm
from minmax_jax.attacks.registry import WORST, Attack, NamedAttack, select
from minmax_jax.checks import SEEDS, check_count, one_of
from minmax_jax.data import Dataset, Split
from minmax_jax.evaluation import Model
from minmax_jax.jobs.progress import TIME_LEFT, Bar, progress_bar
from minmax_jax.robustness.bootstrap import LEVEL, RESAMPLES, interval
from minmax_jax.robustness.target import Victim, radii, take

if TYPE_CHECKING:
    import xarray as xr

DEFAULT = ("fgsm", "pgd")
NOTES = {
    "accuracy": "accuracy under attack",
    "interval": f"{LEVEL:.0%} bootstrap interval of the accuracy",
    "withstood": "classified as its label, as it is and after every attack of this radius or less",
    "minimal_eps": "radius of the smallest ball known to hold a misclassified image; inf if none is known",
    "label": "class number",
    "answer": "class that the model gives the image as it is",
}


def robustness(
    model: Model,
    data: Split | Dataset,
    eps: Sequence[float] = (0.0, 0.05, 0.1, 0.2, 0.3),
    *,
    attacks: Sequence[str] | Mapping[str, Attack] = DEFAULT,
    norm: Norm = "linf",
    batch_size: int = 250,
    seed: int = 0,
    resamples: int = RESAMPLES,
    progress: bool = True,
) -> "xr.Dataset":
    """What a model withstands, by attack and radius: a labelled Dataset, ``report.accuracy`` first of all.

    ``model`` is any jittable callable from images to logits, a Flax module among them (in evaluation mode).
    Another callable is compiled as it is at its first call, so it has to be a function of the images alone.
    ``data`` is a split, or a data set whose test images are taken; all of them count. ``eps`` holds the radii
    by ``norm``, in pixel units of [0, 1]. ``attacks`` names some of ``mm.attacks.NAMED``, or maps names of
    your own to functions ``attack(model, images, labels, eps, key=key)``, such as
    ``partial(mm.attacks.pgd, steps=100)``.

    The Dataset holds, by attack, "worst" the last, and by eps in rising order:

    - ``withstood`` (attack, eps, image): whether an image is classified as its label, both as it is and after
      the attack. An image broken at a radius counts as broken at every larger one, without another attack:
      the point found lies in the larger ball too. "worst" is withstood where all attacks are.
    - ``accuracy`` (attack, eps): the share of images withstood, in [0, 1]. Quote that of "worst".
    - ``interval`` (end, attack, eps): its percentile bootstrap interval over images, ``low`` and ``high``, by
      ``resamples`` and ``seed``. It says how much other images would change the accuracy, not other attacks.
    - ``minimal_eps`` (attack, image): radius of the smallest ball known to hold a misclassified image. 0
      where the image is misclassified as it is; for attacks that look for the smallest change, the size of
      the one found; for others the smallest eps, of those attacked, that broke it; inf where none did. It is
      an upper bound of the distance to the decision boundary, by "worst" the smallest of all attacks.
    - ``label`` and ``answer`` (image): the class of each image, and the one that the model gives it as it is.

    and in ``attrs`` the clean accuracy, data set, model, norm, seed and settings of the attacks.

    Memory does not grow with the number of images, but for these results; each attack is compiled once.
    Random attacks draw anew for each batch, so their result depends a little on ``batch_size``.
    Raises ValueError for an unknown attack or one without this norm, radii out of range, labels that name no
    class, a model whose logits are not finite or which answers at random, and for an attack whose images
    leave the ball or [0, 1].
    Identities: at eps = 0 every accuracy is the clean one; no accuracy rises with eps;
    ``withstood`` of "worst" at eps is ``minimal_eps > eps``.
    """
    one_of("norm", norm, NORMS)
    check_count("resamples", resamples)
    check_count("seed", seed, **SEEDS)
    chosen, ladder = select(attacks, norm), radii(eps, norm)
    victim = take(model, data, norm, batch_size)
    n, rungs = len(victim.labels), [radius for radius in ladder if radius > 0]
    minimal = np.empty((len(chosen) + 1, n), np.float64)
    total = sum(one.passes * (1 if one.minimal else len(rungs)) for one in chosen.values())
    with progress_bar(total * int(victim.correct.sum()), progress, layout=TIME_LEFT) as work:
        for i, (name, attack) in enumerate(chosen.items()):
            if attack.minimal:
                minimal[i] = smallest(victim, name, attack, seed, work)
            else:
                minimal[i] = climb(victim, name, attack, rungs, seed, work)
    minimal[-1] = minimal[:-1].min(0)
    notes = {
        "dataset": data.name if isinstance(data, Dataset) else "unnamed",
        "model": type(model).__name__,
        "norm": norm,
        "images": n,
        "clean_accuracy": float(victim.correct.mean()),
        "attacks": "; ".join(f"{name}: {attack.settings}" for name, attack in chosen.items()),
        "batch_size": batch_size,
        "seed": seed,
        "resamples": resamples,
        "level": LEVEL,
    }
    return _labelled(victim, [*chosen, WORST], ladder, minimal, notes)


def climb(
    victim: Victim, name: str, attack: NamedAttack, rungs: Sequence[float], seed: int, work: Bar
) -> Float[np.ndarray, " n"]:
    """The smallest radius that broke each image; at each, those are attacked that withstood the smaller."""
    minimal = np.where(victim.correct, np.inf, 0)
    for eps in rungs:
        rows = np.flatnonzero(minimal > eps)
        work.begin(f"{name} at eps {eps:g}", attack.passes)
        work.spared(int(victim.correct.sum()) - len(rows))
        found = victim.under(name, attack, eps, rows, seed, done=work.did)
        minimal[rows[found.broken]] = eps
    return minimal


def smallest(victim: Victim, name: str, attack: NamedAttack, seed: int, work: Bar) -> Float[np.ndarray, " n"]:
    """The size of the smallest change found for each image, by an attack that looks for it."""
    minimal = np.where(victim.correct, np.inf, 0)
    rows = np.flatnonzero(victim.correct)
    work.begin(name, attack.passes)
    found = victim.under(name, attack, None, rows, seed, done=work.did)
    minimal[rows] = np.where(found.broken, found.sizes, np.inf)
    return minimal


def _labelled(
    victim: Victim, names: list[str], ladder: list[float], minimal: np.ndarray, notes: dict[str, Any]
) -> "xr.Dataset":
    """The report's table, from the smallest radius known to break each image."""
    import xarray as xr  # heavy to import, so only where it is used

    withstood = minimal[:, None, :] > np.array(ladder)[:, None]
    tables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "accuracy": (("attack", "eps"), withstood.mean(-1)),
        "interval": (("end", "attack", "eps"), interval(withstood, notes["resamples"], notes["seed"])),
        "withstood": (("attack", "eps", "image"), withstood),
        "minimal_eps": (("attack", "image"), minimal),
        "label": (("image",), victim.labels),
        "answer": (("image",), victim.answers),
    }
    variables = {name: (*table, {"long_name": NOTES[name]}) for name, table in tables.items()}
    coordinates = {
        "attack": names,
        "eps": ladder,
        "end": ["low", "high"],
        "image": np.arange(len(victim.labels)),
    }
    return xr.Dataset(variables, coordinates, notes)
