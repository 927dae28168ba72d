"""How often weights went where their loss gradient sent them, read from the result of the theory."""

from typing import TYPE_CHECKING

import numpy as np

from minmax_jax.study.design.condition import CONVOLUTIONS

if TYPE_CHECKING:
    import xarray as xr

STEADIEST = 0.1  # of all weights


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
