"""Verdicts: what checks for gradient masking found, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

Outcome = Literal["passed", "alarm", "not done"]


@dataclass(frozen=True)
class Check:
    """One check: a number, the threshold it alarms above and why that one, and what this says in plain words.

    ``number`` is NaN where the check was not done.
    """

    name: str
    number: float
    threshold: float
    reason: str
    verdict: str

    @property
    def outcome(self) -> Outcome:
        """Whether the number is above the threshold: an alarm."""
        if np.isnan(self.number):
            return "not done"
        return "alarm" if self.number > self.threshold else "passed"


def not_done(name: str, why: str) -> Check:
    """A check that was not done, and why."""
    return Check(name, float("nan"), float("nan"), "", f"Not done: {why}")


@dataclass(frozen=True, repr=False)
class Masking:
    """What the checks for gradient masking found; shows itself as a table in a notebook.

    ``checks`` holds them, ``masking["black_box"]`` one of them by name; ``passed`` is true if none alarms.
    ``notes`` says on what: data set, model, norm, eps, images, accuracies and seed.
    """

    checks: tuple[Check, ...]
    notes: Mapping[str, Any]

    def __getitem__(self, name: str) -> Check:
        found = {check.name: check for check in self.checks}
        if name not in found:
            raise KeyError(f"check must be one of {list(found)}, got {name!r}")
        return found[name]

    @property
    def passed(self) -> bool:
        """Whether no check alarms. That is no proof: checks find masking that they know."""
        return not any(check.outcome == "alarm" for check in self.checks)

    @property
    def summary(self) -> str:
        """The conclusion in a sentence."""
        done = [check for check in self.checks if check.outcome != "not done"]
        alarms = [check.name for check in done if check.outcome == "alarm"]
        accuracy = (
            f"the accuracy of {percent(self.notes['pgd_accuracy'])} under PGD at eps {self.notes['eps']:g}"
        )
        if alarms:
            return (
                f"{len(alarms)} of {len(done)} checks alarm ({', '.join(alarms)}): do not trust {accuracy}."
            )
        return f"None of {len(done)} checks alarms: they find no reason to distrust {accuracy}."

    def to_dataset(self) -> "xr.Dataset":
        """The same as a labelled table, by ``check``."""
        import xarray as xr  # heavy to import, so only where it is used

        fields = ("number", "threshold", "outcome", "verdict", "reason")
        columns = {name: ("check", [getattr(check, name) for check in self.checks]) for name in fields}
        names = [check.name for check in self.checks]
        return xr.Dataset(columns, {"check": names}, {**self.notes, "summary": self.summary})

    def __repr__(self) -> str:
        lines = [
            f"  {check.outcome:8}  {check.name:16}  {_numbers(check):24}  {check.verdict}"
            for check in self.checks
        ]
        return "\n".join([self.summary, *lines, f"  ({self._origin()})"])

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th scope="col">{name}</th>' for name in ("check", "outcome", "number", "what it says")
        )
        rows = "".join(
            f'<tr title="{escape(check.reason)}"><th scope="row">{check.name}</th>'
            f"<td>{f'<b>{check.outcome}</b>' if check.outcome == 'alarm' else check.outcome}</td>"
            f'<td>{_numbers(check)}</td><td style="text-align: left">{escape(check.verdict)}</td></tr>'
            for check in self.checks
        )
        return (
            f"<p><b>{escape(self.summary)}</b></p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"<p><small>{escape(self._origin())}</small></p>"
        )

    def _origin(self) -> str:
        notes = self.notes
        return (
            f"{notes['correct']} of {notes['images']} images of {notes['dataset']} that {notes['model']} "
            f"classifies as labelled, norm {notes['norm']}, seed {notes['seed']}"
        )


def percent(share: float) -> str:
    """A share for reading: 12 %, 0.4 %."""
    return f"{100 * share:.3g} %"


def _numbers(check: Check) -> str:
    if check.outcome == "not done":
        return ""
    return f"{percent(check.number)} (at most {percent(check.threshold)})"
