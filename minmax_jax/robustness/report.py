"""Robustness: which images withstand which attack at which radius, and hence the accuracy under attack."""

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
from minmax_jax.robustness.bootstrap import LEVEL, RESAMPLES, bootstrap_interval
from minmax_jax.robustness.target import Target, prepare, radii

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

    Args:
        model: any jittable callable from images to logits; a Flax module is attacked in evaluation mode.
            Another callable is compiled as it is at its first call, so it must depend on the images alone.
        data: a split, or a data set of which the test images are used. All of its images count.
        eps: radii of the balls, in pixel units of [0, 1]; by "linf" at most 1.
        attacks: names from ``mm.attacks.NAMED``, or your own names mapped to functions
            ``attack(model, images, labels, eps, key=key)``, such as ``partial(mm.attacks.pgd, steps=100)``.
        norm: by which eps is measured, "linf", "l2" or "l1".
        batch_size: images that are attacked together. Memory grows with it, but not with the number of
            images, apart from the results. Random attacks draw anew for each batch, so their results depend
            a little on it.
        seed: of the attacks' random numbers and of the bootstrap.
        resamples: of the bootstrap, at least 1.
        progress: whether to draw a bar.

    Returns:
        By attack, "worst" the last, and by eps in rising order:

        - ``withstood`` (attack, eps, image): whether an image is classified as its label, both unchanged and
          after the attack. An image broken at one radius counts as broken at every larger one, without
          another attack: the point found lies in the larger ball too. "worst" is withstood where all attacks
          are.
        - ``accuracy`` (attack, eps): the share of images withstood, in [0, 1]. Quote that of "worst".
        - ``interval`` (end, attack, eps): its 95 % percentile bootstrap interval over images, ``low`` and
          ``high``: how much other images would change the accuracy, not other attacks.
        - ``minimal_eps`` (attack, image): radius of the smallest ball known to hold a misclassified image. 0
          if the unchanged image is misclassified; for attacks that search for the smallest change, the size
          of the one found; for others the smallest of the radii that broke it; inf if none did. It is an
          upper bound of the distance to the decision boundary, and for "worst" the smallest of all attacks.
        - ``label`` and ``answer`` (image): the class of each image, and the model's prediction for it
          unchanged.

        ``attrs`` hold the clean accuracy, data set, model, norm, seed and settings of the attacks.

    Raises:
        ValueError: for an unknown attack or one without this norm, radii out of range, labels that name no
            class, a model whose logits are not finite or not deterministic, and for an attack whose images
            leave the ball or [0, 1].
        TypeError: for a model or data of another kind.

    Each attack is compiled once.
    Identities: at eps = 0 every accuracy is the clean one; no accuracy rises with eps;
    ``withstood`` of "worst" at eps is ``minimal_eps > eps``.
    """
    one_of("norm", norm, NORMS)
    resamples = check_count("resamples", resamples)
    seed, batch_size = check_count("seed", seed, **SEEDS), check_count("batch_size", batch_size)
    chosen, eps_values = select(attacks, norm), radii(eps, norm)
    target = prepare(model, data, norm, batch_size)
    n, rising = len(target.labels), [radius for radius in eps_values if radius > 0]
    minimal = np.empty((len(chosen) + 1, n), np.float64)
    total = sum(one.passes * (1 if one.minimal else len(rising)) for one in chosen.values())
    with progress_bar(total * int(target.correct.sum()), progress, layout=TIME_LEFT) as bar:
        for i, (name, attack) in enumerate(chosen.items()):
            if attack.minimal:
                minimal[i] = smallest_change(target, name, attack, seed, bar)
            else:
                minimal[i] = eps_ladder(target, name, attack, rising, seed, bar)
    minimal[-1] = minimal[:-1].min(0)
    notes = {
        "dataset": data.name if isinstance(data, Dataset) else "unnamed",
        "model": type(model).__name__,
        "norm": norm,
        "images": n,
        "clean_accuracy": float(target.correct.mean()),
        "attacks": "; ".join(f"{name}: {attack.settings}" for name, attack in chosen.items()),
        "batch_size": batch_size,
        "seed": seed,
        "resamples": resamples,
        "level": LEVEL,
    }
    return _labelled(target, [*chosen, WORST], eps_values, minimal, notes)


def eps_ladder(
    target: Target, name: str, attack: NamedAttack, rising: Sequence[float], seed: int, bar: Bar
) -> Float[np.ndarray, " n"]:
    """The smallest of the ``rising`` radii that broke each image.

    At each radius only those images are attacked that withstood the smaller ones.
    """
    minimal = np.where(target.correct, np.inf, 0)
    for eps in rising:
        rows = np.flatnonzero(minimal > eps)
        bar.begin(f"{name} at eps {eps:g}", attack.passes)
        bar.spared(int(target.correct.sum()) - len(rows))
        found = target.attacked(name, attack, eps, rows, seed, done=bar.did)
        minimal[rows[found.broken]] = eps
    return minimal


def smallest_change(
    target: Target, name: str, attack: NamedAttack, seed: int, bar: Bar
) -> Float[np.ndarray, " n"]:
    """The size of the smallest change found for each image, by an attack that searches for it."""
    minimal = np.where(target.correct, np.inf, 0)
    rows = np.flatnonzero(target.correct)
    bar.begin(name, attack.passes)
    found = target.attacked(name, attack, None, rows, seed, done=bar.did)
    minimal[rows] = np.where(found.broken, found.sizes, np.inf)
    return minimal


def _labelled(
    target: Target, names: list[str], eps_values: list[float], minimal: np.ndarray, notes: dict[str, Any]
) -> "xr.Dataset":
    """The report, from the smallest radius known to break each image."""
    import xarray as xr  # heavy to import, so only where it is used

    withstood = minimal[:, None, :] > np.array(eps_values)[:, None]
    ends = bootstrap_interval(withstood, notes["resamples"], notes["seed"])
    tables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "accuracy": (("attack", "eps"), withstood.mean(-1)),
        "interval": (("end", "attack", "eps"), ends),
        "withstood": (("attack", "eps", "image"), withstood),
        "minimal_eps": (("attack", "image"), minimal),
        "label": (("image",), target.labels),
        "answer": (("image",), target.predictions),
    }
    variables = {name: (*table, {"long_name": NOTES[name]}) for name, table in tables.items()}
    coordinates = {
        "attack": names,
        "eps": eps_values,
        "end": ["low", "high"],
        "image": np.arange(len(target.labels)),
    }
    return xr.Dataset(variables, coordinates, notes)
