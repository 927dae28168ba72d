"""Findings on whether the Min-Max property holds, in plain and in adversarial training."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.study.analysis.finding import MEASURE, Finding, by_layer, counted
from minmax_jax.study.analysis.verdict import Effect, learned, minmax_effects
from minmax_jax.study.design.condition import CONVOLUTIONS, REFERENCE
from minmax_jax.study.experiments import observation

if TYPE_CHECKING:
    import xarray as xr

SHOWN = "1_observation#Not one run, but many"
CHANCE = {"walk": "random steps", "displaced": "displacements"}
CONTROLLED = (("layer", "signed"), ("layer", "magnitude"), ("fixed", "signed"))  # readings shown of controls


def held(table: "xr.Dataset") -> list[Finding]:
    """Whether the property holds, by each reading and membership, over all conditions that learned.

    Effects are those of the first condition that learned; with a network that diverged it did not. None where
    no condition did.
    """
    effects = minmax_effects(table, MEASURE)
    learning = learned(table, effects)
    names = [str(one) for one in effects.condition.values[learning]]
    if not names:
        return []
    first = names[0]
    chance = " and ".join(CHANCE[null] for null in effects.nulls)
    found = []
    for place in _readings(effects):
        cell = effects.sel(place | {"layer": list(CONVOLUTIONS)})
        holds = cell.holds.all("layer").values[learning]
        parts = {layer: _change(cell.sel(layer=layer, condition=first)) for layer in CONVOLUTIONS}
        found.append(
            Finding(
                f"Training lowers fuzziness, and by more than {chance} of the same size",
                ", ".join(place.values()),
                counted(holds, "conditions", names),
                f"F on {first}: {by_layer(parts)}",
                "none",
                table.sizes["seed"],
                observation.NAME,
                SHOWN,
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


def _readings(effects: "xr.Dataset") -> Iterator[dict[str, str]]:
    for reading in effects.reading.values:
        for membership in effects.membership.values:
            yield {"reading": str(reading), "membership": str(membership)}


def _change(cell: "xr.Dataset") -> Effect:
    """The change of fuzziness out of a cell of ``minmax_effects``."""
    return Effect(
        cell.change.values, cell.change_low.values, cell.change_high.values, cell.change_size.values
    )
