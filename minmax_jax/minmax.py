"""Statistics of the Min-Max property over the history of a run: do weights leave the centres?

Fuzziness is one answer; here are others, and the controls that tell a tendency from chance: a random walk of
the same steps, displacements of the same size in random directions, and a sign test.
"""

from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from minmax_jax.checks import as_array, as_ends, check_count, check_number, check_type, one_of
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

    The intervals "layer" and "filter" are those of the same snapshot, the interval "trajectory" is that of
    the whole run, as in the history's ``fuzziness``. Raises ValueError for an unknown layer.
    """
    layer = layer_name(history, layer)
    extremes = Interval(*(jnp.asarray(history[f"{end}_{layer}"].values) for end in ("low", "high")))
    return memberships_over(history[f"kernel_{layer}"].values, extremes, reading, membership)


def memberships_over(
    rows: Float[np.ndarray, "snapshot ..."],
    extremes: Interval,
    reading: Reading = "layer",
    membership: Membership = "signed",
) -> Float[np.ndarray, "snapshot weights"]:
    """Membership mu of each weight of one kernel at several times of a run.

    ``extremes`` are each weight's own ends over the run, for the reading "trajectory". Jitted, hence the
    weights are not checked. Raises ValueError for an unknown name.
    """
    one_of("reading", reading, READINGS)
    one_of("membership", membership, MEMBERSHIPS)
    weights = jnp.asarray(as_array("rows", rows, "snapshot, ..."))
    ends = Interval(*as_ends("extremes", extremes, weights.shape[1:]))
    return np.asarray(_memberships(weights, ends, reading, membership))


def moved_away(mu: Float[np.ndarray, "snapshot weights"]) -> Float[np.ndarray, " snapshot"]:
    """Share of weights farther from the centre than at the first snapshot, by ``abs(mu - 1/2)``, in [0, 1].

    A weight at an equal distance counts half. Weights drawn anew from the same distribution give 1/2; weights
    near the centre that wander without direction in a fixed interval give more, so compare with a control
    before calling it a tendency. The reading "trajectory" cannot tell drift from chance: both give 1/2.
    Source: this study, after "move far away from the centers of their intervals" (Shen et al. 2020).
    Identity: 1/2 at the first snapshot.
    """
    distance = np.abs(as_array("mu", mu, "snapshot, weights") - 0.5)
    return (np.sign(distance - distance[:1]) / 2 + 0.5).mean(axis=1)


def near_zero(rows: Float[np.ndarray, "snapshot ..."], within: float = 0.1) -> Float[np.ndarray, " snapshot"]:
    """Share of weights with ``abs(w) <= within * max abs(w)`` of the same kernel, in [0, 1].

    The property as the follow-up words it, "most approach zero", makes it rise. Weights drawn uniformly from
    [-m, m] give ``within``; a fresh kernel of Flax (a normal truncated at two deviations) gives 0.166.
    Raises ValueError for ``within`` outside (0, 1). Source: this study, after Shen et al. 2021
    (arXiv 2101.12372).
    """
    takes = "in (0, 1), a share of the largest weight"
    within = check_number("within", within, takes, lambda share: 0 < share < 1)
    sizes = np.abs(_as_table(rows))
    return (sizes <= within * sizes.max(1, keepdims=True)).mean(1)


def effective_taps(rows: Float[np.ndarray, "snapshot ... cout"]) -> Float[np.ndarray, " snapshot"]:
    """Taps of a filter that count, ``||w||_1 / max abs(w)``, as the mean over a kernel's filters.

    1 for filters of one tap, n for n equal ones, some 0.4 n for a fresh kernel of Flax. A filter of zeros
    counts as 0. Raises ValueError for rows without the axis of filters, ``cout``. Source: this study.
    Identity: unchanged by the scale of each filter.
    """
    sizes = np.abs(_widened(rows))
    if sizes.ndim < 3:
        raise ValueError(f"rows must have shape (snapshot, ..., cout), got {sizes.shape}")
    largest, total = (of(sizes, axis=tuple(range(1, sizes.ndim - 1))) for of in (np.max, np.sum))
    return (total / np.where(largest > 0, largest, 1)).mean(1)


def kurtosis(rows: Float[np.ndarray, "snapshot ..."]) -> Float[np.ndarray, " snapshot"]:
    """Excess kurtosis of each kernel's weights, ``mean (w - mean w)^4 / var(w)^2 - 3``, at least -2.

    -2 for two clusters of equal size (the Min-Max property in full, signed), -1.2 for a uniform and 0 for a
    normal distribution, more where a few weights are far out (the property by magnitude).
    Identity: unchanged by ``a w + b``.
    """
    from scipy.stats import kurtosis as of_scipy  # heavy to import, hence only where it is used

    return of_scipy(_as_table(rows).astype(np.float64), axis=1)


def sign_test(away: int, towards: int) -> float:
    """Probability in [0, 1] of counts at least as uneven if both directions were equally likely.

    The exact two-sided binomial test with p = 1/2; leave ties out before. It assumes independent counts.
    Weights of one kernel are not independent, as they learn together: count seeds.
    Raises ValueError for negative counts. Identity: ``scipy.stats.binomtest(away, away + towards).pvalue``;
    1 for equal counts, and for none.
    """
    from scipy.stats import binomtest  # heavy to import, hence only where it is used

    away, towards = check_count("away", away, least=0), check_count("towards", towards, least=0)
    return float(binomtest(away, away + towards).pvalue) if away + towards else 1.0


def random_walk(
    rows: Float[np.ndarray, "snapshot ..."], generator: np.random.Generator
) -> Float[np.ndarray, "snapshot ..."]:
    """The same steps in random directions: each weight's change between snapshots with a random sign.

    ``w'(0) = w(0)``, ``w'(t+1) - w'(t) = +-(w(t+1) - w(t))``. The control for what wandering alone does to
    fuzziness: between two snapshots each weight moves as far as it did in training, but without direction.
    What a weight went to and fro between two snapshots does not count.
    Source: this study. Identity: the first row, and the size of every change, are those of ``rows``.
    """
    rows = _widened(rows)
    changes = np.diff(rows, axis=0)
    signs = _signs(generator, changes)
    return np.concatenate([rows[:1], rows[:1] + np.cumsum(changes * signs, axis=0)])


def random_displacement(
    rows: Float[np.ndarray, "snapshot ..."], generator: np.random.Generator
) -> Float[np.ndarray, "snapshot ..."]:
    """The same displacements in random directions: each weight's way from its start with one random sign.

    ``w'(t) = w(0) +- (w(t) - w(0))``. The control for what being far from the start alone does to fuzziness:
    F is concave, so that in a fixed interval any displacement lowers it on average over directions (Jensen),
    and steps that go one way end farther out than those of ``random_walk``.
    Source: this study (design, section 3, statement 3). Identity: the first row, and the distance of every
    weight from it, are those of ``rows``.
    """
    rows = _widened(rows)
    return rows[:1] + (rows - rows[:1]) * _signs(generator, rows[0])


def _signs(generator: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """-1 or 1 for each number. Raises TypeError without a generator."""
    check_type("generator", generator, np.random.Generator, "give np.random.default_rng(0)")
    return generator.choice(np.array([-1, 1], like.dtype), like.shape)


def _widened(rows: Float[np.ndarray, "snapshot ..."]) -> Float[np.ndarray, "snapshot ..."]:
    """In float32 at least, as NumPy arrays."""
    array = np.asarray(as_array("rows", rows, "snapshot, ..."))
    return np.asarray(array, np.promote_types(array.dtype, np.float32))


def _as_table(rows: Float[np.ndarray, "snapshot ..."]) -> Float[np.ndarray, "snapshot weights"]:
    wide = _widened(rows)
    return wide.reshape(len(wide), -1)


@partial(jax.jit, static_argnames=("reading", "membership"))
def _memberships(
    rows: Float[Array, "snapshot ..."], extremes: Interval, reading: Reading, membership: Membership
) -> Float[Array, "snapshot weights"]:
    def of_one(kernel: Array) -> Array:
        span = interval(kernel, reading, membership, extremes=extremes)
        return memberships(kernel, span, membership).ravel()

    return jax.vmap(of_one)(rows)


def summary(history: "xr.Dataset", measure: str = "entropy") -> "xr.Dataset":
    """Fuzziness at the start and the end of a run, and the share of weights that moved away.

    A Dataset over (layer, reading, membership) with ``start``, ``end``, ``change`` = end - start (negative
    where the Min-Max property holds; the reading "trajectory" uses the future, and tells nothing of it) and
    ``moved_away`` at the end. ``summary(...).to_dataframe()`` is a table.
    """
    import xarray as xr  # heavy to import, hence only where it is used

    one_of("measure", measure, MEASURES)
    course = history.fuzziness.sel(measure=measure, drop=True)
    start, end = (course.isel(snapshot=i, drop=True) for i in (0, -1))
    shares = [
        [[moved_away(membership_course(history, layer, r, m))[-1] for m in MEMBERSHIPS] for r in READINGS]
        for layer in history.layer.values
    ]
    moved = xr.DataArray(np.array(shares), start.coords, ("layer", "reading", "membership"))
    return xr.Dataset({"start": start, "end": end, "change": end - start, "moved_away": moved})
