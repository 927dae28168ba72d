"""What training minimises: the cross-entropy, plus the Min-Max property as a term of the loss.

The paper adds fuzziness to the loss. The L1 and L2 penalties are controls for that term, and a defence
(adversarial training, say) can take the place of the cross-entropy.
"""

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
import optax
from flax import nnx
from jax.tree_util import all_leaves
from jaxtyping import Array, Float, Int

from minmax_jax.checks import AnyArray, as_names, as_weight, check_positive, one_of
from minmax_jax.fuzziness import MEASURES, Measure, fuzziness
from minmax_jax.intervals import MEMBERSHIPS, Membership, Reading, check_bound, interval, widened
from minmax_jax.kernels import kernels
from minmax_jax.models.logits import logits_of
from minmax_jax.models.pytrees import register_pytree
from minmax_jax.terms import TRAINABLE_READINGS as TRAINABLE_READINGS
from minmax_jax.terms import Term, as_terms

TRACED = ("strength", "l1", "l2")
STATIC = ("reading", "membership", "measure", "p", "bound", "layers")
FORM = ("reading", "membership", "measure")  # fields of an objective that say how fuzziness is read


def cross_entropy(logits: Float[AnyArray, "n classes"], labels: Int[AnyArray, " n"]) -> Float[Array, ""]:
    """Mean cross-entropy of labels in nats, ``-log softmax(logits)[label]``.

    Identity: ``log(classes)`` for equal logits.
    """
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


class Measured(NamedTuple):
    """The loss, the cross-entropy and the accuracy of one batch, or of many along an axis of steps."""

    loss: Float[Array, "*steps"]
    cross_entropy: Float[Array, "*steps"]
    accuracy: Float[Array, "*steps"]


@runtime_checkable
class Defence(Protocol):
    """What may take the place of cross-entropy: the defences of ``mm.defences``, or any such function."""

    def __call__(
        self,
        model: Callable[[Array], Array],
        images: Float[Array, "n h w c"],
        labels: Int[Array, " n"],
        progress: float | Float[Array, ""],
        key: Array,
    ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
        """The loss of a batch, and the cross-entropy and accuracy to record, as a ``Measured``.

        Args:
            model: in training mode, from images to logits.
            images: in [0, 1].
            labels: class numbers.
            progress: share of the run's steps that are done, in [0, 1).
            key: a random key of this step alone.
        """


def without_addresses(text: str) -> str:
    """A text such as ``repr`` gives, without addresses in memory, which differ between processes."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)


@dataclass(frozen=True, repr=False)
class Objective:
    """``L = cross-entropy + strength * F(W) + l1 * sum abs(W) + l2 * sum W^2 + sum of terms``.

    W are the convolution kernels and F is their ``fuzziness``. A positive ``strength`` lowers fuzziness, the
    Min-Max property added to the loss (Shen et al. 2020); a negative one raises it, the causal control of
    this study. ``strength``, ``l1`` and ``l2`` are traced under jit: changing them compiles nothing anew.
    Identity: with all three zero and no defence, L is cross-entropy.

    Args:
        strength: lambda, weight of the fuzziness term, of either sign.
        reading: interval of each weight: "layer", "filter" or "fixed".
        membership: "signed", or "magnitude".
        measure: of fuzziness: "entropy", "quadratic", "linear" or "yager".
        p: exponent > 0 of "yager".
        bound: half-width > 0 of the interval "fixed"; None is the initialiser's.
        layers: names of the layers whose kernels count; None counts all convolutions.
        l1: weight >= 0 of the sum of absolute values.
        l2: weight >= 0 of the sum of squares.
        defence: takes the place of cross-entropy: ``mm.defences.Adversarial(eps=0.3)`` and the others of
            ``mm.defences``, or a function of (model, images, labels, progress, key) that returns (loss,
            cross-entropy, accuracy), as ``mm.defences.Measured`` does. A pytree is traced; a function has to
            be hashable, and training is compiled anew for another one.
        terms: further terms, each on layers of its own: those of ``mm.terms``, or functions of (model,
            images, progress) that give a number. A pytree is traced; a function has to be hashable.

    Raises:
        ValueError: for a value or name out of range.
        TypeError: for a value of the wrong type, or a defence that cannot be called.
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
    defence: Defence | None = None
    terms: Sequence[Term] = ()

    def __post_init__(self) -> None:
        one_of("reading", self.reading, TRAINABLE_READINGS)
        one_of("membership", self.membership, MEMBERSHIPS)
        one_of("measure", self.measure, MEASURES)
        object.__setattr__(self, "p", check_positive("p", self.p))
        object.__setattr__(self, "bound", check_bound(self.bound, self.reading))
        if self.layers is not None:
            if not (names := as_names(self.layers)):
                raise TypeError(f"layers must be a sequence of names, got {self.layers!r}")
            object.__setattr__(self, "layers", names)  # static under jit: hashable
        for name in TRACED:
            weight = as_weight(name, getattr(self, name), is_signed=name == "strength")
            object.__setattr__(self, name, weight)
        if self.defence is not None and (isinstance(self.defence, type) or not callable(self.defence)):
            raise TypeError(
                "defence must be one such as mm.defences.Adversarial(eps=0.3), or a function of (model, "
                f"images, labels, progress, key), got {self.defence!r}"
            )
        if all_leaves([self.defence]) and not isinstance(self.defence, Hashable):
            raise TypeError(f"defence must be a pytree, or have a hash, got {self.defence!r}, which has none")
        object.__setattr__(self, "terms", as_terms(self.terms))

    def __repr__(self) -> str:
        shown = {one.name: getattr(self, one.name) for one in fields(self)}
        # The text from before there were defences and terms: folders of sweeps compare it.
        for name, unset in (("defence", None), ("terms", ())):
            if shown[name] == unset:
                del shown[name]
        return f"Objective({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def is_timed(self) -> bool:
        """Whether it may differ with the share of the run that is done, or draw random numbers."""
        return self.defence is not None or bool(self.terms)

    def facts(self) -> dict[str, Any]:
        """The fields as labels: terms and a defence as text, and its numbers as ``defence_<field>``."""
        facts = {name: getattr(self, name) for name in TRACED + STATIC}
        if self.terms:
            facts["terms"] = "; ".join(without_addresses(repr(term)) for term in self.terms)
        if self.defence is None:
            return facts
        facts["defence"] = without_addresses(repr(self.defence))
        names: list[str] = [one.name for one in fields(self.defence)] if is_dataclass(self.defence) else []
        for name in names:
            value = getattr(self.defence, name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                facts[f"defence_{name}"] = value
        return facts

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
        """Raise the ValueError that the objective would raise on these weights, without computing it."""
        for kernel in kernels(weights, self.layers).values():
            if self.strength:
                interval(kernel, self.reading, self.membership, bound=self.bound)

    def measured(
        self,
        model: Callable[[Array], Array],
        images: Float[Array, "n h w c"],
        labels: Int[Array, " n"],
        moment: tuple[float | Float[Array, ""], Array] | None,
    ) -> Measured:
        """Loss without the penalty, cross-entropy and accuracy of a batch.

        Those of the defence, if there is one, at a ``moment`` (progress, key) of training; without a moment
        or a defence the loss is the cross-entropy.
        """
        if self.defence is not None and moment is not None:
            return Measured(*self.defence(model, images, labels, *moment))
        logits = logits_of(model, images)
        fit = cross_entropy(logits, labels)
        return Measured(fit, fit, (logits.argmax(-1) == labels).mean())

    def penalty(self, weights: Any) -> Float[Array, ""]:
        """``strength * F + l1 * sum abs(W) + l2 * sum W^2`` of a model or its parameters."""
        selected = [widened(kernel) for kernel in kernels(weights, self.layers).values()]
        absolute = sum(jnp.abs(kernel).sum() for kernel in selected)
        squares = sum(jnp.square(kernel).sum() for kernel in selected)
        return self.strength * self.fuzziness(weights) + self.l1 * absolute + self.l2 * squares

    def added(
        self, model: nnx.Module, images: Float[AnyArray, "n h w c"], progress: float | Float[Array, ""]
    ) -> Float[Array, ""] | float:
        """The sum of ``terms`` on a batch, 0.0 without any. The model may be changed, as by a call."""
        return sum((term(model, images, progress) for term in self.terms), 0.0)


register_pytree(Objective, (*TRACED, "defence", "terms"))
