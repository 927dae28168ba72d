"""Crisp convolutions: is a network robust whose first one is made so by hand, or by a term of the loss?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from minmax_jax.attacks.registry import WORST
from minmax_jax.lenet import LeNet
from minmax_jax.models.pixels import OnPixels
from minmax_jax.robustness.masking import CHECKS
from minmax_jax.study.design.condition import REFERENCE
from minmax_jax.study.design.crisp import BY_HAND, BY_LOSS, HAND_LIMITS, LOSS_LIMITS, Found, Made
from minmax_jax.study.design.data import images_of
from minmax_jax.study.engine.experiment import Arrays, Tell, fitted
from minmax_jax.study.engine.runner import check
from minmax_jax.study.experiments import filters, measurements
from minmax_jax.study.experiments.confirmation import SACRIFICE
from minmax_jax.study.experiments.factorial import Factorial, Layout, Plan, Variable, stored
from minmax_jax.study.experiments.rival import rival

if TYPE_CHECKING:
    import xarray as xr

HAND, LOSS, CONFIRMED = "crisp_by_hand", "crisp_by_loss", "crisp_confirmed"
FASHION = {one: f"{one}_fashion_mnist" for one in (HAND, LOSS)}
QUESTIONS = {
    HAND: "Is a network robust whose first convolution has few taps and thresholds between dark and bright?",
    LOSS: "Does a term of the loss find such a convolution from random weights, without attacks?",
    CONFIRMED: "How robust is what that term finds, on test images, from other seeds?",
    FASHION[HAND]: "How far does a convolution made by hand carry where pixels are not nearly binary?",
    FASHION[LOSS]: "How far does the term carry where pixels are not nearly binary?",
}
VARIABLES = {
    **filters.VARIABLES,
    **filters.KEPT,
    **{name: measurements.VARIABLES[name] for name in ("clean_accuracy", "accuracy", "masking")},
    "finished": Variable((), "whether training came to its end, without diverging"),
}


@dataclass(frozen=True, kw_only=True)
class Crisp(Factorial):
    """How much is tried: which networks (``arms``), from which seeds, how long, and on how many images.

    All is measured on the ``part`` of the data: clean accuracy on all of it, units on the first images, and
    accuracy under attack on some, which are others for each seed.
    """

    crossed = ("arms", "seeds")

    arms: tuple[Made | Found, ...]
    seeds: tuple[int, ...] = tuple(range(5))
    part: Literal["validation", "test"] = "validation"
    epochs: int = 5
    images: int = stored("attacked images of each seed", 48)
    looked_at: int = stored("images whose units are looked at", 1000)
    attacks: tuple[str, ...] = ("pgd", "autoattack")
    eps: tuple[float, ...] = (0.1, 0.2, 0.3)
    checks: bool = stored("checks for masking", True)
    chosen_by: str | None = stored("chosen by", None)  # the checksum of a result

    @property
    def datasets(self) -> Sequence[str]:
        """The name of the data set that all arms learn."""
        return list(dict.fromkeys(arm.dataset for arm in self.arms)) or [REFERENCE.dataset]

    def cost(self, arm: Made | Found, _: int) -> float:
        """Attacks that find nothing take longer."""
        return 1.0 if arm.name.endswith(("plain", "none")) else 2.0

    def work(self, arm: Made | Found, seed: int, folder: Path, tell: Tell) -> Arrays:
        """Train and measure one network; one that diverges is measured as it last was, ``finished`` 0."""
        model, finished = fitted(
            arm.model(seed, self.small),
            self.data.data,
            tell,
            0.4,
            epochs=self.epochs,
            seed=seed,
            **arm.training(),
        )
        part = self.data.validation if self.part == "validation" else self.data.data.test
        attacked = images_of(part, seed, self.seeds, self.images)
        other = rival(self.datasets[0], self.small) if self.checks else None
        inner = model.network if isinstance(model, OnPixels) else model
        assert isinstance(inner, LeNet)
        units = filters.measure(inner, part.images[: self.looked_at], self.eps)
        if inner is not model:  # eps is a radius for pixels, and its units see others
            units |= {name: np.full_like(units[name], np.nan) for name in ("unstable", "unstable_boxed")}
        found = measurements.strongly(model, part, attacked, self.eps, self.attacks, seed, other)
        return units | filters.kept(inner) | found | {"finished": np.array(finished)}

    def layout(self, found: Sequence[Arrays]) -> Layout:
        """What the convolutions are, and accuracies."""
        return VARIABLES, {
            **filters.labels(self.eps),
            "attack": [*self.attacks, WORST],
            "check": list(CHECKS),
        }


def best(table: "xr.Dataset") -> str:
    """The name of the most robust network of ``crisp_by_loss`` at eps 0.1, of equals at all radii.

    By the means over seeds, of the arms that finished training from every seed, and whose clean accuracy is
    at most half a point below that of the plain network of their variant.
    """
    worst, clean = (one.mean("seed") for one in (table.accuracy.sel(attack=WORST), table.clean_accuracy))
    finished = table.finished.all("seed")

    def rank(name: str) -> tuple[float, float]:
        row = worst.sel(arm=name)
        return float(row.isel(eps=0)), float(row.mean())

    names = [
        arm.name
        for arm in BY_LOSS
        if arm.name in table.arm.values
        and finished.sel(arm=arm.name)
        and clean.sel(arm=arm.name) >= clean.sel(arm=Found(variant=arm.variant).name) - SACRIFICE
    ]
    return max(names, key=rank)


def _complete(setting: Crisp, folder: Path, quick: bool) -> Crisp:
    """The setting with the best arm, and the plain network; the result of the choice has to be there."""
    table = check(folder / f"{LOSS}.nc", PLANS[LOSS].experiment(folder, quick))
    chosen = {arm.name: arm for arm in BY_LOSS}[best(table)]
    arms = tuple(dict.fromkeys((Found(variant=chosen.variant), chosen)))
    return replace(setting, arms=arms, chosen_by=table.attrs["checksum"])


def _quick(setting: Crisp) -> Crisp:
    few = setting.arms[:3]
    return replace(
        setting,
        arms=few,
        seeds=setting.seeds[:2],
        epochs=1,
        images=8,
        attacks=("pgd",),
        checks=False,
        small=True,
    )


FULL = {
    HAND: Crisp(arms=BY_HAND),
    LOSS: Crisp(arms=BY_LOSS),
    # Longer: after 5 epochs the slopes of the thresholds still grow, and so does clean accuracy.
    CONFIRMED: Crisp(arms=(), part="test", seeds=tuple(range(100, 105)), epochs=20, images=200),
    FASHION[HAND]: Crisp(arms=HAND_LIMITS, eps=(0.05, 0.1, 0.2)),
    FASHION[LOSS]: Crisp(arms=LOSS_LIMITS, eps=(0.05, 0.1, 0.2)),
}
COMPLETE = {CONFIRMED: {"complete": _complete}}
PLANS = {
    name: Plan(name, QUESTIONS[name], full, _quick(full), **COMPLETE.get(name, {}))
    for name, full in FULL.items()
}
