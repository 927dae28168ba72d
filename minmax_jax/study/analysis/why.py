"""Findings on why the property and robustness go together: transplants, and crisp convolutions."""

from typing import TYPE_CHECKING

from minmax_jax.attacks.registry import WORST
from minmax_jax.study.analysis.finding import Finding, attacks_of, points, robustness_change
from minmax_jax.study.analysis.verdict import Effect, effect
from minmax_jax.study.experiments import crisp, fidelity

if TYPE_CHECKING:
    import xarray as xr

CLAIMS = {
    fidelity.NAME: "The group's ways of training give a robust network",
    "transplants_ablations": "Convolutions of another network make one robust whose rest is trained plainly",
    "transplants_donors": "The same, by other donors",
    "transplants_necessity": "Adversarial training is as robust without what it makes of convolutions",
    "transplants_fashion_mnist": "The same as the first, on Fashion-MNIST",
    crisp.HAND: "A first convolution of few taps and a threshold, made by hand, makes a network robust",
    crisp.LOSS: "A term of the loss makes a network robust without attacks, from random weights",
    crisp.CONFIRMED: "The same, from other seeds, on test images",
    crisp.FASHION[crisp.HAND]: "A first convolution made by hand makes a network robust on Fashion-MNIST",
    crisp.FASHION[crisp.LOSS]: "The term makes a network robust on Fashion-MNIST",
}
LIMITS = "3_robustness#Where it ends"
SHOWN = {
    fidelity.NAME: "3_robustness#The group's own numbers",
    crisp.HAND: "3_robustness#Crisp convolutions by hand",
    crisp.LOSS: "3_robustness#A term that finds crisp units",
    crisp.CONFIRMED: "3_robustness#A term that finds crisp units",
    crisp.FASHION[crisp.HAND]: LIMITS,
    crisp.FASHION[crisp.LOSS]: LIMITS,
    "transplants_fashion_mnist": LIMITS,
}
TRANSPLANTED = "3_robustness#Whose convolutions?"


def kept(table: "xr.Dataset", arm: str, eps: float) -> Effect:
    """What the networks of an arm withstand: see ``withstanding``."""
    return withstanding(table.sel(arm=arm), eps)


def withstanding(cell: "xr.Dataset", eps: float) -> Effect:
    """The share of images that withstand the strongest attack at a radius: mean over seeds, and interval."""
    return effect(cell.accuracy.sel(attack=WORST).sel(eps=eps, method="nearest").values)


def baseline(table: "xr.Dataset", arm: str) -> str:
    """The arm to compare with: the plain network of the same variant."""
    names = [str(one) for one in table.arm.values]
    plain = [one for one in names if one.partition(", ")[2] in ("none", "plain")] or names[:1]
    return next((one for one in plain if one.partition(", ")[0] == arm.partition(", ")[0]), plain[0])


def robust_arms(table: "xr.Dataset", name: str) -> list[Finding]:
    """What every arm of an experiment withstands at each radius, beside the plain network of the same seeds.

    An arm is more robust if the interval of the difference at the smallest radius, paired by seed, lies above
    0.
    """
    radii = [float(one) for one in table.eps.values]
    worst = table.accuracy.sel(attack=WORST)
    attack = attacks_of(table)
    found = []
    for arm in (str(one) for one in table.arm.values):
        base = baseline(table, arm)
        gain = effect((worst.sel(arm=arm) - worst.sel(arm=base)).isel(eps=0).values)
        result = robustness_change(gain)
        shares = ", ".join(f"{percent(kept(table, arm, one))} at eps {one:g}" for one in radii)
        clean = effect(table.clean_accuracy.sel(arm=arm).values)
        gained = "" if arm == base else f"; {points(gain)} at {radii[0]:g}"
        found.append(
            Finding(
                CLAIMS[name],
                arm,
                "the baseline" if arm == base else result,
                f"withstand {shares}; clean {percent(clean, 1)}{gained}",
                attack,
                table.sizes["seed"],
                name,
                SHOWN.get(name, TRANSPLANTED),
            )
        )
    return found


def percent(one: Effect, digits: int = 0) -> str:
    """A share with its interval within [0, 1]: 95 % [93, 97]."""
    low, high = max(float(one.low), 0.0), min(float(one.high), 1.0)
    return f"{100 * float(one.mean):.{digits}f} % [{100 * low:.{digits}f}, {100 * high:.{digits}f}]"
