"""The findings of the study in one table, read from its results."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.attacks.named import WORST
from minmax_jax.study import confirmation, observation, regularisation, robust, theory
from minmax_jax.study.agreement import agreement
from minmax_jax.study.condition import CONVOLUTIONS, REFERENCE
from minmax_jax.study.finding import Finding, counted, direction, number
from minmax_jax.study.penalised import MEASURE, explanations, regularised, trained_under_attack
from minmax_jax.study.result import read
from minmax_jax.study.verdict import Effect, effect, learned, minmax_effects

if TYPE_CHECKING:
    import xarray as xr

CONTROLLED = (("layer", "signed"), ("layer", "magnitude"), ("fixed", "signed"))  # readings shown of controls


def findings(folder: Path) -> list[Finding]:
    """All findings of the results in ``folder``; what is not there is left out."""
    tables = {file.stem: read(file) for file in sorted(folder.glob("*.nc"))}
    found: list[Finding] = []
    if (plain := tables.get(observation.NAME)) is not None:
        found += observed(plain) + controls(plain)
        if (attacked := tables.get(observation.ATTACKED)) is not None:
            found += hardened(plain, attacked)
    if (practice := tables.get(theory.NAME)) is not None:
        found += predicted(practice)
    if parts := [tables[name] for name in regularisation.NAMES.values() if name in tables]:
        table = regularisation.together(parts)
        found += regularised(table, regularisation.NAME) + explanations(table, regularisation.NAME)
        found += trained_under_attack(table, regularisation.NAME)
    if (again := tables.get(confirmation.NAME)) is not None:
        found += regularised(again, confirmation.NAME)
    if (best := tables.get(robust.NAME)) is not None:
        found += [most_robust(best)]
    return found


def observed(table: "xr.Dataset") -> list[Finding]:
    """Whether the Min-Max property holds, by each reading and membership, over all trained conditions."""
    effects = minmax_effects(table, MEASURE)
    learning = learned(table, effects)
    found = []
    for reading in table.reading.values:
        for membership in table.membership.values:
            cell = effects.sel(reading=reading, membership=membership, layer=list(CONVOLUTIONS))
            holds = cell.holds.all("layer").values[learning]
            parts = [
                f"{layer} {number(_change(cell.sel(layer=layer, condition=REFERENCE.name)))}"
                for layer in CONVOLUTIONS
            ]
            found.append(
                Finding(
                    "Training lowers fuzziness, and by more than random steps of the same size",
                    f"{reading}, {membership}",
                    counted(holds, "conditions"),
                    f"F on MNIST with Adam: {', '.join(parts)}",
                    "none",
                    table.sizes["seed"],
                    observation.NAME,
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
                    ", ".join(f"{layer} {number(_change(cell))}" for layer, cell in cells.items()),
                    "none",
                    table.sizes["seed"],
                    observation.NAME,
                )
            )
    return found


def _change(cell: "xr.Dataset") -> Effect:
    """The change of fuzziness out of a cell of ``minmax_effects``."""
    return Effect(
        cell.change.values, cell.change_low.values, cell.change_high.values, cell.change_size.values
    )


def hardened(plain: "xr.Dataset", attacked: "xr.Dataset") -> list[Finding]:
    """Whether adversarial training leaves weights less fuzzy than plain training from the same start."""
    found = []
    for condition, eps in zip(attacked.condition.values, attacked.eps.values, strict=True):
        twin = str(condition).removesuffix(f" eps {eps:g}")
        for membership in plain.membership.values:
            parts = []
            for layer in CONVOLUTIONS:
                place = {"layer": layer, "reading": "layer", "membership": membership, "measure": MEASURE}
                last = [
                    one.fuzziness.sel(condition=name, **place).isel(snapshot=-1)
                    for one, name in ((attacked, condition), (plain, twin))
                ]
                parts.append((layer, effect((last[0] - last[1]).values)))
            found.append(
                Finding(
                    f"Adversarial training at eps {eps:g} lowers fuzziness ({twin})",
                    f"layer, {membership}",
                    direction([one for _, one in parts], falls="holds", rises="the opposite"),
                    ", ".join(f"{layer} {number(one)}" for layer, one in parts),
                    "none",
                    plain.sizes["seed"],
                    observation.ATTACKED,
                )
            )
    return found


def predicted(table: "xr.Dataset") -> list[Finding]:
    """The statements of the theory, in trained networks."""
    seeds, name = table.sizes["seed"], theory.NAME
    error = float(np.maximum(table.identity_magnitude, table.identity_signed).max())
    found = [
        Finding(
            "L1 norm = energy / cap + n cap F / 4, and its signed counterpart (statement 4)",
            "filter, magnitude; layer, signed",
            "holds",
            f"largest error {error:.0e}",
            "none",
            seeds,
            name,
        )
    ]
    shares = agreement(table)
    for layer in CONVOLUTIONS:
        of_all = float(shares.agree.sel(layer=layer).mean())
        share = shares.steadiest.sel(layer=layer).values
        found.append(
            Finding(
                "A weight goes against its loss gradient, the surer the steadier its sign (statement 3)",
                layer,
                "holds" if share.min() > max(0.9, of_all) else "holds in part",
                f"of all weights {of_all:.0%} do, of the tenth with the steadiest sign "
                f"{share.mean():.0%} ({share.min():.0%} to {share.max():.0%})",
                "none",
                seeds,
                name,
            )
        )
    return found + [_flow(table, layer) for layer in CONVOLUTIONS]


def _flow(table: "xr.Dataset", layer: str) -> Finding:
    """Statement 2: how much of the paths of memberships the gradient flow of fuzziness alone explains."""
    shares = table.explained.sel(flow=MEASURE, layer=layer).mean("seed")
    known = [one for one in shares.strength.values if one and np.isfinite(shares.sel(strength=one))]
    return Finding(
        "A strong fuzziness term moves weights as its gradient flow alone would (statement 2)",
        f"{layer}, fixed, signed, {MEASURE}",
        "holds" if float(shares.sel(strength=known[-1])) > 0.9 else "does not hold",
        "R^2 of memberships "
        + ", ".join(f"{float(shares.sel(strength=one)):.2f} at lambda {one:g}" for one in known),
        "none",
        table.sizes["seed"],
        theory.NAME,
    )


def most_robust(table: "xr.Dataset") -> Finding:
    """The accuracy of the most robust LeNet-5 under the strongest attack, at the largest radius."""
    cell = table.accuracy.sel(attack=WORST).isel(eps=-1).values
    attack = " + ".join(str(one) for one in table.attack.values if one != WORST)
    return Finding(
        f"A LeNet-5 of 61,706 parameters withstands eps {float(table.eps[-1]):g}",
        "L-inf",
        f"{cell.mean():.1%}",
        f"{cell.min():.1%} to {cell.max():.1%}; clean {float(table.clean_accuracy.mean()):.1%}",
        attack,
        table.sizes["seed"],
        robust.NAME,
    )
