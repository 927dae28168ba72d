"""Findings on whether the Min-Max property holds, in plain and in adversarial training."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.study.analysis.finding import MEASURE, Finding, by_layer, counted
from minmax_jax.study.analysis.verdict import Effect, attack_effects, effect_of, learned, minmax_effects
from minmax_jax.study.design.condition import CONVOLUTIONS, REFERENCE
from minmax_jax.study.experiments import observation

if TYPE_CHECKING:
    import xarray as xr

SHOWN = "1_observation#Not one run, but many"
UNDER_ATTACK = "1_observation#Trained under attack"
CHANCE = {"walk": "random steps", "displaced": "displacements"}
CONTROLLED = (("layer", "signed"), ("layer", "magnitude"), ("fixed", "signed"))  # readings shown of controls


def held(table: "xr.Dataset", name: str) -> list[Finding]:
    """Whether the property holds, by each reading and membership, over all conditions that learned.

    ``table`` is the result ``name``, of plain training or of training under attack. Effects are those of the
    first condition that learned; with a network that diverged it did not. None where no condition did.
    """
    effects = minmax_effects(table, MEASURE)
    learning = learned(table, effects)
    names = [str(one) for one in effects.condition.values[learning]]
    if not names:
        return []
    first = names[0]
    under, shown = ("under attack ", UNDER_ATTACK) if name == observation.ATTACKED else ("", SHOWN)
    chance = " and ".join(CHANCE[null] for null in effects.nulls)
    found = []
    for place in _readings(effects):
        cell = effects.sel(place | {"layer": list(CONVOLUTIONS)})
        holds = cell.holds.all("layer").values[learning]
        parts = {layer: _change(cell.sel(layer=layer, condition=first)) for layer in CONVOLUTIONS}
        found.append(
            Finding(
                f"Training {under}lowers fuzziness, and by more than {chance} of the same size",
                ", ".join(place.values()),
                counted(holds, "conditions", names),
                f"F on {first}: {by_layer(parts)}",
                "none",
                table.sizes["seed"],
                name,
                shown,
            )
        )
    return found


def controls(table: "xr.Dataset") -> list[Finding]:
    """The same numbers where there is nothing to learn, with weights that decay, and in dense layers."""
    effects = minmax_effects(table, MEASURE)
    chosen = {
        "random labels": (replace(REFERENCE, labels="random"), CONVOLUTIONS),
        "weight decay": (replace(REFERENCE, optimiser="adamw"), CONVOLUTIONS),
        "dense layers": (REFERENCE, ("dense1", "dense2")),
    }
    found = []
    for control, (one, layers) in chosen.items():
        if one.name not in effects.condition.values:  # in a quick run
            continue
        for reading, membership in CONTROLLED:
            place = {"condition": one.name, "reading": reading, "membership": membership}
            cells = {layer: effects.sel(place | {"layer": layer}) for layer in layers}
            found.append(
                Finding(
                    f"Control, {control}: training lowers fuzziness",
                    f"{reading}, {membership}",
                    counted(np.array([bool(cell.holds) for cell in cells.values()]), "layers"),
                    by_layer({layer: _change(cell) for layer, cell in cells.items()}),
                    "none",
                    table.sizes["seed"],
                    observation.NAME,
                    SHOWN,
                )
            )
    return found


def hardened(plain: "xr.Dataset", attacked: "xr.Dataset") -> list[Finding]:
    """Whether training under attack leaves weights less fuzzy than plain training from the same start.

    By reading and membership, over the conditions of ``attacked``, each with its twin in ``plain``: F at the
    end, paired by seed. A condition counts where the intervals of both convolutions lie on one side of 0;
    conditions with a network that diverged are left out.
    """
    effects = attack_effects(plain, attacked, MEASURE).sel(layer=list(CONVOLUTIONS))
    effects = effects.sel(condition=effects["mean"].notnull().all(("layer", "reading", "membership")))
    found = []
    for place in _readings(effects):
        cell = effects.sel(place)
        lower, higher = (cell.high < 0).all("layer"), (cell.low > 0).all("layer")
        shown = []
        for condition in cell.condition.values:
            eps = float(attacked.eps.sel(condition=condition))
            if condition == replace(REFERENCE, eps=eps).name:
                own = cell.sel(condition=condition)
                parts = {layer: effect_of(own.sel(layer=layer)) for layer in CONVOLUTIONS}
                shown.append(f"at eps {eps:g} {by_layer(parts)}")
        found.append(
            Finding(
                "Weights trained under attack end less fuzzy than plainly trained ones",
                ", ".join(place.values()),
                f"lower in {int(lower.sum())}, higher in {int(higher.sum())} of {lower.size} conditions",
                f"F on {REFERENCE.name} {'; '.join(shown)}",
                "none",
                plain.sizes["seed"],
                observation.ATTACKED,
                UNDER_ATTACK,
            )
        )
    return found


def _readings(effects: "xr.Dataset") -> Iterator[dict[str, str]]:
    for reading in effects.reading.values:
        for membership in effects.membership.values:
            yield {"reading": str(reading), "membership": str(membership)}


def _change(cell: "xr.Dataset") -> Effect:
    """The change of fuzziness out of a cell of ``minmax_effects``."""
    return Effect(
        cell.change.values, cell.change_low.values, cell.change_high.values, cell.change_size.values
    )
