"""Cause and effect: what each penalty changes, paired by seed, and what explains the change in robustness."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from minmax_jax.attacks.registry import WORST
from minmax_jax.intervals import MEMBERSHIPS, Membership
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


def correlates(table: "xr.Dataset", eps: float = 0.1) -> "xr.DataArray":
    """Spearman's correlation, over arms, of changes in worst-case accuracy with changes in other quantities.

    By ``thing``, at the radius ``eps``: fuzziness by both memberships, the norms and the largest gain of the
    convolutions, and empirical sensitivity. All are means over seeds of paired differences, for positive
    quantities of logarithms. Source: this study. Raises ValueError for a radius that was not attacked.
    """
    import xarray as xr  # heavy to import, so only where it is used

    layers = {"layer": list(CONVOLUTIONS)}
    sizes = {
        "L1 norm of convolutions": table.l1.sel(layers).sum("layer"),
        "squared L2 norm of convolutions": table.l2.sel(layers).sum("layer"),
        "largest gain of a convolution": table.gain.max("convolution"),
        "sensitivity of the margin to pixels": table.sensitivity,
    }
    things = {f"fuzziness F, {one}": changed_fuzziness(table, one) for one in MEMBERSHIPS}
    things |= {name: paired(table, np.log(values)) for name, values in sizes.items()}
    change = paired(table, robust_accuracy(table, eps)).mean("seed").values
    found = [rank_correlation(values.mean("seed").values, change) for values in things.values()]
    return xr.DataArray(found, {"thing": list(things)}, ("thing",), "rank correlation")


def _changes(table: "xr.Dataset") -> "xr.DataArray":
    import xarray as xr  # heavy to import, so only where it is used

    weights = xr.DataArray(SIZES, {"convolution": list(CONVOLUTIONS)}, ("convolution",))
    return paired(table, table.fuzziness.weighted(weights).mean("convolution"))


def variance_explained(
    outcome: Float[np.ndarray, " n"], causes: Mapping[str, Float[np.ndarray, " n"]]
) -> dict[str, float]:
    """Share of the variance of ``outcome`` that a linear model of each cause explains, and one of them all.

    R^2 of least squares with a constant: for each cause alone under its name, for "all", and for each cause
    what it adds to all others, as "<cause> added". In [0, 1]. Raises ValueError for fewer rows than unknowns.
    Identity: alone, the square of Pearson's correlation.
    """
    names = list(causes)
    if len(outcome) < len(names) + 2:
        raise ValueError(
            f"outcome must have at least {len(names) + 2} rows for {len(names)} causes, got {len(outcome)}"
        )

    def share(chosen: Sequence[str]) -> float:
        columns = np.stack([np.ones_like(outcome), *(causes[name] for name in chosen)], axis=1)
        fitted = columns @ np.linalg.lstsq(columns, outcome, rcond=None)[0]
        return float(1 - np.square(outcome - fitted).sum() / np.square(outcome - outcome.mean()).sum())

    found = {name: share([name]) for name in names} | {"all": share(names)}
    return found | {f"{one} added": found["all"] - share([n for n in names if n != one]) for one in names}


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation of two variables over the same rows, in [-1, 1]."""
    from scipy.stats import spearmanr  # heavy to import, so only where it is used

    return float(spearmanr(first.ravel(), second.ravel()).statistic)
