"""What is measured of a trained network: accuracy, robustness, certificates, and what its weights are."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.losses import ascent, margin
from minmax_jax.attacks.registry import NAMED, WORST
from minmax_jax.certify import verified
from minmax_jax.data import Split
from minmax_jax.evaluation import accuracy, map_batches, merge_model, split_model
from minmax_jax.fuzziness import MEASURES, fuzziness_table
from minmax_jax.intervals import MEMBERSHIPS
from minmax_jax.kernels import RANKS, kernels
from minmax_jax.lenet import LeNet
from minmax_jax.minmax import near_zero
from minmax_jax.objective import TRAINABLE_READINGS
from minmax_jax.robustness import masking, robustness
from minmax_jax.robustness.masking import CHECKS
from minmax_jax.robustness.target import prepare
from minmax_jax.study.design.condition import CONVOLUTIONS, LAYERS
from minmax_jax.study.engine.experiment import Arrays
from minmax_jax.study.experiments.factorial import Variable
from minmax_jax.theory import amplification

if TYPE_CHECKING:
    import xarray as xr

RADII = (0.05, 0.1, 0.2, 0.3)
CERTIFIED = (0.005, 0.01, 0.02, *RADII)  # networks not trained for it are certified at small radii only
ATTACKS = ("fgsm", "pgd", "autoattack")
CLAIMED = 0.1  # radius of the masking checks
BATCH = 64  # images attacked together
FEW = 16  # the same, where only those are attacked that withstood an earlier attack
VARIABLES = {
    "clean_accuracy": Variable((), "accuracy on all images of the part"),
    "accuracy": Variable(
        ("attack", "eps"), "accuracy under attack on the attacked images; 'worst' counts what withstands all"
    ),
    "verified": Variable(
        ("radius",), "share of the attacked images certified by interval bounds or CROWN-IBP"
    ),
    "masking": Variable(
        ("check",),
        "checks for gradient masking at eps 0.1: a share of the images classified as labelled, an "
        "alarm above 0.01, or above one image where that is more; transfer is from a plainly trained network",
    ),
    "margin": Variable((), "mean over images of the label's logit less the largest other"),
    "sensitivity": Variable((), "mean over images of the L1 norm of that margin's gradient in the pixels"),
    "fuzziness": Variable(
        ("convolution", "reading", "membership", "measure"), "fuzziness F of a convolution's kernel"
    ),
    "gain": Variable(
        ("convolution",), "largest L1 norm of a kernel column: the worst case of an output per unit of eps"
    ),
    "l1": Variable(("layer",), "sum of absolute weights of a layer's kernel"),
    "l2": Variable(("layer",), "sum of squared weights of a layer's kernel"),
    "largest": Variable(("layer",), "largest absolute weight of a layer's kernel"),
    "near_zero": Variable(("layer",), "share of weights within a tenth of the largest"),
}


def measure(
    model: LeNet,
    part: Split,
    attacked: Split,
    seed: int,
    attacks: Sequence[str] = ATTACKS,
    rival: LeNet | None = None,
) -> Arrays:
    """The arrays of ``VARIABLES`` for one network.

    Args:
        model: the network.
        part: images for clean accuracy, margin and sensitivity.
        attacked: fewer images, for all that is costly.
        seed: of the attacks.
        attacks: their names; "worst", after them, is the worst case of all.
        rival: another network, whose adversarial images are tried on this one; without it the checks for
            masking are NaN.
    """
    report = robustness(model, attacked, RADII, attacks=attacks, seed=seed, batch_size=BATCH, progress=False)
    certified = verified(model, attacked, CERTIFIED, progress=False).accuracy.sel(bound="combined")
    found: dict[str, Any] = {
        "clean_accuracy": accuracy(model, part),
        "accuracy": report.accuracy.values,
        "verified": certified.values,
        "masking": checks(model, attacked, seed, rival),
    }
    found["margin"], found["sensitivity"] = slopes(model, part)
    found |= weights(model)
    return {name: np.asarray(found[name], np.float32) for name in VARIABLES}


def in_turn(
    model: nnx.Module, attacked: Split, eps: Sequence[float], attacks: Sequence[str], seed: int
) -> Float[np.ndarray, "attack eps"]:
    """Accuracy under attacks, each on what withstood those before it at the same radius; "worst" is the last.

    An attack goes from the largest radius down, and leaves out at smaller ones what has withstood it: for a
    third of the work of ``robustness``, which tries all attacks at all radii. Monotone by construction; where
    an attack fails at a radius but not at a smaller one, the accuracy may be too high at both.
    """
    target = prepare(model, attacked, "linf", FEW)
    smallest, found = np.where(target.correct, np.inf, 0.0), []  # radii that are known to break an image
    for name in attacks:
        withstands = np.zeros(len(smallest), bool)
        for radius in sorted(eps, reverse=True):
            rows = np.flatnonzero((smallest > radius) & ~withstands)
            broken = target.attacked(name, NAMED[name], radius, rows, seed).broken
            smallest[rows[broken]] = radius
            withstands[rows[~broken]] = True
        found.append([(smallest > radius).mean() for radius in eps])
    return np.array([*found, found[-1]], np.float32)


def strongly(
    model: nnx.Module,
    part: Split,
    attacked: Split,
    eps: Sequence[float],
    attacks: Sequence[str],
    seed: int,
    rival: LeNet | None,
) -> Arrays:
    """Accuracy on all images of a part, and on some under strong attacks in turn, with the masking checks."""
    return {
        "clean_accuracy": np.array(accuracy(model, part), np.float32),
        "accuracy": in_turn(model, attacked, eps, attacks, seed),
        "masking": checks(model, attacked, seed, rival),
    }


def checks(
    model: nnx.Module, attacked: Split, seed: int, rival: LeNet | None
) -> Float[np.ndarray, " checks"]:
    """Numbers of the masking checks; NaN without a rival, and where no image is classified as labelled."""
    if rival is None or accuracy(model, attacked) == 0:
        return np.full(len(CHECKS), np.nan, np.float32)
    found = masking(model, attacked, CLAIMED, others=[rival], seed=seed, batch_size=BATCH, progress=False)
    return np.array([found[name].number for name in CHECKS], np.float32)


def slopes(model: LeNet, part: Split) -> tuple[float, float]:
    """Mean margin in logits, and mean L1 norm of its gradient in the pixels.

    For a linear network and one image, their ratio is the L-inf radius at which it is broken.
    """
    definition, state = split_model(model)
    found = _slopes(definition, state, jnp.asarray(part.images), jnp.asarray(part.labels))
    first, second = (float(np.mean(one)) for one in found)
    return first, second


def weights(model: LeNet) -> Arrays:
    """Fuzziness, norms and gains of a network's kernels."""
    convolutions, every = kernels(model, CONVOLUTIONS).values(), kernels(model, LAYERS, RANKS).values()
    return {
        "fuzziness": np.stack([fuzziness_table(one, TRAINABLE_READINGS) for one in convolutions]),
        "gain": np.array([amplification(one).max() for one in convolutions]),
        "l1": np.array([jnp.abs(one).sum() for one in every]),
        "l2": np.array([jnp.square(one).sum() for one in every]),
        "largest": np.array([jnp.abs(one).max() for one in every]),
        "near_zero": np.array([near_zero(np.asarray(one)[None])[0] for one in every]),
    }


def alarms(table: "xr.Dataset") -> "xr.DataArray":
    """Whether a check for masking raises an alarm: above 1 % of the images that were right, and above one.

    How many of the attacked images those were is estimated by the accuracy on all images and the number of
    ``images`` in the table's ``attrs``.
    """
    images = table.masking * table.clean_accuracy * table.attrs["images"]
    return (table.masking > 0.01) & (images > 1.5)


def labels(attacks: Sequence[str] = ATTACKS) -> dict[str, Any]:
    """Labels of the axes of ``VARIABLES``."""
    return {
        "attack": [*attacks, WORST],
        "eps": ("eps", np.array(RADII), {"long_name": "radius of the attack, L-inf", "units": "pixel range"}),
        "radius": ("radius", np.array(CERTIFIED), {"long_name": "certified radius", "units": "pixel range"}),
        "check": list(CHECKS),
        "convolution": list(CONVOLUTIONS),
        "layer": list(LAYERS),
        "reading": list(TRAINABLE_READINGS),
        "membership": list(MEMBERSHIPS),
        "measure": list(MEASURES),
    }


@partial(jax.jit, static_argnames="definition")
def _slopes(
    definition: Any, state: Any, images: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    model = merge_model(definition, state)

    def one(x: Array, y: Array) -> tuple[Array, Array]:
        gradient = ascent(model, x, lambda logits: margin(logits, y))
        return -margin(model(x), y), jnp.abs(gradient).sum((1, 2, 3))

    return map_batches(one, 250, images, labels)
