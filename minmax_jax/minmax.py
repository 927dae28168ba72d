"""Statistics of the Min-Max property over a recorded history: do weights leave the centres?"""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from minmax_jax.intervals import MEMBERSHIPS, READINGS, Interval, Membership, Reading, interval, memberships

if TYPE_CHECKING:
    import xarray as xr


def membership_course(
    history: "xr.Dataset", layer: str, reading: Reading = "layer", membership: Membership = "signed"
) -> Float[np.ndarray, "snapshot weights"]:
    """Membership mu of each weight of a layer at each snapshot of a history.

    The intervals of "layer" and "filter" are those of the same snapshot, the interval of "trajectory" is
    that of the whole run, as in the history's ``fuzziness``. Raises ValueError for an unknown layer.
    """
    if layer not in history.layer:
        raise ValueError(f"layer is {layer!r}; it takes one of {list(history.layer.values)}")
    kernels = jnp.asarray(history[f"kernel_{layer}"].values)
    extremes = Interval(*(jnp.asarray(history[f"{end}_{layer}"].values) for end in ("low", "high")))

    def of_one(kernel: jax.Array) -> jax.Array:
        span = interval(kernel, reading, membership, extremes=extremes)
        return memberships(kernel, span, membership).ravel()

    return np.asarray(jax.vmap(of_one)(kernels))


def moved_away(mu: Float[np.ndarray, "snapshot weights"]) -> Float[np.ndarray, " snapshot"]:
    """Share of weights farther from the centre than at the first snapshot, ``abs(mu - 1/2)`` compared.

    In [0, 1]; a weight at an equal distance counts half, so weights that move by chance alone, and those
    that do not move at all, give 1/2. Source: this study, after "move far away from the centers of their
    intervals" (Shen et al. 2020). Identity: 1/2 at the first snapshot.
    """
    distance = np.abs(mu - 0.5)
    return (np.sign(distance - distance[:1]) / 2 + 0.5).mean(axis=1)


def summary(history: "xr.Dataset", measure: str = "entropy") -> "xr.Dataset":
    """Fuzziness at the start and the end of a run, and the share of weights that moved away.

    A Dataset over (layer, reading, membership) with ``start``, ``end``, ``change`` = end - start (negative
    where the Min-Max property holds) and ``moved_away`` (see there). ``summary(...).to_dataframe()`` is a
    table.
    """
    import xarray as xr  # heavy to import, so only where it is used

    course = history.fuzziness.sel(measure=measure, drop=True)
    start, end = (course.isel(snapshot=i, drop=True) for i in (0, -1))
    shares = [
        [[moved_away(membership_course(history, layer, r, m))[-1] for m in MEMBERSHIPS] for r in READINGS]
        for layer in history.layer.values
    ]
    moved = xr.DataArray(np.array(shares), start.coords, ("layer", "reading", "membership"))
    return xr.Dataset({"start": start, "end": end, "change": end - start, "moved_away": moved})
