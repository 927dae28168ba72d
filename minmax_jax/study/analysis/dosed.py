"""Findings on what adversarial training makes of convolutions, by its radius."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from minmax_jax.attacks.registry import WORST
from minmax_jax.study.analysis.finding import MEASURE, Finding, attacks_of, direction, number
from minmax_jax.study.analysis.verdict import Effect, effect
from minmax_jax.study.analysis.why import percent

if TYPE_CHECKING:
    import xarray as xr

SHOWN = "1_observation#Trained under attack"
UNLEARNED = "not judged, as a network did not learn"


def dosed(table: "xr.Dataset", name: str) -> list[Finding]:
    """What adversarial training does from the smallest radius to the largest, by variant.

    A row for each convolution, and one on robustness at the smallest radius of attack. Where a network
    trained at the largest radius is right on less than half of the images, nothing is judged.
    """
    found = []
    for variant in map(str, table.variant.values):
        cell = table.sel(variant=variant)
        learned = bool((cell.clean_accuracy > 0.5).all())
        for layer in map(str, cell.convolution.values):
            found.append(_near_zero(cell.sel(convolution=layer), f"{variant}, {layer}", name, learned))
        found.append(_withstood(cell, variant, attacks_of(table), name, learned))
    return found


def by_dose(values: "xr.DataArray") -> Float[np.ndarray, "dose seed"]:
    """Values by the radius of training and the seed."""
    return values.transpose("dose", "seed").values


def _near_zero(cell: "xr.Dataset", reading: str, name: str, learned: bool) -> Finding:
    """Whether a convolution's weights come near zero."""
    near = by_dose(cell.near_zero)
    taps = by_dose(cell.effective_taps).mean(1)
    fuzziness = cell.fuzziness.sel(reading="layer", measure=MEASURE)

    def change(membership: str) -> Effect:
        course = by_dose(fuzziness.sel(membership=membership))
        return effect(course[-1] - course[0])

    result = direction([effect(near[-1] - near[0])], falls="the opposite", rises="holds")
    return Finding(
        "Adversarial training takes weights near zero (the follow-up)",
        reading,
        result if learned else UNLEARNED,
        f"within a tenth of the largest {percent(effect(near[0]))} at eps {float(cell.dose[0]):g}, "
        f"{percent(effect(near[-1]))} at {float(cell.dose[-1]):g}; effective taps {taps[0]:.1f}, "
        f"{taps[-1]:.1f}; F by magnitude {number(change('magnitude'))}, signed {number(change('signed'))}",
        "none",
        cell.sizes["seed"],
        name,
        SHOWN,
    )


def _withstood(cell: "xr.Dataset", reading: str, attack: str, name: str, learned: bool) -> Finding:
    """Whether robustness grows with the radius of training while fewer units can be switched."""
    eps = float(cell.eps[0])
    worst = by_dose(cell.accuracy.sel(attack=WORST).isel(eps=0))
    switched = by_dose(cell.unstable_boxed.isel(eps=0).where(cell.live).mean("filter"))
    gains = [effect(worst[-1] - worst[0]), effect(switched[0] - switched[-1])]
    rows = zip(cell.dose.values.tolist(), worst, switched, strict=True)
    return Finding(
        f"The larger the radius of training, the more withstand eps {eps:g}, and the fewer units it switches",
        reading,
        direction(gains, falls="the opposite", rises="holds") if learned else UNLEARNED,
        "withstand, and switched of live units of conv1: "
        + "; ".join(
            f"at {radius:g} {percent(effect(own))}, {percent(effect(units))}" for radius, own, units in rows
        ),
        attack,
        cell.sizes["seed"],
        name,
        SHOWN,
    )
