"""The findings of the study in one table, read from its results."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.attacks.registry import WORST
from minmax_jax.study.analysis.agreement import agreement
from minmax_jax.study.analysis.finding import Finding
from minmax_jax.study.analysis.observed import MEASURE, controls, hardened, held
from minmax_jax.study.analysis.penalised import explanations, regularised, trained_under_attack
from minmax_jax.study.design.condition import CONVOLUTIONS
from minmax_jax.study.engine.result import read
from minmax_jax.study.experiments import confirmation, observation, regularisation, robust, theory

if TYPE_CHECKING:
    import xarray as xr


PRACTICE = "2_theory#Theory against practice"


def findings(folder: Path) -> list[Finding]:
    """All findings of the results in ``folder``; what is not there is left out."""
    tables = {file.stem: read(file) for file in sorted(folder.glob("*.nc"))}
    found: list[Finding] = []
    if (plain := tables.get(observation.NAME)) is not None:
        found += held(plain, observation.NAME) + controls(plain)
        if (attacked := tables.get(observation.ATTACKED)) is not None:
            found += held(attacked, observation.ATTACKED) + hardened(plain, attacked)
    if (practice := tables.get(theory.NAME)) is not None:
        found += predicted(practice)
    if parts := [tables[name] for name in regularisation.NAMES.values() if name in tables]:
        table = regularisation.together(parts)
        found += regularised(table, regularisation.NAME) + explanations(table, regularisation.NAME)
        found += trained_under_attack(table, regularisation.NAME)
    for name in confirmation.CHOSEN_FROM:
        if (again := tables.get(name)) is not None:
            found += regularised(again, name)
    if (best := tables.get(robust.NAME)) is not None:
        found += [most_robust(best)]
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
            "2_theory#The identity behind it",
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
                PRACTICE,
            )
        )
    return found + [_flow(table, layer) for layer in CONVOLUTIONS]


def _flow(table: "xr.Dataset", layer: str) -> Finding:
    """Statement 2: how much of the paths of memberships the gradient flow of fuzziness alone explains."""
    shares = table.explained.sel(flow=MEASURE, layer=layer).mean("seed")
    pairs = zip(shares.strength.values.tolist(), shares.values.tolist(), strict=True)
    known = {strength: share for strength, share in pairs if strength and np.isfinite(share)}
    verdict = "unknown, as all diverged"
    if known:
        verdict = "holds" if known[max(known)] > 0.9 else "does not hold"
    return Finding(
        "A strong fuzziness term moves weights as its gradient flow alone would (statement 2)",
        f"{layer}, fixed, signed, {MEASURE}",
        verdict,
        "R^2 of memberships "
        + ", ".join(f"{share:.2f} at lambda {strength:g}" for strength, share in known.items()),
        "none",
        table.sizes["seed"],
        theory.NAME,
        PRACTICE,
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
        "3_robustness#The most robust LeNet-5",
    )
