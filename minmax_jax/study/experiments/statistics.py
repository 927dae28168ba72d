"""Statistics of one kernel at several times of a run: what an observation takes down of it."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from minmax_jax.intervals import MEMBERSHIPS, READINGS, Interval, Membership, Reading
from minmax_jax.minmax import kurtosis, memberships_over, moved_away, near_zero
from minmax_jax.study.engine.experiment import Arrays
from minmax_jax.training.history import fuzziness_course


def course(rows: Float[np.ndarray, "snapshot ..."], every: int = 1) -> Arrays:
    """Fuzziness and the share of weights that moved away, at every so many snapshots, by every reading.

    The reading "trajectory" takes each weight's extremes over all of ``rows``.
    """
    limits, some = _extremes(rows), rows[::every]
    moved = [[moved_away(memberships_over(some, limits, r, m)) for m in MEMBERSHIPS] for r in READINGS]
    return {
        "fuzziness": fuzziness_course(jnp.asarray(some), limits),
        "moved_away": np.moveaxis(np.array(moved), -1, 0),
    }


def ends(rows: Float[np.ndarray, "snapshot ..."]) -> Arrays:
    """How many weights ended farther from the centre than they began, and how many nearer."""
    limits, pair = _extremes(rows), rows[[0, -1]]

    def signs(reading: Reading, membership: Membership) -> np.ndarray:
        distance = np.abs(memberships_over(pair, limits, reading, membership) - 0.5)
        return np.sign(distance[1] - distance[0])

    counted = np.array([[signs(reading, membership) for membership in MEMBERSHIPS] for reading in READINGS])
    return {name: (counted == sign).sum(-1) for name, sign in (("away", 1), ("towards", -1))}


def spread(rows: Float[np.ndarray, "snapshot ..."]) -> Arrays:
    """What can be said of a kernel's weights without an interval."""
    return {"near_zero": near_zero(rows), "kurtosis": kurtosis(rows)}


def _extremes(rows: Float[np.ndarray, "snapshot ..."]) -> Interval:
    return Interval(jnp.asarray(rows.min(0)), jnp.asarray(rows.max(0)))
