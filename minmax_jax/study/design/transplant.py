"""The arms of the transplants: whose convolutions a network gets, and how its other layers are trained."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from minmax_jax.defences import TRADES
from minmax_jax.models.parameters import are_inside
from minmax_jax.objective import Objective
from minmax_jax.study.design.ablation import ABLATIONS, Ablation
from minmax_jax.study.design.condition import CONVOLUTIONS, STEPS, WARMUP, defence
from minmax_jax.study.design.treatment import Treatment
from minmax_jax.training import ADAM
from minmax_jax.training.optimisers import frozen

Kind = Literal["none", "fresh", "plain", "adversarial", "trades"]
Layers = Literal["none", "conv1", "conv2", "both", "all"]
Forbidden = Literal["nothing", "zeros", "biases"]
CHOSEN: Mapping[Layers, tuple[str, ...]] = {
    "none": (),
    "conv1": ("conv1",),
    "conv2": ("conv2",),
    "both": CONVOLUTIONS,
}
FLOOR = 0.101  # of the largest weight: just above what counts as near zero


def away_from_zero(parameters: Sequence[str], floor: float = FLOOR) -> optax.GradientTransformation:
    """Keeps every weight of a parameter at ``abs(w) >= floor max abs(w)`` after each step: no zeros.

    It goes last. A smaller weight is moved to the nearest weight allowed, which has its own sign; so one at
    the floor changes its sign only by a step longer than the floor.
    Identity: the projection on ``abs(w) >= floor m``, m the largest size after the step.
    """

    def kept(update: Array, weights: Array, chosen: bool) -> Array:
        if not chosen:
            return update
        new = weights + update
        least = floor * jnp.abs(new).max()
        return jnp.where(jnp.abs(new) < least, jnp.where(new < 0, -least, least), new) - weights

    def update(updates: Any, state: optax.EmptyState, params: Any = None) -> tuple[Any, optax.EmptyState]:
        chosen = jax.tree.unflatten(jax.tree.structure(params), are_inside(params, parameters))
        return jax.tree.map(kept, updates, params, chosen), state

    return optax.GradientTransformation(lambda _: optax.EmptyState(), update)


# One object each, so that all runs share a compilation.
FROZEN = {name: frozen(ADAM, layers) for name, layers in CHOSEN.items() if layers}
HELD: Mapping[Forbidden, optax.GradientTransformation] = {
    "zeros": optax.chain(ADAM, away_from_zero(["conv1.kernel"])),
    "biases": frozen(ADAM, [f"{layer}.bias" for layer in CONVOLUTIONS]),  # which begin at 0
}


@dataclass(frozen=True)
class Donor(Treatment):
    """A network that gives its convolutions: as drawn ("fresh"), or trained plainly or by a defence.

    "adversarial" is the adversarial training of the study at radius ``eps``, "trades" is TRADES with beta 6
    and the same attack and warm-up; "none" is no donor.
    """

    kind: Kind = "none"
    eps: float = 0.0

    @property
    def name(self) -> str:
        """In words, such as "adversarial 0.3"."""
        return f"{self.kind} {self.eps:g}" if self.eps else self.kind

    @property
    def is_trained(self) -> bool:
        """Whether there is a network, and it is not as it was drawn."""
        return self.kind not in ("none", "fresh")

    def training(self, steps: int = 0) -> dict[str, Any]:
        """Arguments of ``fit``: objective and optimiser, the same for any number of steps."""
        chosen: Any = None
        if self.kind == "adversarial":
            chosen = defence(self.eps)
        elif self.kind == "trades":
            chosen = TRADES(self.eps, steps=STEPS, warmup=WARMUP)
        return {"objective": Objective(defence=chosen), "optimiser": ADAM}


@dataclass(frozen=True)
class Transplant(Treatment):
    """A network with a donor's ``layers``, ablated and frozen, whose other layers are trained.

    ``eps`` > 0 trains them adversarially. "all" layers are the donor itself. In a network without a donor,
    ``forbidden`` "zeros" keeps every weight of conv1 above a tenth of the largest, and "biases" keeps those
    of both convolutions at 0.
    """

    prefix: ClassVar[str | None] = "transplanted_"

    donor: Donor = Donor()
    layers: Layers = "none"
    ablation: Ablation = "none"
    eps: float = 0.0
    forbidden: Forbidden = "nothing"

    @property
    def name(self) -> str:
        """In words, such as "adversarial 0.3, both, permuted"."""
        words = [self.donor.name]
        words += [self.layers] if self.layers != "none" else []
        words += [self.ablation] if self.ablation != "none" else []
        words += [f"eps {self.eps:g}"] if self.eps else []
        words += [f"no {self.forbidden}"] if self.forbidden != "nothing" else []
        return ", ".join(words)

    @property
    def facts(self) -> dict[str, Any]:
        """The fields by name, the donor by its own."""
        return asdict(self) | {"donor": self.donor.name}

    def training(self, steps: int = 0) -> dict[str, Any]:
        """Arguments of ``fit``: objective and optimiser, the same for any number of steps."""
        chosen = defence(self.eps) if self.eps else None
        optimiser = FROZEN.get(self.layers, HELD.get(self.forbidden, ADAM))
        return {"objective": Objective(defence=chosen), "optimiser": optimiser}


FRESH, PLAIN = Donor("fresh"), Donor("plain")
WEAKLY, STRONGLY, BY_TRADES = Donor("adversarial", 0.1), Donor("adversarial", 0.3), Donor("trades", 0.3)
TRANSPLANTED: tuple[Layers, ...] = ("conv1", "conv2", "both")


def whole(donors: Iterable[Donor]) -> tuple[Transplant, ...]:
    """The donors themselves, where they are trained, and their convolutions as they are."""
    return tuple(
        Transplant(donor, layers)
        for donor in donors
        for layers in (("all", *TRANSPLANTED) if donor.is_trained else TRANSPLANTED)
    )


ADVERSARIAL = Transplant(eps=STRONGLY.eps)  # what the arms of "necessity" are compared with
PARTS: Mapping[str, tuple[Transplant, ...]] = {
    # what of the convolutions of a strongly robust network does it
    "ablations": (
        Transplant(),
        *whole((STRONGLY,)),
        *(
            Transplant(STRONGLY, layers, ablation)
            for layers in ("both", "conv1")
            for ablation in ABLATIONS
            if ablation != "none"
        ),
    ),
    # whose convolutions do
    "donors": (Transplant(), *whole((FRESH, PLAIN, WEAKLY, BY_TRADES))),
    # what adversarial training reaches without what its convolutions usually become
    "necessity": (
        ADVERSARIAL,
        Transplant(PLAIN, "both", eps=STRONGLY.eps),
        replace(ADVERSARIAL, forbidden="zeros"),
        replace(ADVERSARIAL, forbidden="biases"),
    ),
}
FASHION_ARMS = (
    Transplant(),
    *whole((FRESH, PLAIN, WEAKLY)),
    Transplant(WEAKLY, "both", "permuted"),
    Transplant(WEAKLY, "both", "no bias"),
)
