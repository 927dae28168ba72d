"""The candidates of the search for a robust network: a defence, and a fuzziness term if wanted."""

from dataclasses import dataclass
from typing import Any, Literal

from minmax_jax.defences import TRADES, Adversarial
from minmax_jax.defences.recipe import optimiser
from minmax_jax.intervals import Membership
from minmax_jax.objective import Objective
from minmax_jax.study.design.condition import WARMUP
from minmax_jax.study.design.treatment import Treatment

EPS = 0.3  # radius of the attack that candidates are compared by


@dataclass(frozen=True)
class Candidate(Treatment):
    """A way to train a robust network: a defence of radius ``eps``, and a fuzziness term if wanted.

    ``beta`` is that of TRADES; fuzziness is read in the layer's interval, by entropy.
    """

    defence: Literal["adversarial", "trades"]
    eps: float = EPS
    beta: float = 6.0
    strength: float = 0.0
    membership: Membership = "signed"

    @property
    def name(self) -> str:
        """In words, such as "trades 0.3 beta 6"."""
        words = [self.defence, f"{self.eps:g}"]
        words += [f"beta {self.beta:g}"] if self.defence == "trades" else []
        words += [f"fuzziness {self.strength:g} {self.membership}"] if self.strength else []
        return " ".join(words)

    def training(self, steps: int) -> dict[str, Any]:
        """Arguments of ``fit`` for a run of so many steps; the optimiser is that of the recipes."""
        if self.defence == "trades":
            defence: Any = TRADES(self.eps, beta=self.beta, steps=10, warmup=WARMUP)
        else:
            defence = Adversarial(self.eps, steps=10, warmup=WARMUP)
        objective = Objective(self.strength, membership=self.membership, defence=defence)
        return {"objective": objective, "optimiser": optimiser(steps)}


CANDIDATES = (
    Candidate("adversarial"),
    Candidate("adversarial", eps=0.34),
    Candidate("trades"),
    Candidate("trades", eps=0.34),
    Candidate("trades", beta=3.0),
    Candidate("trades", beta=12.0),
    Candidate("trades", strength=10.0, membership="magnitude"),
    Candidate("trades", strength=-10.0, membership="signed"),
)
