"""What the checks for gradient masking found, in numbers and in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Bool

if TYPE_CHECKING:
    import xarray as xr

Outcome = Literal["passed", "alarm", "not done"]
SHARE = 0.01
POINT = (
    "One point of accuracy: two implementations of one attack may differ by as much on an honest model. "
    "A single image never alarms."
)


@dataclass(frozen=True)
class Check:
    """One check: a number, the threshold above which it alarms, the reason for that threshold, and a verdict.

    ``number`` is NaN if the check was not done.
    """

    name: str
    number: float
    threshold: float
    reason: str
    verdict: str

    @property
    def outcome(self) -> Outcome:
        """An alarm if the number is above the threshold."""
        if np.isnan(self.number):
            return "not done"
        return "alarm" if self.number > self.threshold else "passed"


def share_check(
    name: str, broken: Bool[np.ndarray, " rows"], passed: str, alarm: str, reason: str = POINT
) -> Check:
    """The check that at most one point of the images are broken where they should not be.

    Args:
        name: of the check.
        broken: which of the images are.
        passed, alarm: the verdict for either outcome, "what was seen: what it means"; {share} stands for the
            share.
        reason: for the threshold, 1 % of the images or one image, whichever is more.
    """
    share = float(broken.mean())
    threshold = max(SHARE, 1 / len(broken))
    words = alarm if share > threshold else passed
    if 0 < share <= threshold and ": " in passed:
        words = passed.partition(": ")[0] + ": too few images for an alarm."
    return Check(name, share, threshold, reason, words.format(share=percent(share)))


def not_done(name: str, why: str) -> Check:
    """A check that was not done, and why."""
    return Check(name, float("nan"), float("nan"), "", f"Not done: {why}")


@dataclass(frozen=True, repr=False)
class Masking:
    """What the checks for gradient masking found; a notebook shows it as a table.

    ``checks`` are all of them, ``masking["black_box"]`` is one by name; ``passed`` is true if none alarms.
    ``notes`` are the circumstances: data set, model, norm, eps, images, accuracies and seed.
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
        """Whether no check alarms. That is no proof: checks find only the masking that they know."""
        return not any(check.outcome == "alarm" for check in self.checks)

    @property
    def summary(self) -> str:
        """The conclusion in a sentence."""
        done = [check for check in self.checks if check.outcome != "not done"]
        alarms = [check.name for check in done if check.outcome == "alarm"]
        share, attack = self.notes["pgd_accuracy"], f"PGD at eps {self.notes['eps']:g}"
        accuracy = f"the accuracy of {percent(share)} under {attack}"
        said = (
            f"{len(alarms)} of {len(done)} checks alarm ({', '.join(alarms)})"
            if alarms
            else f"None of {len(done)} checks alarms"
        )
        if not share:  # an attack that breaks everything was not misled
            return f"{said}; {attack} breaks all images, so the accuracy under it, 0 %, cannot be too high."
        if alarms:
            return f"{said}: do not trust {accuracy}."
        if self.notes["correct"] == 1:
            return f"{said}, as none can on a single image: they say nothing of {accuracy}."
        return f"{said}: they find no reason to distrust {accuracy}."

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
    """A share for reading: 12 %, 0.4 %; 100 % is all."""
    return f"{100 * share:.{3 if share == 1 or share < 0.9995 else 6}g} %"


def _numbers(check: Check) -> str:
    if check.outcome == "not done":
        return ""
    return f"{percent(check.number)} (at most {percent(check.threshold)})"
