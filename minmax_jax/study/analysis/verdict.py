"""Verdicts on the Min-Max property: where does fuzziness fall, and by more than by chance?"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from minmax_jax.checks import one_of
from minmax_jax.minmax import sign_test
from minmax_jax.objective import TRAINABLE_READINGS

if TYPE_CHECKING:
    import xarray as xr

LEVEL = 0.95  # of intervals
NULLS = ("walk", "displaced")  # what training is compared with; results from before have the walk alone


class Effect(NamedTuple):
    """A mean over seeds, its 95 % interval, and its size in standard deviations of the seeds."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    size: np.ndarray


def effect(values: Float[np.ndarray, "*cells seed"]) -> Effect:
    """The effect that ``values`` show: one value for each seed along the last axis, such as a difference.

    The interval is Student's, ``mean -+ t std / sqrt(n)``, with t the 97.5 % point for n - 1 degrees of
    freedom: for few seeds, too, it holds the mean in 95 % of cases if seeds are normally distributed.
    ``size`` is Cohen's d, ``mean / std`` with n - 1, infinite where all seeds agree on a value other than 0.
    Where a value is NaN, all of them are. Raises ValueError for fewer than two seeds.
    """
    from scipy.stats import t  # heavy to import, so only where it is used

    values = np.asarray(values, np.float64)
    if values.shape[-1] < 2:
        raise ValueError(f"values must be of at least two seeds, got {values.shape[-1]}")
    mean, spread = values.mean(-1), values.std(-1, ddof=1)
    spread = np.where(np.ptp(values, -1) == 0, 0.0, spread)  # without the rounding of the mean
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(mean == 0, 0.0, mean / spread)
    seeds = values.shape[-1]
    half = t.ppf((1 + LEVEL) / 2, seeds - 1) * spread / seeds**0.5
    return Effect(mean, mean - half, mean + half, size)


def effects_of(differences: "xr.DataArray") -> "xr.Dataset":
    """The effects that differences along ``seed`` show: mean, low, high and size along the other axes."""
    import xarray as xr  # heavy to import, so only where it is used

    differences = differences.transpose(..., "seed")
    found = effect(differences.values)
    dims = differences.dims[:-1]
    variables = {name: (dims, getattr(found, name)) for name in Effect._fields}
    return xr.Dataset(variables, {name: differences[name].values for name in dims})


def effect_of(cell: "xr.Dataset") -> Effect:
    """One effect out of a table that has its parts as variables."""
    return Effect(*(cell[part].values for part in Effect._fields))


def minmax_effects(table: "xr.Dataset", measure: str = "entropy") -> "xr.Dataset":
    """How fuzziness changes in training, by condition, layer, reading and membership.

    ``change`` is F at the end less F at the start, and ``excess`` that less the same of the null that fell
    more in the same seed: a random walk with the steps of training, or its displacements in random directions
    (``attrs["nulls"]`` names those that the table has). Each has the ends ``low`` and ``high`` of its 95 %
    interval over seeds and its ``size`` (see ``effect``). ``fell`` is the number of seeds in which F fell,
    ``p`` its sign test, ``moved_away`` the mean share of weights that did, and ``accuracy`` the mean test
    accuracy at the end; what a network shows that has not learned says nothing about learning.
    ``holds``: F fell, and by more than in the nulls (both intervals lie below 0). The reading
    "trajectory" is left out: it uses the future, and where weights drift or not, arithmetic decides.
    """
    import xarray as xr  # heavy to import, so only where it is used

    one_of("measure", measure, tuple(table.measure.values.tolist()))
    table = _judged(table)
    axes = ("condition", "layer", "reading", "membership", "seed")

    def change(name: str) -> np.ndarray:
        course = table[name].sel(measure=measure)
        return (course.isel(snapshot=-1) - course.isel(snapshot=0)).transpose(*axes).values

    nulls = [null for null in NULLS if f"{null}_fuzziness" in table]
    trained, lowest = change("fuzziness"), np.minimum.reduce([change(f"{null}_fuzziness") for null in nulls])
    found = {"change": effect(trained), "excess": effect(trained - lowest)}
    fell, rose = (trained < 0).sum(-1), (trained > 0).sum(-1)
    p = np.vectorize(sign_test, otypes=[float])(fell, rose)
    moved = table.moved_away.isel(snapshot=-1).transpose(*axes).values.mean(-1)
    variables: dict[str, Any] = {
        f"{name}{'' if part == 'mean' else '_' + part}": (axes[:-1], getattr(one, part))
        for name, one in found.items()
        for part in Effect._fields
    }
    holds = (found["change"].high < 0) & (found["excess"].high < 0)
    variables |= {
        "fell": (axes[:-1], fell),
        "p": (axes[:-1], p),
        "moved_away": (axes[:-1], moved),
        "accuracy": (("condition",), table.test_accuracy.isel(epoch=-1).mean("seed", skipna=False).values),
        "holds": (axes[:-1], holds),
    }
    labels = {name: table[name] for name in axes[:-1]}
    notes = {"measure": measure, "seeds": table.sizes["seed"], "nulls": nulls}
    return xr.Dataset(variables, labels, notes)


def _judged(table: "xr.Dataset") -> "xr.Dataset":
    """The table by the readings that a verdict may rest on."""
    return table.sel(reading=[one for one in table.reading.values if one in TRAINABLE_READINGS])


def learned(table: "xr.Dataset", effects: "xr.Dataset") -> Bool[np.ndarray, " condition"]:
    """In which conditions all networks learned: from true labels, to an accuracy above one half."""
    return (table.labels == "true").values & (effects.accuracy > 0.5).values
