"""Statistics of the Min-Max property over a recorded history: do weights leave the centres?"""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from minmax_jax.checks import one_of
from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import MEMBERSHIPS, READINGS, Interval, Membership, Reading, interval, memberships

if TYPE_CHECKING:
    import xarray as xr


def layer_name(history: "xr.Dataset", layer: str | None = None) -> str:
    """A layer of a history, by default the first. Raises ValueError for an unknown one."""
    layers = tuple(str(name) for name in history.layer.values)
    return layers[0] if layer is None else one_of("layer", layer, layers)


def membership_course(
    history: "xr.Dataset", layer: str, reading: Reading = "layer", membership: Membership = "signed"
) -> Float[np.ndarray, "snapshot weights"]:
    """Membership mu of each weight of a layer at each snapshot of a history.

    The intervals of "layer" and "filter" are those of the same snapshot, the interval of "trajectory" is
    that of the whole run, as in the history's ``fuzziness``. Raises ValueError for an unknown layer.
    """
    layer = layer_name(history, layer)
    kernels = jnp.asarray(history[f"kernel_{layer}"].values)
    extremes = Interval(*(jnp.asarray(history[f"{end}_{layer}"].values) for end in ("low", "high")))

    def of_one(kernel: jax.Array) -> jax.Array:
        span = interval(kernel, reading, membership, extremes=extremes)
        return memberships(kernel, span, membership).ravel()

    return np.asarray(jax.vmap(of_one)(kernels))


def moved_away(mu: Float[np.ndarray, "snapshot weights"]) -> Float[np.ndarray, " snapshot"]:
    """Share of weights farther from the centre than at the first snapshot, ``abs(mu - 1/2)`` compared.

    In [0, 1]; a weight at an equal distance counts half. Weights drawn anew from the same distribution give
    1/2; weights near the centre that wander without direction in a fixed interval give more, so compare
    with a control before calling it a tendency. By the reading "trajectory" it does not tell drift from
    chance: both give 1/2. Source: this study, after "move far away from the centers of their intervals"
    (Shen et al. 2020). Identity: 1/2 at the first snapshot.
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

    one_of("measure", measure, MEASURES)
    course = history.fuzziness.sel(measure=measure, drop=True)
    start, end = (course.isel(snapshot=i, drop=True) for i in (0, -1))
    shares = [
        [[moved_away(membership_course(history, layer, r, m))[-1] for m in MEMBERSHIPS] for r in READINGS]
        for layer in history.layer.values
    ]
    moved = xr.DataArray(np.array(shares), start.coords, ("layer", "reading", "membership"))
    return xr.Dataset({"start": start, "end": end, "change": end - start, "moved_away": moved})
