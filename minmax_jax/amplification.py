"""How much a convolution can amplify an L-inf perturbation, and what fuzziness has to do with it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from minmax_jax.checks import AnyArray, is_known, one_of
from minmax_jax.fuzziness import degrees
from minmax_jax.intervals import interval
from minmax_jax.kernels import is_array, kernels

if TYPE_CHECKING:
    import xarray as xr

Cap = Literal["layer", "filter"]


def amplification(kernel: Float[AnyArray, "... cout"], eps: float = 1.0) -> Float[Array, " cout"]:
    """Worst case of one output under a change of every input by at most ``eps``: ``eps ||w||_1``.

    ``w`` is a kernel column, all weights that lead to an output channel (the last axis): with y = <w, x> + b,
    the change ``eps sign(w)`` is the worst. The largest over channels is the layer's L-inf gain.
    Raises ValueError for eps outside [0, inf). Source: design of this study, section 3, statement 4.
    Identity: ``eps`` times the sum of ``amplification_parts``.
    """
    if is_known(eps) and not 0 <= eps < float("inf"):
        raise ValueError(f"eps must be a finite number >= 0, got {eps}")
    return eps * jnp.abs(jnp.asarray(kernel)).sum(tuple(range(jnp.ndim(kernel) - 1)))


def amplification_parts(
    kernel: Float[AnyArray, "... cout"], reading: Cap = "filter"
) -> tuple[Float[Array, " cout"], Float[Array, " cout"]]:
    """``||w||_1`` of each column in two parts, what its energy makes necessary and what its fuzziness adds:

    ``||w||_1 = ||w||_2^2 / m + (n m / 4) F``,

    with n weights w to a column, the cap m = max abs w over the column ("filter") or the layer ("layer"),
    and F the column's quadratic fuzziness under magnitude membership. At given energy and cap the worst case
    is smallest where F = 0: every weight off, or at the cap. Raises ValueError for another reading, or a
    column (a layer) of zeros. Source: this study (design, section 3, statement 4). Identity: their sum is
    ``amplification(kernel)``.
    """
    one_of("reading", reading, get_args(Cap))
    weights = jnp.asarray(kernel)
    axes = tuple(range(weights.ndim - 1))
    fuzzy = degrees(weights, reading=reading, membership="magnitude", measure="quadratic").mean(axes)
    cap = jnp.asarray(interval(weights, reading, "magnitude").high).reshape(-1)
    taps = weights.size // weights.shape[-1]
    return jnp.square(weights).sum(axes) / cap, taps * cap / 4 * fuzzy


def amplifications(
    weights: Any, eps: float = 1.0, *, reading: Cap = "filter", layers: Sequence[str] | None = None
) -> "xr.Dataset":
    """Table of ``amplification`` for all convolution kernels of a model, a row for each column of a kernel.

    ``weights`` is a Flax model, a pytree of kernels, or one kernel; ``layers`` selects some. The rows,
    dimension ``column``, are labelled by ``layer`` and ``channel``. The variables: ``worst_case``, eps
    ||w||_1; ``energy`` and ``fuzzy``, eps times the two terms of ``amplification_parts``; ``cap``, m;
    ``fuzziness``, F; ``taps``, n. ``table.groupby("layer").max()`` has each layer's gain. Errors are those of
    ``amplification_parts`` and ``kernels``. Identity: ``worst_case == energy + fuzzy``, up to rounding.
    """
    import xarray as xr  # heavy to import, so only where it is used

    if is_array(weights) and layers is not None:
        raise ValueError(f"layers is {layers!r}; a single kernel has no layers and takes None")
    named = {"kernel": jnp.asarray(weights)} if is_array(weights) else kernels(weights, layers)
    rows: dict[str, list[np.ndarray]] = {}
    for name, kernel in named.items():
        channels = kernel.shape[-1]
        energy, fuzzy = amplification_parts(kernel, reading)
        taps = kernel.size // channels
        cap = jnp.broadcast_to(interval(kernel, reading, "magnitude").high.reshape(-1), channels)
        found = {
            "worst_case": amplification(kernel, eps),
            "energy": eps * energy,
            "fuzzy": eps * fuzzy,
            "cap": cap,
            "fuzziness": fuzzy / (taps * cap / 4),
            "taps": np.full(channels, taps),
            "layer": np.full(channels, name),
            "channel": np.arange(channels),
        }
        for variable, values in found.items():
            rows.setdefault(variable, []).append(np.asarray(values))
    table = {variable: ("column", np.concatenate(parts)) for variable, parts in rows.items()}
    labels = {name: table.pop(name) for name in ("layer", "channel")}
    return xr.Dataset(table, labels, {"eps": eps, "reading": reading})
