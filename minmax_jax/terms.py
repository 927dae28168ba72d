"""Terms of the loss: what may be added to cross-entropy, each on layers of one's choice.

``mm.Objective(terms=[mm.terms.UnitFuzziness(100.0), mm.terms.L2(1e-4, layers=["conv2"])])`` minimises their
sum. A term is a function of (model, images, progress) that gives a number, so one's own are terms as well.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax.numpy as jnp
from flax import nnx
from jax.tree_util import all_leaves
from jaxtyping import Array, Float

from minmax_jax.checks import AnyArray, as_names, as_weight, check_least, check_number, check_positive, one_of
from minmax_jax.fuzziness import MEASURES, Measure, fuzziness
from minmax_jax.intervals import MEMBERSHIPS, READINGS, Membership, Reading, check_bound, widened
from minmax_jax.kernels import kernels
from minmax_jax.models.pytrees import register_pytree
from minmax_jax.models.recording import layer_outputs
from minmax_jax.units import unit_information, unit_memberships

# The reading "trajectory" needs the whole run, so nothing can be trained towards it.
TRAINABLE_READINGS = tuple(reading for reading in READINGS if reading != "trajectory")


@runtime_checkable
class Term(Protocol):
    """What may be added to the loss: the terms of this module, or any such function."""

    def __call__(
        self, model: Any, images: Float[AnyArray, "n h w c"], progress: float | Float[Array, ""]
    ) -> Float[Array, ""]:
        """The term of a batch.

        Args:
            model: a copy of the one in training, in training mode.
            images: of the batch, in [0, 1], as they are before any defence.
            progress: share of the run's steps that are done, in [0, 1]; 1 after the last.
        """


@dataclass(frozen=True)
class _OfLayers:
    """A term with a strength, on the kernels of some layers; its value is ``strength * of(...)``."""

    strength: float | Array
    layers: Sequence[str] | None = None
    is_signed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", as_weight("strength", self.strength, is_signed=self.is_signed))
        if self.layers is not None:
            if not (names := as_names(self.layers)):
                raise TypeError(f"layers must be a sequence of names, got {self.layers!r}")
            object.__setattr__(self, "layers", names)  # static under jit: hashable

    def __call__(
        self, model: Any, images: Float[AnyArray, "n h w c"], progress: float | Float[Array, ""]
    ) -> Float[Array, ""]:
        """``strength`` times the term."""
        return self.strength * self.of([widened(one) for one in kernels(model, self.layers).values()])

    def of(self, found: list[Array]) -> Array:
        """The term of the selected kernels, for strength 1."""
        raise NotImplementedError


@dataclass(frozen=True)
class Fuzziness(_OfLayers):
    """``strength * F(W)``: the paper's term, which lowers the fuzziness of weights, or raises it if below 0.

    Args:
        strength: lambda, of either sign.
        layers: names of the layers whose kernels count; None counts all convolutions.
        reading: interval of each weight: "layer", "filter" or "fixed".
        membership: "signed", or "magnitude".
        measure: of fuzziness: "entropy", "quadratic", "linear" or "yager".
        p: exponent > 0 of "yager".
        bound: half-width > 0 of the interval "fixed"; None is the initialiser's.

    Raises:
        ValueError: for a value or name out of range.
    """

    reading: Reading = "layer"
    membership: Membership = "signed"
    measure: Measure = "entropy"
    p: float = 3.0
    bound: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("reading", self.reading, TRAINABLE_READINGS)
        one_of("membership", self.membership, MEMBERSHIPS)
        one_of("measure", self.measure, MEASURES)
        object.__setattr__(self, "p", check_positive("p", self.p))
        object.__setattr__(self, "bound", check_bound(self.bound, self.reading))

    def __call__(
        self, model: Any, images: Float[AnyArray, "n h w c"], progress: float | Float[Array, ""]
    ) -> Float[Array, ""]:
        """``strength`` times the fuzziness of all selected weights together."""
        how: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        del how["strength"]
        return self.strength * fuzziness(model, **how)


@dataclass(frozen=True)
class L1(_OfLayers):
    """``strength * sum abs(W)``; ``strength`` >= 0, ``layers`` None counts all convolutions."""

    is_signed: ClassVar[bool] = False

    def of(self, found: list[Array]) -> Array:
        """The sum of absolute weights."""
        return jnp.stack([jnp.abs(kernel).sum() for kernel in found]).sum()


@dataclass(frozen=True)
class L2(_OfLayers):
    """``strength * sum W^2``; ``strength`` >= 0, ``layers`` None counts all convolutions."""

    is_signed: ClassVar[bool] = False

    def of(self, found: list[Array]) -> Array:
        """The sum of squared weights."""
        return jnp.stack([jnp.square(kernel).sum() for kernel in found]).sum()


@dataclass(frozen=True)
class L1MinusL2(_OfLayers):
    """``strength * sum over layers (||W||_1 - ||W||_2)``, the term of the paper's group.

    ``strength`` >= 0; ``layers`` None counts all convolutions. Identity: 0 for one weight a layer other than
    zero. Source: the code of the first author of Shen et al. 2020, which has it on the first convolution.
    """

    is_signed: ClassVar[bool] = False

    def of(self, found: list[Array]) -> Array:
        """The sum over layers; the gradient of a norm of zeros is 0."""
        return jnp.stack([jnp.abs(kernel).sum() - _norm(jnp.square(kernel).sum()) for kernel in found]).sum()


@dataclass(frozen=True)
class EffectiveTaps(_OfLayers):
    """``strength`` times the mean over filters of ``||w||_1 / max abs w``, a filter's taps in effect.

    1 for a filter of one tap, n for n taps of one size, whatever the size; 0 for a filter of zeros.
    ``layers`` None counts all convolutions. Source: this study (design, section 2).
    """

    def of(self, found: list[Array]) -> Array:
        """The mean over all filters of all layers."""
        taps = [_taps(kernel) for kernel in found]
        return jnp.concatenate(taps).mean()


@dataclass(frozen=True)
class UnitFuzziness(_OfLayers):
    """``strength`` times the fuzziness of units less the fuzziness of their mean, averaged over channels.

    ``mean H2(mu) - H2(mean mu)``, with H2 the binary entropy, means over images and places, and the unit's
    membership in its upper side ``mu = sigmoid(y / (tau ||w||_1 + temperature))``. The first part makes units
    crisp, so that a perturbation does not bring them to their thresholds; the second keeps them from being
    all on one side. It is minus the information, in bits, that a unit's side keeps under noise of scale tau
    in every pixel, and ``temperature`` in the unit. tau falls from ``start`` geometrically during the first
    ``anneal`` of training: with little noise from the start, some filters keep two taps and more. Without a
    temperature the scale of w is free; with it, weights grow until the threshold is steep.
    Source: this study (design, section 3, statement 6). Identity: -1 for crisp units half of which are up.

    Args:
        strength: weight of the term, of either sign.
        layers: names of the layers whose units count; None counts those of the first convolution.
        tau: scale > 0 of the noise in the pixels that the layer sees, in their units.
        start: that of tau at the beginning, at least tau.
        anneal: share in [0, 1] of the run in which tau falls; 0 has it at its end from the beginning.
        temperature: scale >= 0 of the noise in the unit's own output; 3/4 is that of ``scaled_tanh``.

    Raises:
        ValueError: for a value out of range.
    """

    tau: float = 0.1
    start: float = 0.5
    anneal: float = 0.8
    temperature: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "tau", check_positive("tau", self.tau))
        start = check_number(
            "start", self.start, f"at least tau, {self.tau}", lambda value: value >= self.tau
        )
        object.__setattr__(self, "start", start)
        inside = check_number("anneal", self.anneal, "in [0, 1]", lambda value: 0 <= value <= 1)
        object.__setattr__(self, "anneal", inside)
        object.__setattr__(self, "temperature", check_least("temperature", self.temperature))

    def scale(self, progress: float | Float[Array, ""]) -> Float[Array, ""]:
        """tau at a share of the run: ``start (tau / start)^min(progress / anneal, 1)``."""
        done = jnp.minimum(progress / self.anneal, 1) if self.anneal else 1.0
        return self.start * (self.tau / self.start) ** jnp.asarray(done)

    def __call__(
        self, model: nnx.Module, images: Float[AnyArray, "n h w c"], progress: float | Float[Array, ""]
    ) -> Float[Array, ""]:
        """``strength`` times the term, on the units of a batch."""
        known = kernels(model)
        names = tuple(known)[:1] if self.layers is None else tuple(self.layers)
        outputs, selected = layer_outputs(model, images, names), kernels(model, names)
        tau = self.scale(progress)
        mus = [unit_memberships(outputs[name], selected[name], tau, self.temperature) for name in names]
        return -self.strength * jnp.concatenate([unit_information(mu) for mu in mus]).mean()


@dataclass(frozen=True)
class Own:
    """A term that is a function of one's own, static under jit."""

    function: Callable[..., Any]

    def __call__(
        self, model: Any, images: Float[AnyArray, "n h w c"], progress: float | Float[Array, ""]
    ) -> Array:
        """What the function gives."""
        return jnp.asarray(self.function(model, images, progress))


def _norm(squares: Array) -> Array:
    """The square root, whose derivative at 0 is 0 instead of infinite."""
    return jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)


def _taps(kernel: Float[Array, "... cout"]) -> Float[Array, " cout"]:
    """``||w||_1 / max abs w`` of each filter; 0 for one of zeros."""
    sizes = jnp.abs(kernel).reshape(-1, kernel.shape[-1])
    largest = sizes.max(0)
    return sizes.sum(0) / jnp.where(largest > 0, largest, 1)


def as_terms(got: Any) -> tuple[Term, ...]:
    """Terms as an objective keeps them: pytrees as they are, functions as static ``Own``.

    Raises TypeError for what is no sequence of terms.
    """
    if isinstance(got, str | type) or not isinstance(got, Iterable):
        raise TypeError(f"terms must be a sequence, such as [mm.terms.L2(1e-3)], got {got!r}")
    found = tuple(got)
    for one in found:
        if isinstance(one, type) or not callable(one):
            raise TypeError(
                "terms must be such as mm.terms.L2(1e-3), or functions of (model, images, progress), "
                f"got {one!r}"
            )
        if all_leaves([one]) and not isinstance(one, Hashable):
            raise TypeError(f"terms must be pytrees, or have a hash, got {one!r}, which has none")
    return tuple(Own(one) if all_leaves([one]) else one for one in found)


for _kind in (Fuzziness, L1, L2, L1MinusL2, EffectiveTaps, UnitFuzziness):
    register_pytree(_kind, ("strength",))
register_pytree(Own, ())
