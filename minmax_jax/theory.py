"""Theory of the property: the flow of memberships, and how much a convolution amplifies a perturbation.

Flow: where memberships go if nothing but fuzziness is lowered. Amplification: the worst case of an output
under an L-inf perturbation of the input, and the part of it that fuzziness accounts for.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from minmax_jax.checks import AnyArray, as_array, check_count, check_least, one_of, plain
from minmax_jax.fuzziness import Measure, degree, degrees
from minmax_jax.intervals import interval, widened
from minmax_jax.kernels import named_kernels

if TYPE_CHECKING:
    import xarray as xr

Cap = Literal["layer", "filter"]
CLOSED: tuple[Measure, ...] = ("quadratic", "linear")  # measures whose flow has a closed form


def descend(
    mu: Float[np.ndarray, " n"], measure: Measure, rate: float, steps: int
) -> Float[np.ndarray, " n"]:
    """Memberships after gradient descent on the sum of f(mu) with step size ``rate``, clipped to [0, 1].

    Raises ValueError for an unknown measure, or fewer than 0 steps. Source: design of this study, section 3,
    statement 2. Identity: while inside, for "quadratic" ``1/2 + (mu - 1/2) (1 + 8 rate)^steps``.
    """
    steps = check_count("steps", steps, 0)
    return np.asarray(_descend(jnp.asarray(mu, jnp.float32), jnp.float32(rate), measure, steps), np.float64)


@partial(jax.jit, static_argnames=("measure", "steps"))
def _descend(
    mu: Float[Array, " n"], rate: Float[Array, ""], measure: Measure, steps: int
) -> Float[Array, " n"]:
    slope = jax.vmap(jax.grad(lambda one: degree(one, measure)))

    def step(mu: Array, _: None) -> tuple[Array, None]:
        return jnp.clip(mu - rate * slope(mu), 0, 1), None

    return jax.lax.scan(step, mu, None, steps)[0]


def closed_form(mu: Float[np.ndarray, " n"], measure: Measure, time: float) -> Float[np.ndarray, " n"]:
    """Memberships after following the flow ``dmu/dt = -f'(mu)`` for a time, clipped to [0, 1]:

    - ``"quadratic"``: ``1/2 + (mu - 1/2) exp(8 t)``
    - ``"linear"``: ``mu + 2 t sign(mu - 1/2)``

    Raises ValueError for another measure (entropy's flow, ``dmu/dt = log2(mu / (1 - mu))``, has no elementary
    solution). Source: design of this study, section 3, statement 2. Identity: the limit of ``descend`` for
    rate ``t / steps`` and many steps.
    """
    one_of("measure", measure, CLOSED)
    time = plain(time)
    distance = np.asarray(mu, np.float64) - 0.5
    moved = distance * np.exp(8 * time) if measure == "quadratic" else distance + 2 * time * np.sign(distance)
    return np.clip(0.5 + moved, 0, 1)


def amplification(kernel: Float[AnyArray, "... cout"], eps: float = 1.0) -> Float[Array, " cout"]:
    """Largest change of an output if every input changes by at most ``eps``: ``eps ||w||_1``.

    ``w`` is a kernel column, all weights that lead to one output channel (the last axis): for y = <w, x> + b,
    the change ``eps sign(w)`` is the worst. The largest over all channels is the layer's L-inf gain.
    Raises ValueError for eps outside [0, inf). Source: design of this study, section 3, statement 4.
    Identity: ``eps`` times the sum of ``amplification_parts``.
    """
    weights = widened(as_array("kernel", kernel, "..., cout"))
    return check_least("eps", eps) * jnp.abs(weights).sum(tuple(range(weights.ndim - 1)))


def amplification_parts(
    kernel: Float[AnyArray, "... cout"], reading: Cap = "filter"
) -> tuple[Float[Array, " cout"], Float[Array, " cout"]]:
    """``||w||_1`` of each column in two parts: what its energy requires, and what its fuzziness adds:

    ``||w||_1 = ||w||_2^2 / m + (n m / 4) F``,

    with n weights w in a column, the cap m = max abs w over the column ("filter") or the layer ("layer"),
    and F the column's quadratic fuzziness under magnitude membership. At given energy and cap the worst case
    is smallest where F = 0: every weight off, or at the cap. Raises ValueError for another reading, or a
    column (a layer) of zeros. Source: this study (design, section 3, statement 4). Identity: their sum is
    ``amplification(kernel)``.
    """
    one_of("reading", reading, get_args(Cap))
    weights = widened(as_array("kernel", kernel, "..., cout"))
    axes = tuple(range(weights.ndim - 1))
    fuzzy = degrees(weights, reading=reading, membership="magnitude", measure="quadratic").mean(axes)
    cap = jnp.asarray(interval(weights, reading, "magnitude").high).reshape(-1)
    taps = weights.size // weights.shape[-1]
    return jnp.square(weights).sum(axes) / cap, taps * cap / 4 * fuzzy


def amplifications(
    weights: Any, eps: float = 1.0, *, reading: Cap = "filter", layers: Sequence[str] | None = None
) -> "xr.Dataset":
    """Table of ``amplification`` for all convolution kernels of a model, one row for each kernel column.

    ``weights`` is a Flax model, a pytree of kernels, or one kernel; ``layers`` selects some. The rows,
    dimension ``column``, are labelled by ``layer`` and ``channel``. The variables: ``worst_case``, eps
    ||w||_1; ``energy`` and ``fuzzy``, eps times the two terms of ``amplification_parts``; ``cap``, m;
    ``fuzziness``, F; ``taps``, n. ``table.groupby("layer").max()`` gives each layer's gain. Errors are those
    of ``amplification_parts`` and ``kernels``. Identity: ``worst_case == energy + fuzzy``, up to rounding.
    """
    import xarray as xr  # heavy to import, hence only where it is used

    eps = check_least("eps", eps)
    rows: dict[str, list[np.ndarray]] = {}
    for name, kernel in named_kernels(weights, layers).items():
        energy, fuzzy = amplification_parts(kernel, reading)
        channels = kernel.shape[-1]
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
