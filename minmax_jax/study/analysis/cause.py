"""Cause and effect: what each penalty changes, paired by seed, and what explains the change in robustness."""

from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.attacks.registry import WORST
from minmax_jax.intervals import Membership
from minmax_jax.study.analysis.verdict import effects_of
from minmax_jax.study.design.arm import Arm, arms_of
from minmax_jax.study.design.condition import CONVOLUTIONS

if TYPE_CHECKING:
    import xarray as xr

SIZES = [5 * 5 * 1 * 6, 5 * 5 * 6 * 16]  # numbers of weights of its convolutions


def paired(table: "xr.Dataset", values: "xr.DataArray") -> "xr.DataArray":
    """``values`` of each arm less those of its base, seed by seed; the bases are left out.

    ``values`` lie along ``arm`` and ``seed``, and along whatever else. A network and its base had the same
    initial weights and the same batches. Arms of which a network diverged are left out as well.
    """
    finished = table.finished.all("seed")
    arms = [arm for arm in arms_of(table) if arm != arm.base and finished.sel(arm=arm.name)]
    own = values.sel(arm=[arm.name for arm in arms])
    base = values.sel(arm=[arm.base.name for arm in arms]).assign_coords(arm=own.arm)
    return own - base


def paired_effect(table: "xr.Dataset", values: "xr.DataArray") -> "xr.Dataset":
    """The effect of each arm on ``values``: mean, low, high and size of ``paired`` over seeds."""
    return effects_of(paired(table, values))


def adversarial_training_effect(table: "xr.Dataset", values: "xr.DataArray") -> "xr.Dataset":
    """The effect of adversarial training alone on ``values``, along ``arm`` and ``seed``, paired by seed.

    Of the arms without a penalty, those trained under attack less the one that was not: mean, low, high and
    size, by arm. Raises ValueError for a table that does not have both.
    """
    plain, arms = Arm().name, [arm.name for arm in defended_arms(table)]
    if not arms:
        raise ValueError(
            f"table must have the arm {plain!r}, and one such as 'none eps 0.1', "
            f"got {table.arm.values.tolist()}"
        )
    return effects_of(values.sel(arm=arms) - values.sel(arm=plain, drop=True))


def defended_arms(table: "xr.Dataset") -> list[Arm]:
    """Arms trained under attack without a penalty, if the table has the plain one to compare them with.

    Arms of which a network diverged are left out.
    """
    finished = table.finished.all("seed")
    arms = [arm for arm in arms_of(table) if finished.sel(arm=arm.name)]
    return [arm for arm in arms if arm.eps and arm == Arm(eps=arm.eps)] if Arm() in arms else []


def robust_accuracy(table: "xr.Dataset", eps: float = 0.1, attack: str = WORST) -> "xr.DataArray":
    """Accuracy under an attack at the radius ``eps``, by arm and seed.

    Raises ValueError for a radius that was not attacked.
    """
    if not np.isclose(table.eps, eps).any():
        raise ValueError(f"eps must be one of {table.eps.values.tolist()}, got {eps:g}")
    return table.accuracy.sel(attack=attack).sel(eps=eps, method="nearest")


def changed_fuzziness(table: "xr.Dataset", membership: Membership) -> "xr.DataArray":
    """Change of F against the base by layer and entropy, by one membership for all arms.

    The mean over both convolutions of a LeNet-5, each weight counting the same.
    """
    return _changes(table).sel(reading="layer", membership=membership, measure="entropy", drop=True)


def own_fuzziness(table: "xr.Dataset") -> "xr.DataArray":
    """Change of F against the base, by each arm's own reading, membership and measure.

    By "layer, signed, entropy" for arms that do not push fuzziness. Identity: ``changed_fuzziness``, for arms
    that push by layer and entropy.
    """
    import xarray as xr  # heavy to import, so only where it is used

    change = _changes(table)
    arms = {arm.name: arm for arm in arms_of(table)}
    pushed = [arms[str(name)] for name in change.arm.values]
    own = {
        axis: xr.DataArray(np.array([getattr(arm, axis) for arm in pushed], str), dims="arm")
        for axis in ("reading", "membership", "measure")
    }
    return change.sel(own).drop_vars(list(own))


def _changes(table: "xr.Dataset") -> "xr.DataArray":
    import xarray as xr  # heavy to import, so only where it is used

    weights = xr.DataArray(SIZES, {"convolution": list(CONVOLUTIONS)}, ("convolution",))
    return paired(table, table.fuzziness.weighted(weights).mean("convolution"))


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation of two variables over the same rows, in [-1, 1]."""
    from scipy.stats import spearmanr  # heavy to import, so only where it is used

    return float(spearmanr(first.ravel(), second.ravel()).statistic)
