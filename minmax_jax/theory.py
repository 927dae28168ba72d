"""The gradient flow of fuzziness: where memberships go if nothing but fuzziness is lowered."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from minmax_jax.checks import check_count, one_of
from minmax_jax.fuzziness import Measure, degree

CLOSED: tuple[Measure, ...] = ("quadratic", "linear")  # measures whose flow has a closed form


def descend(
    mu: Float[np.ndarray, " n"], measure: Measure, rate: float, steps: int
) -> Float[np.ndarray, " n"]:
    """Memberships after gradient descent on the sum of f(mu), in steps of ``rate``, held at the ends.

    Raises ValueError for an unknown measure, or fewer than 0 steps. Source: design of this study, section 3,
    statement 2. Identity: while inside, for "quadratic" ``1/2 + (mu - 1/2) (1 + 8 rate)^steps``.
    """
    check_count("steps", steps, 0)
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
    """Memberships after the flow ``dmu/dt = -f'(mu)`` for a time, held at the ends:

    - ``"quadratic"``: ``1/2 + (mu - 1/2) exp(8 t)``
    - ``"linear"``: ``mu + 2 t sign(mu - 1/2)``

    Raises ValueError for another measure (entropy's flow, ``dmu/dt = log2(mu / (1 - mu))``, has no elementary
    solution). Source: design of this study, section 3, statement 2. Identity: the limit of ``descend`` for
    rate ``t / steps`` and many steps.
    """
    one_of("measure", measure, CLOSED)
    distance = np.asarray(mu, np.float64) - 0.5
    moved = distance * np.exp(8 * time) if measure == "quadratic" else distance + 2 * time * np.sign(distance)
    return np.clip(0.5 + moved, 0, 1)
