"""The findings of the study, read from its results, and the file beside them that holds them as tables."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from minmax_jax.attacks.registry import WORST
from minmax_jax.storage.archive import write_text
from minmax_jax.storage.names import as_path
from minmax_jax.study.analysis import verdicts
from minmax_jax.study.analysis.dosed import dosed
from minmax_jax.study.analysis.finding import TOY, WIDTH, Finding, attacks_of, is_toy, markdown, plain
from minmax_jax.study.analysis.observed import controls, held
from minmax_jax.study.analysis.penalised import penalty_effects, trained_under_attack
from minmax_jax.study.analysis.practice import predicted
from minmax_jax.study.analysis.why import CLAIMS, robust_arms
from minmax_jax.study.engine.result import read
from minmax_jax.study.experiments import confirmation, dose, observation, regularisation, robust, theory

if TYPE_CHECKING:
    import xarray as xr

README = "README.md"
BY = "written by `python -m minmax_jax.study --findings --write`. -->"
BLOCKS = {  # of the README, between which comments each lies
    "verdicts": (f"<!-- The verdicts are {BY}", "<!-- End of the verdicts. -->"),
    "table": (f"<!-- The table is {BY}", "<!-- End of the table. -->"),
}
EMPTY = "# Findings\n" + "".join(f"\n{begin}\n{end}\n" for begin, end in BLOCKS.values())


def tables_in(folder: Path) -> "dict[str, xr.Dataset]":
    """The results in ``folder`` by name. Raises what ``read`` raises."""
    return {file.stem: read(file) for file in sorted(folder.glob("*.nc"))}


def verdict_table(folder: str | os.PathLike[str]) -> verdicts.VerdictTable:
    """What the paper says, what the results in ``folder`` say, and how much, in at most nine rows.

    Raises what ``read`` raises, and ValueError for a folder without results.
    """
    place = as_path("folder", folder, "folder")
    tables = tables_in(place)
    if not tables:
        raise ValueError(f"folder must hold results, got {place}; `python -m minmax_jax.study` makes them")
    return verdicts.VerdictTable(verdicts.verdicts(tables))


def findings(tables: "Mapping[str, xr.Dataset]") -> list[Finding]:
    """All findings of the results, by experiment. Those of quick runs are marked as a toy's."""
    found: list[Finding] = []
    if (observed := tables.get(observation.NAME)) is not None:
        found += held(observed) + controls(observed)
    for name in dose.NAMES.values():
        if (table := tables.get(name)) is not None:
            found += dosed(table, name)
    if (practice := tables.get(theory.NAME)) is not None:
        found += predicted(practice)
    if parts := [tables[name] for name in regularisation.NAMES.values() if name in tables]:
        table = regularisation.together(parts)
        found += penalty_effects(table, regularisation.NAME)
        found += trained_under_attack(table, regularisation.NAME)
    for name in confirmation.CHOSEN_FROM:
        if (again := tables.get(name)) is not None:
            found += penalty_effects(again, name)
    if (best := tables.get(robust.NAME)) is not None:
        found += [most_robust(best)]
    for name in CLAIMS:
        if (arms := tables.get(name)) is not None:
            found += robust_arms(arms, name)
    quick = {name for name, table in tables.items() if is_toy(table)}
    if quick.intersection(regularisation.NAMES.values()):
        quick.add(regularisation.NAME)
    return [one._replace(result=f"{one.result} {TOY}") if one.experiment in quick else one for one in found]


def most_robust(table: "xr.Dataset") -> Finding:
    """The accuracy of the most robust LeNet-5 under the strongest attack, at the largest radius."""
    cell = table.accuracy.sel(attack=WORST).isel(eps=-1).values
    return Finding(
        f"A LeNet-5 of 61,706 parameters withstands eps {float(table.eps[-1]):g}",
        "L-inf",
        f"{cell.mean():.1%}",
        f"{cell.min():.1%} to {cell.max():.1%}; clean {float(table.clean_accuracy.mean()):.1%}",
        attacks_of(table),
        table.sizes["seed"],
        robust.NAME,
        "3_robustness#The most robust LeNet-5",
    )


def text(tables: "Mapping[str, xr.Dataset]", terminal: bool) -> str:
    """The verdicts and then the findings, for a terminal or as Markdown."""
    short, found = verdicts.verdicts(tables), findings(tables)
    if terminal:
        return "\n\n".join(part for part in (verdicts.plain(short, WIDTH), plain(found)) if part)
    return "\n\n".join([*([verdicts.markdown(short)] if short else []), markdown(found)])


def write_readme(folder: Path, tables: "Mapping[str, xr.Dataset]") -> Path:
    """Write verdicts and findings into the README of ``folder``, whose own text stays; the file.

    Raises ValueError for a README without the comments that they lie between.
    """
    file = folder / README
    written = file.read_text("utf-8") if file.exists() else EMPTY
    blocks = {"verdicts": verdicts.markdown(verdicts.verdicts(tables)), "table": markdown(findings(tables))}
    for name, (begin, end) in BLOCKS.items():
        before, opened, rest = written.partition(begin)
        _, closed, after = rest.partition(end)
        if not (opened and closed):
            raise ValueError(
                f"{file} must hold the lines {begin!r} and {end!r}, between which the {name} are written"
            )
        written = f"{before}{begin}\n\n{blocks[name]}\n\n{end}{after}"
    write_text(file, written)
    return file
