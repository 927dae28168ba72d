"""The setting of the paper's group rebuilt: its network, its optimiser, its two ways to robustness.

Facts are those of the first author's public code (design, section 1). The term there goes with a loss that
also weighs classes, by networks that each protect one class, and the numbers told are of that class; what is
rebuilt here is the term beside plain cross-entropy, and all classes count.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.losses import ascent
from minmax_jax.attacks.losses import cross_entropy as of_each
from minmax_jax.defences.adversarial import frozen
from minmax_jax.evaluation import Model
from minmax_jax.jobs.once import once
from minmax_jax.lenet import LeNet
from minmax_jax.models.logits import logits_of
from minmax_jax.models.pixels import OnPixels, Standardised
from minmax_jax.objective import Measured, Objective, cross_entropy
from minmax_jax.study.design.data import study_data
from minmax_jax.study.design.transplant import CHOSEN
from minmax_jax.study.design.treatment import Treatment
from minmax_jax.terms import L1MinusL2

DATASET = "mnist"
BATCH_SIZE = 64
DECAY = 0.95  # of Adam's learning rate, an epoch
EPS = 0.0924  # 0.3 of a deviation of 0.3081, in pixel units

Layers = Literal["none", "conv1", "conv2", "both"]


@once  # one object for equal runs, so that they share a compilation
def decaying(epoch: int) -> optax.GradientTransformation:
    """Adam at 1e-3, and 0.95 times as much after each epoch of so many steps."""
    return optax.adam(optax.exponential_decay(1e-3, epoch, DECAY, staircase=True))


def unclipped(
    model: Model, images: Float[Array, "n h w c"], labels: Int[Array, " n"], eps: float
) -> Float[Array, "n h w c"]:
    """FGSM as the group has it: ``x + eps sign(grad_x CE)``, which may leave [0, 1]."""
    return images + eps * jnp.sign(ascent(model, images, lambda logits: of_each(logits, labels)))


@dataclass(frozen=True)
class InTurn:
    """A clean step and an attacked one in turn: ``CE(f(x), y)``, then ``CE(f(unclipped FGSM of x), y)``.

    ``steps`` are those of the run. The group takes both steps on the same batch; here the attacked one is on
    the next batch, so that a run of twice the epochs has as many steps of each kind, and of its learning
    rate, as theirs. One step on the mean of both losses would be half as many.
    """

    eps: float
    steps: int

    def __call__(
        self,
        model: Model,
        images: Float[Array, "n h w c"],
        labels: Int[Array, " n"],
        progress: float | Float[Array, ""],
        key: Array,
    ) -> Measured:
        """The loss of a batch: see ``mm.Objective``."""
        fixed, is_attacked = frozen(model), jnp.round(progress * self.steps) % 2 == 1
        seen = lax.cond(is_attacked, lambda: unclipped(fixed, images, labels, self.eps), lambda: images)
        logits = logits_of(model, lax.stop_gradient(seen))
        fit = cross_entropy(logits, labels)
        return Measured(fit, fit, (logits.argmax(-1) == labels).mean())


@dataclass(frozen=True)
class Rebuilt(Treatment):
    """The group's LeNet trained as the group does: plainly, by FGSM in turn, or with its term.

    ``layers`` and ``strength`` are those of ``mm.terms.L1MinusL2``. A network that is ``tuned`` starts from
    the plain one of 10 epochs instead of random weights, with the optimiser anew.
    """

    prefix: ClassVar[str | None] = "rebuilt_"

    by: Literal["plain", "fgsm", "l1 - l2"] = "plain"
    strength: float = 0.0
    layers: Layers = "none"
    epochs: int = 10
    tuned: bool = False

    @property
    def name(self) -> str:
        """In words, such as "l1 - l2 0.1, conv1, tuned, 10 epochs"."""
        words = [f"{self.by} {self.strength:g}" if self.strength else self.by]
        words += [self.layers] if self.layers != "none" else []
        return ", ".join([*words, *(["tuned"] if self.tuned else []), f"{self.epochs} epochs"])

    @property
    def start(self) -> "Rebuilt | None":
        """What the network starts from, None for random weights."""
        return PLAIN if self.tuned else None

    @property
    def passes(self) -> int:
        """Epochs of ``fit``: with steps in turn, two make one of the group's."""
        return self.epochs * (2 if self.by == "fgsm" else 1)

    def model(self, seed: int, small: bool = False) -> OnPixels:
        """The network before any training: images are standardised in it."""
        data = study_data(DATASET, small).data
        network = LeNet(data.image_shape, data.classes, initialiser="torch", rngs=nnx.Rngs(seed))
        return OnPixels(network, Standardised())

    def training(self, steps: int) -> dict[str, Any]:
        """Arguments of ``fit`` for a run of so many steps, in ``passes`` epochs: objective and optimiser."""
        layers = [f"network.{name}" for name in CHOSEN[self.layers]]
        terms = (L1MinusL2(self.strength, layers),) if layers else ()
        defence = InTurn(EPS, steps) if self.by == "fgsm" else None
        return {
            "objective": Objective(defence=defence, terms=terms),
            "optimiser": decaying(steps // self.epochs),
        }


PLAIN = Rebuilt()
FGSM = Rebuilt("fgsm")
STRENGTHS = (0.01, 0.1, 1.0)  # the last is the group's
PENALISED: tuple[Layers, ...] = ("conv1", "conv2", "both")
TERMS = tuple(Rebuilt("l1 - l2", strength, layers) for strength in STRENGTHS for layers in PENALISED)
LONG = tuple(replace(arm, epochs=30) for arm in (PLAIN, FGSM, Rebuilt("l1 - l2", 1.0, "conv1")))
ARMS = (
    PLAIN,
    FGSM,
    *TERMS,
    # By design, to keep the time: only the group's strength is tuned, beside the plain network as a control,
    # and only three networks learn for 30 epochs.
    *(replace(arm, tuned=True) for arm in (PLAIN, *TERMS[-len(PENALISED) :])),
    *LONG,
)
