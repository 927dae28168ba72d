"""An explorer of the study's networks by the strength of their penalty, drawn ahead."""

from dataclasses import replace
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from minmax_jax.fuzziness import Measure
from minmax_jax.intervals import Reading
from minmax_jax.plots.penalty_view import PenaltyView
from minmax_jax.study.design.arm import arms_of, curve
from minmax_jax.widgets.frames import Choice, Frames

if TYPE_CHECKING:
    import xarray as xr

STRENGTH = "strength λ"


class PenaltyExplorer(Frames):
    """Slide the strength of the fuzziness term over the study's grid: no kernel, no wait.

    ``table`` is what ``mm.study.regularised`` gives. A list chooses the membership that was pushed;
    ``reading``, ``measure`` and ``eps``, the radius of adversarial training, choose among the arms. Shown are
    filters, accuracy under attack by radius, fuzziness, attacked images and the verdicts on masking. Raises
    ValueError where the table holds no such arms.
    """

    def __init__(
        self,
        table: "xr.Dataset",
        reading: Reading = "layer",
        measure: Measure = "entropy",
        eps: float = 0.0,
        seed: int = 0,
    ):
        alike = curve(arms_of(table), reading, measure, eps)
        if not alike:
            raise ValueError(
                f"table holds no arm with reading {reading!r}, measure {measure!r} and eps {eps:g}; it takes "
                f"those of {sorted({(one.reading, one.measure, one.eps) for one in arms_of(table)})}"
            )
        view = PenaltyView(table, seed)
        width, height = view.figure.get_size_inches()
        blank = Figure(figsize=(float(width), float(height)))  # where the grid has a hole
        note = blank.text(0.5, 0.5, "", ha="center")

        def draw(**choice: Choice) -> tuple[Figure, str]:
            kind = next(one for one in alike if one.membership == choice["membership"])
            arm = replace(kind, strength=float(choice[STRENGTH])) if choice[STRENGTH] else kind.base
            if arm.name in view.arms:
                return view.show(arm, kind), view.caption
            note.set_text(f"{arm.name}: not trained in this study.")
            return blank, note.get_text()

        memberships = list(dict.fromkeys(one.membership for one in alike))
        strengths = sorted({0.0} | {one.strength for one in alike})
        super().__init__(draw, {STRENGTH: strengths, "membership": memberships}, {STRENGTH: 0.0})
