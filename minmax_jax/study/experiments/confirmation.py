"""Confirmation: the best of the regularised networks, chosen on validation images, once on test images."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from minmax_jax.attacks.registry import WORST
from minmax_jax.study.design.arm import Arm, arms_of
from minmax_jax.study.engine.runner import check
from minmax_jax.study.experiments import regularisation
from minmax_jax.study.experiments.factorial import Plan
from minmax_jax.study.experiments.regularisation import FULL, NAMES, QUICK, Regularisation

if TYPE_CHECKING:
    import xarray as xr

NAME = "confirmation"
QUESTION = "Does the best fuzziness term make a network more robust on images it was not chosen by?"
# Parts of the regularisation that the arms of each are chosen from. Once it is chosen, it stays so.
CHOSEN_FROM = {NAME: ("strengths", "readings", "norms"), f"{NAME}_weak": ("weak",)}
SACRIFICE = 0.005  # of clean accuracy, below which an arm counts as equally accurate
RADIUS = 0.1  # at which arms are compared
SEEDS = tuple(range(100, 105))  # others than those of the choice
IMAGES = 128  # test images of each seed


def choose(table: "xr.Dataset", sacrifice: float = SACRIFICE) -> tuple[Arm, ...]:
    """The arms to confirm: no penalty, and the most robust arm of each penalty that costs no accuracy.

    By the means over seeds on the images of ``table``, the result of the regularisation: of each penalty
    (fuzziness down, fuzziness up, L1, L2), without adversarial training, the arm with the highest worst-case
    accuracy at eps 0.1 (of equals, over all radii) among those that finished training from every seed, and
    whose clean accuracy is at most ``sacrifice`` below that of no penalty; none where there is none. Bases of
    the chosen arms are among them. A penalty with more arms has more to choose from.
    """
    clean = table.clean_accuracy.mean("seed")
    worst = table.accuracy.sel(attack=WORST).mean("seed")
    finished = table.finished.all("seed")

    def rank(one: Arm) -> tuple[float, float]:
        row = worst.sel(arm=one.name)
        return float(row.sel(eps=RADIUS, method="nearest")), float(row.mean())

    least = float(clean.sel(arm=Arm().name)) - sacrifice
    known = [one for one in arms_of(table) if not one.eps and one.penalty != "none"]
    kinds: dict[tuple[str, bool], list[Arm]] = {}
    for one in known:
        if finished.sel(arm=one.name) and float(clean.sel(arm=one.name)) >= least:
            kinds.setdefault((one.penalty, one.strength > 0), []).append(one)
    best = [max(group, key=rank) for group in kinds.values()]
    return tuple(dict.fromkeys([Arm(), *(one.base for one in best), *best]))


def _plan(name: str) -> Plan:
    """A confirmation; the results of the parts that it chooses from have to be in the folder."""

    def complete(setting: Regularisation, folder: Path, quick: bool) -> Regularisation:
        names = [NAMES[part] for part in NAMES if part in CHOSEN_FROM[name]]
        plans = [regularisation.PLANS[one].experiment(folder, quick) for one in names]
        tables = [check(folder / f"{one.name}.nc", one) for one in plans]
        checksums = tuple(one.attrs["checksum"] for one in tables)
        return replace(setting, arms=choose(regularisation.together(tables)), chosen_by=checksums)

    full = replace(FULL, part="test", seeds=SEEDS, images=IMAGES)
    quick = replace(QUICK, part="test", seeds=SEEDS[: len(QUICK.seeds)])
    return Plan(name, QUESTION, full, quick, complete)


PLANS = {name: _plan(name) for name in CHOSEN_FROM}
