"""Findings on what penalties do to robustness."""

from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.intervals import MEMBERSHIPS
from minmax_jax.study.analysis.cause import (
    adversarial_training_effect,
    changed_fuzziness,
    defended_arms,
    own_fuzziness,
    paired,
    rank_correlation,
    robust_accuracy,
)
from minmax_jax.study.analysis.finding import (
    MEASURE,
    Finding,
    attacks_of,
    by_layer,
    direction,
    number,
    points,
    robustness_change,
)
from minmax_jax.study.analysis.verdict import effect, effect_of
from minmax_jax.study.design.arm import PAIR, Arm, arms_of
from minmax_jax.study.design.condition import CONVOLUTIONS
from minmax_jax.study.experiments import confirmation

if TYPE_CHECKING:
    import xarray as xr

CAUSE = "3_robustness#Cause or companion?"
DEFENDED = "3_robustness#On top of adversarial training"


def penalty_effects(table: "xr.Dataset", name: str) -> list[Finding]:
    """What fuzziness terms and their controls did to accuracy under the strongest attack, at eps 0.1.

    A row for each arm that is shown: all of a confirmation; of the regularisation one strength to each side
    by both memberships, the most robust of each penalty, with and without regard to clean accuracy, and all
    on top of adversarial training. Then three on all arms of the regularisation together. F is by the arm's
    own reading, for other penalties by both memberships.
    """
    attack = attacks_of(table)
    change, fuzzier = paired(table, robust_accuracy(table)), own_fuzziness(table)
    signed, magnitude = (changed_fuzziness(table, membership) for membership in MEMBERSHIPS)
    clean = paired(table, table.clean_accuracy)
    shown = arms_of(table) if name in confirmation.CHOSEN_FROM else _shown(table)
    found = []
    for arm in arms_of(table):
        if arm.name not in change.arm.values or arm not in shown:
            continue
        robustness, cost = (effect(one.sel(arm=arm.name).values) for one in (change, clean))
        pushes = arm.penalty == "fuzziness"
        by = {"": fuzzier} if pushes else {"signed ": signed, "by magnitude ": magnitude}
        parts = [f"{how}{number(effect(one.sel(arm=arm.name).values))}" for how, one in by.items()]
        found.append(
            Finding(
                _claim(arm),
                _reading(arm),
                robustness_change(robustness),
                f"accuracy under attack {points(robustness)}, clean {points(cost)}, F {', '.join(parts)}",
                f"{attack}, eps 0.1",
                table.sizes["seed"],
                name,
                _section(arm, name),
            )
        )
    if name not in confirmation.CHOSEN_FROM and change.sizes["arm"] > 2:  # a few chosen arms say nothing
        readings = {"layer, signed": signed, "layer, magnitude": magnitude, "each by its own": fuzzier}
        for reading, values in readings.items():
            correlation = rank_correlation(values.mean("seed").values, change.mean("seed").values)
            found.append(
                Finding(
                    f"The less fuzzy, the more robust, over all {change.sizes['arm']} arms",
                    reading,
                    "supported" if correlation < -0.5 else "not supported",
                    f"rank correlation of F and accuracy under attack {correlation:+.2f}",
                    f"{attack}, eps 0.1",
                    table.sizes["seed"],
                    name,
                    CAUSE,
                )
            )
    return found


def trained_under_attack(table: "xr.Dataset", name: str) -> list[Finding]:
    """What adversarial training alone does to the L1 norm of the convolutions."""
    arms = defended_arms(table)
    if not arms:
        return []
    norms = np.log(table.l1.sel(layer=list(CONVOLUTIONS)).rename(layer="convolution"))
    outcome = adversarial_training_effect(table, norms)
    found = []
    for arm in arms:
        own = outcome.sel(arm=arm.name)
        parts = {layer: effect_of(own.sel(convolution=layer)) for layer in CONVOLUTIONS}
        found.append(
            Finding(
                f"Adversarial training at eps {arm.eps:g} lowers the L1 norm of convolutions (statement 5)",
                "its logarithm",
                direction(list(parts.values()), falls="holds", rises="the opposite"),
                by_layer(parts),
                "none",
                table.sizes["seed"],
                name,
                DEFENDED,
            )
        )
    return found


def _shown(table: "xr.Dataset") -> set[Arm]:
    usual = ("fuzziness", "layer", MEASURE)
    found = {
        arm
        for arm in arms_of(table)
        if arm.eps or ((arm.penalty, arm.reading, arm.measure) == usual and abs(arm.strength) == PAIR[1])
    }
    if Arm() in arms_of(table):
        found |= {*confirmation.choose(table), *confirmation.choose(table, sacrifice=1.0)}
    return found


def _claim(arm: Arm) -> str:
    if arm.penalty != "fuzziness":
        return f"Control: a penalty on {'absolute' if arm.penalty == 'l1' else 'squared'} weights"
    towards = "lower" if arm.strength > 0 else "higher"
    return f"A term for {towards} fuzziness makes a network more robust"


def _reading(arm: Arm) -> str:
    trained = f", adversarial training at {arm.eps:g}" if arm.eps else ""
    if arm.penalty != "fuzziness":
        return f"{arm.penalty} {arm.strength:g}{trained}"
    return f"{arm.reading}, {arm.membership}, {arm.measure}, lambda {arm.strength:g}{trained}"


def _section(arm: Arm, name: str) -> str:
    """Where the row of an arm is shown."""
    if name in confirmation.CHOSEN_FROM:
        return "3_robustness#Confirmed on other images"
    if arm.eps:
        return DEFENDED
    return "3_robustness#Less fuzziness of weights" if arm.penalty == "fuzziness" else CAUSE
