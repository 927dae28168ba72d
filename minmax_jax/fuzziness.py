"""Fuzziness: how far weights are from the ends of their intervals, the paper's measure of the property.

A weight at an end of its interval is crisp (degree 0), a weight at the centre is as fuzzy as can be (1). The
Min-Max property says that training lowers the mean over all weights; an objective can lower or raise it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from minmax_jax.checks import AnyArray, check_positive, is_known, kind, one_of, plain
from minmax_jax.intervals import MEMBERSHIPS, Interval, Membership, Reading, interval, memberships, widened
from minmax_jax.kernels import named_kernels

Measure = Literal["entropy", "quadratic", "linear", "yager"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


def degree(mu: Float[AnyArray, "..."], measure: Measure = "entropy", p: float = 3.0) -> Float[Array, "..."]:
    """Degree of fuzziness f(mu) of each membership, in [0, 1]; f(0) = f(1) = 0 and f(1/2) = 1.

    - ``"entropy"``: ``-mu log2 mu - (1 - mu) log2(1 - mu)`` (De Luca and Termini 1972)
    - ``"quadratic"``: ``4 mu (1 - mu)``
    - ``"linear"``: ``2 min(mu, 1 - mu)`` (Kaufmann 1975)
    - ``"yager"``: ``1 - abs(2 mu - 1) ** p``, p > 0; p = 1 is linear, p = 2 is quadratic
      (after Yager 1979, without the root, so that it is a mean over weights)

    The derivative of entropy is unbounded towards 0 and 1; at exactly 0 and 1 it is defined as zero: a crisp
    weight stays where it is. Raises ValueError for an unknown measure, p <= 0, or mu outside [0, 1].
    """
    one_of("measure", measure, MEASURES)
    mu = widened(mu, "mu")
    inside = jnp.all((mu >= 0) & (mu <= 1))
    if is_known(inside) and not bool(inside):
        raise ValueError("mu must be in [0, 1], got values outside or NaN")
    if measure == "entropy":
        crisp = (mu <= 0) | (mu >= 1)
        # A harmless value in the branch not chosen: its infinite derivative would make 0 * inf = NaN.
        inner = jnp.where(crisp, 0.5, mu)
        bits = -inner * jnp.log2(inner) - (1 - inner) * jnp.log1p(-inner) / jnp.log(2.0)
        return jnp.where(crisp, 0.0, bits).astype(mu.dtype)
    if measure == "quadratic":
        return 4 * mu * (1 - mu)
    if measure == "linear":
        return 2 * jnp.minimum(mu, 1 - mu)
    p = check_positive("p", p)
    # abs(0) ** p has no finite derivative for p < 1; the centre, an unstable point, gets zero.
    distance = jnp.abs(2 * mu - 1)
    power = jnp.where(distance > 0, distance, 1) ** p
    return 1 - jnp.where(distance > 0, power, 0)


def sharpen(mu: Float[AnyArray, "*shape"], factor: float) -> Float[Array, "*shape"]:
    """Memberships whose distance from 1/2 is multiplied by ``factor`` >= 0, clipped to [0, 1].

    Source: De Luca and Termini 1972, the axiom of sharpening. Identity: with a factor of at least 1, no
    measure of fuzziness rises.
    """
    return jnp.clip(0.5 + plain(factor) * (widened(mu) - 0.5), 0, 1)


def degrees(
    kernel: Float[AnyArray, "..."],
    *,
    reading: Reading = "layer",
    membership: Membership = "signed",
    measure: Measure = "entropy",
    p: float = 3.0,
    bound: float | None = None,
    extremes: Interval | None = None,
) -> Float[Array, "..."]:
    """Degree of fuzziness of each weight of one kernel, shaped as the kernel.

    Identity: its mean is ``fuzziness`` of the kernel. Arguments and errors are those of ``interval``
    (``reading``, ``membership``, ``bound``, ``extremes``) and ``degree`` (``measure``, ``p``).

    Args:
        kernel: weights of any floating-point type; the output channels are the last axis.
        reading: which interval a weight lives in: "layer", "filter", "fixed" or "trajectory".
        membership: "signed", or "magnitude".
        measure: "entropy", "quadratic", "linear" or "yager".
        p: exponent > 0 of "yager"; unused by the others.
        bound: half-width > 0 of the interval "fixed"; None is the initialiser's.
        extremes: each weight's own interval, for the reading "trajectory".
    """
    span = interval(kernel, reading, membership, bound=bound, extremes=extremes)
    return degree(memberships(kernel, span, membership), measure, p)


def fuzziness(
    weights: Any,
    *,
    reading: Reading = "layer",
    membership: Membership = "signed",
    measure: Measure = "entropy",
    p: float = 3.0,
    bound: float | None = None,
    extremes: Interval | Mapping[str, Interval] | None = None,
    layers: Sequence[str] | None = None,
) -> Float[Array, ""]:
    """Fuzziness F in [0, 1]: the mean of f(mu) over all convolution weights.

    Every weight counts the same, whatever its layer. F is 0 if every weight is at an end of its interval and
    1 if every weight is at its centre.
    Source: Shen et al. 2020 for fuzziness of parameters; De Luca and Termini 1972 for its axioms; the
    readings are this study's. Identity: ``fuzziness(k) == fuzziness(-k)`` (readings layer, filter and fixed).

    Args:
        weights: one kernel (any array), or a Flax model or pytree, of which the convolutions count.
        reading: which interval a weight lives in: "layer", "filter", "fixed" or "trajectory"; see
            ``interval``.
        membership: position of the weight itself, "signed", or of its "magnitude"; see ``memberships``.
        measure: f, "entropy", "quadratic", "linear" or "yager"; see ``degree``.
        p: exponent > 0 of "yager"; unused by the others.
        bound: half-width > 0 of the interval "fixed"; None is the initialiser's.
        extremes: each weight's own interval, for the reading "trajectory"; for a model, by layer.
        layers: names of the layers that count; None counts all. A single kernel has none.

    Raises:
        ValueError: as ``interval``, ``degree`` and ``kernels`` do.
    """
    named = named_kernels(weights, layers)
    if extremes is None or isinstance(extremes, Interval):
        spans: Mapping[str, Interval | None] = dict.fromkeys(named, extremes)
    elif isinstance(extremes, Mapping) and set(named) <= set(extremes):
        spans = extremes
    else:
        got = list(extremes) if isinstance(extremes, Mapping) else kind(extremes)
        raise ValueError(f"extremes must have an Interval for each of {list(named)}, got {got}")
    totals = [
        degrees(
            kernel,
            reading=reading,
            membership=membership,
            measure=measure,
            p=p,
            bound=bound,
            extremes=spans[name],
        ).sum(dtype=np.promote_types(kernel.dtype, np.float32))  # a sum in half precision would overflow
        for name, kernel in named.items()
    ]
    return jnp.stack(totals).sum() / sum(kernel.size for kernel in named.values())


@partial(jax.jit, static_argnames="readings")
def fuzziness_table(
    kernel: Float[AnyArray, "..."], readings: tuple[Reading, ...], extremes: Interval | None = None
) -> Float[Array, "reading membership measure"]:
    """Fuzziness of one kernel by each of the readings, both memberships and every measure.

    ``extremes`` are for the reading "trajectory". Jitted, hence unchecked: an interval of zero width gives
    NaN or 1/2 rather than an error. Identity: each entry equals ``fuzziness`` of that kernel.
    """
    kinds = [(reading, membership) for reading in readings for membership in MEMBERSHIPS]
    spans = [interval(kernel, *kind, extremes=extremes) for kind in kinds]
    mus = jnp.stack([memberships(kernel, s, kind[1]) for s, kind in zip(spans, kinds, strict=True)])
    table = jnp.stack([degree(mus, m).mean(tuple(range(1, mus.ndim))) for m in MEASURES], axis=-1)
    return table.reshape(len(readings), len(MEMBERSHIPS), len(MEASURES))
