"""Numbers that change in the course of training."""

import jax.numpy as jnp
from jaxtyping import Array, Float

Number = float | Float[Array, ""]


def ramp(start: Number, stop: Number, over: Number, progress: Number) -> Float[Array, ""]:
    """From ``start`` along a line to ``stop``, reached when the share ``over`` of training is done.

    ``start + (stop - start) progress / over`` while ``progress < over``, then ``stop`` to the last bit.
    Identity: constant for ``over = 0``, and for ``start = stop``.
    """
    share = progress / jnp.maximum(over, jnp.finfo(jnp.float32).tiny)
    return jnp.where(progress < over, start + (stop - start) * share, stop)
