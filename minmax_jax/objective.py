"""What training minimises: cross-entropy plus a fuzziness term, with L1 and L2 penalties as controls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from minmax_jax.arrays import AnyArray
from minmax_jax.checks import is_known, one_of
from minmax_jax.fuzziness import MEASURES, Measure, fuzziness
from minmax_jax.intervals import MEMBERSHIPS, READINGS, Membership, Reading, interval
from minmax_jax.kernels import kernels

TRACED = ("strength", "l1", "l2")
STATIC = ("reading", "membership", "measure", "p", "bound", "layers")
# The reading "trajectory" needs the whole run, so nothing can be trained towards it.
TRAINABLE_READINGS = tuple(reading for reading in READINGS if reading != "trajectory")


def cross_entropy(logits: Float[AnyArray, "n classes"], labels: Int[AnyArray, " n"]) -> Float[Array, ""]:
    """Mean cross-entropy of labels in nats, ``-log softmax(logits)[label]``.

    Identity: ``log(classes)`` for equal logits.
    """
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


@dataclass(frozen=True)
class Objective:
    """``L = cross-entropy + strength * F(W) + l1 * sum abs(W) + l2 * sum W^2``.

    W are the convolution kernels (all, or those of the named ``layers``) and F is ``fuzziness`` with the
    given ``reading`` (layer, filter or fixed), ``membership``, ``measure``, exponent ``p`` and ``bound``.
    A positive ``strength`` (lambda) lowers fuzziness, the Min-Max property added to the loss (Shen et al.
    2020); a negative one raises it, the causal control of this study. ``l1`` and ``l2`` are >= 0.

    ``strength``, ``l1`` and ``l2`` are traced under jit, so a change of them compiles nothing anew.
    Raises ValueError for a value or name out of range. Identity: with all three zero, L is cross-entropy.
    """

    strength: float | Array = 0.0
    reading: Reading = "layer"
    membership: Membership = "signed"
    measure: Measure = "entropy"
    p: float = 3.0
    bound: float | None = None
    layers: Sequence[str] | None = None
    l1: float | Array = 0.0
    l2: float | Array = 0.0

    def __post_init__(self) -> None:
        one_of("reading", self.reading, TRAINABLE_READINGS)
        one_of("membership", self.membership, MEMBERSHIPS)
        one_of("measure", self.measure, MEASURES)
        for name, value in (("p", self.p), ("bound", self.bound)):
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} is {value}; it takes a finite number > 0")
        if self.bound is not None and self.reading != "fixed":
            raise ValueError(f"bound is {self.bound} with reading {self.reading!r}; only 'fixed' takes one")
        if isinstance(self.layers, str):
            raise TypeError(f"layers is {self.layers!r}; it takes a sequence of names")
        if self.layers is not None:
            object.__setattr__(self, "layers", tuple(self.layers))  # static under jit: hashable
        for name in TRACED:
            value = getattr(self, name)
            kind = "a finite number" if name == "strength" else "a finite number >= 0"
            if not isinstance(value, int | float | np.number | np.ndarray | jax.Array):
                raise TypeError(f"{name} is {value!r}; it takes {kind}")
            if is_known(value) and np.ndim(value) == 0:
                object.__setattr__(self, name, float(value))
                if not np.isfinite(value) or (name != "strength" and value < 0):
                    raise ValueError(f"{name} is {value}; it takes {kind}")

    def fuzziness(self, weights: Any) -> Float[Array, ""]:
        """F of the selected kernels, by this objective's reading, membership and measure."""
        return fuzziness(
            kernels(weights, self.layers),
            reading=self.reading,
            membership=self.membership,
            measure=self.measure,
            p=self.p,
            bound=self.bound,
        )

    def check(self, weights: Any) -> None:
        """Raise the ValueError that the objective would meet on these weights, without computing it."""
        for kernel in kernels(weights, self.layers).values():
            if self.strength:
                interval(kernel, self.reading, self.membership, bound=self.bound)

    def penalty(self, weights: Any) -> Float[Array, ""]:
        """``strength * F + l1 * sum abs(W) + l2 * sum W^2`` of a model or its parameters."""
        selected = kernels(weights, self.layers).values()
        absolute = sum(jnp.abs(kernel).sum() for kernel in selected)
        squares = sum(jnp.square(kernel).sum() for kernel in selected)
        return self.strength * self.fuzziness(weights) + self.l1 * absolute + self.l2 * squares


def _flatten(objective: Objective) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    traced, static = ([getattr(objective, name) for name in names] for names in (TRACED, STATIC))
    return tuple(traced), tuple(static)


def _unflatten(static: tuple[Any, ...], traced: Any) -> Objective:
    """Rebuild without checks: jax does so with tracers, batched arrays and placeholders."""
    objective = object.__new__(Objective)
    for name, value in zip(TRACED + STATIC, (*traced, *static), strict=True):
        object.__setattr__(objective, name, value)
    return objective


jax.tree_util.register_pytree_node(Objective, _flatten, _unflatten)
