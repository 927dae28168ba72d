"""The findings of the study, read from its results, and the file beside them that holds them as a table."""

from pathlib import Path
from typing import TYPE_CHECKING

from minmax_jax.attacks.registry import WORST
from minmax_jax.storage.archive import replacing
from minmax_jax.study.analysis.finding import Finding, markdown
from minmax_jax.study.analysis.observed import controls, hardened, held
from minmax_jax.study.analysis.penalised import explanations, penalty_effects, trained_under_attack
from minmax_jax.study.analysis.practice import predicted
from minmax_jax.study.engine.result import about, read
from minmax_jax.study.experiments import confirmation, observation, regularisation, robust, theory

if TYPE_CHECKING:
    import xarray as xr

README = "README.md"
BEGIN = "<!-- The table is written by `python -m minmax_jax.study --findings --write`. -->"
END = "<!-- End of the table. -->"
EMPTY = f"# Findings\n\n{BEGIN}\n{END}\n"
TOY = "(a toy's verdict: of a quick run)"


def findings(folder: Path) -> list[Finding]:
    """All findings of the results in ``folder``; experiments without a result there are left out.

    Verdicts of a quick run are marked as a toy's. Raises what ``read`` raises.
    """
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
        found += penalty_effects(table, regularisation.NAME) + explanations(table, regularisation.NAME)
        found += trained_under_attack(table, regularisation.NAME)
    for name in confirmation.CHOSEN_FROM:
        if (again := tables.get(name)) is not None:
            found += penalty_effects(again, name)
    if (best := tables.get(robust.NAME)) is not None:
        found += [most_robust(best)]
    quick = {name for name, table in tables.items() if about(table).get("config", {}).get("small")}
    if quick.intersection(regularisation.NAMES.values()):
        quick.add(regularisation.NAME)
    return [one._replace(result=f"{one.result} {TOY}") if one.experiment in quick else one for one in found]


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


def write_readme(folder: Path, found: list[Finding]) -> Path:
    """Write the table into the README of ``folder``, whose own text stays; the file.

    Raises ValueError for a README without the two comments that the table lies between.
    """
    file = folder / README
    text = file.read_text("utf-8") if file.exists() else EMPTY
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(
            f"{file} must hold the lines {BEGIN!r} and {END!r}, between which the table is written"
        )
    with replacing(file) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n\n{markdown(found)}\n\n{END}{after}", "utf-8")
    return file
