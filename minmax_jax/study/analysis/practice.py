"""Findings on whether trained networks do what the theory says, read from the result ``theory``."""

from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.study.analysis.finding import MEASURE, Finding
from minmax_jax.study.design.condition import CONVOLUTIONS
from minmax_jax.study.experiments import theory

if TYPE_CHECKING:
    import xarray as xr

STEADIEST = 0.1  # of all weights
PRACTICE = "2_theory#Theory against practice"


def agreement(table: "xr.Dataset") -> "xr.Dataset":
    """Shares of weights whose change has the sign of minus their mean loss gradient (statement 3).

    ``table`` is the result "theory". Along ``layer`` and ``seed``: ``agree`` of all weights and ``steadiest``
    of the tenth with the steadiest sign, and their ``steadiness``, the median over weights of the absolute
    mean of their gradient's sign, 1 if none ever changed; all in [0, 1].
    """
    import xarray as xr  # heavy to import, so only where it is used

    rows: dict[str, list[list[float]]] = {"agree": [], "steadiest": [], "steadiness": []}
    for layer in CONVOLUTIONS:
        agree = (np.sign(table[f"drift_{layer}"]) == table[f"direction_{layer}"]).values
        steady = table[f"sign_constancy_{layer}"].values
        most = steady >= np.quantile(steady, 1 - STEADIEST, axis=1, keepdims=True)
        rows["agree"].append(agree.mean(1).tolist())
        rows["steadiest"].append([float(own[chosen].mean()) for own, chosen in zip(agree, most, strict=True)])
        rows["steadiness"].append(np.median(steady, axis=1).tolist())
    labels = {"layer": list(CONVOLUTIONS), "seed": np.arange(table.sizes["seed"])}
    return xr.Dataset({name: (("layer", "seed"), row) for name, row in rows.items()}, labels)


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
