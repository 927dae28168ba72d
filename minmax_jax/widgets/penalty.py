"""An explorer of the study's networks by the strength of their penalty, drawn ahead."""

from dataclasses import replace
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from minmax_jax.fuzziness import Measure
from minmax_jax.intervals import Reading
from minmax_jax.plots.penalty_view import PenaltyView
from minmax_jax.study.design.arm import arms_of, curve
from minmax_jax.widgets.frames import DPI, Choice, Frames

if TYPE_CHECKING:
    import xarray as xr

STRENGTH = "strength λ"


class PenaltyExplorer(Frames):
    """Slide the strength of the fuzziness term over the study's grid: no kernel, no wait.

    A list chooses the membership by which fuzziness was pushed. Shown are filters, accuracy under attack by
    radius, fuzziness, attacked images and the verdicts on gradient masking.

    Args:
        table: What ``mm.study.regularised`` gives.
        reading: What "interval" meant in the term.
        measure: The term's measure of fuzziness.
        eps: L-inf radius of adversarial training in [0, 1], by default 0: plain training.
        seed: Whose filters and images are shown.
        progress: Whether to draw a bar while the pictures are drawn.

    Raises:
        ValueError: Where the table holds no such arms, or not this seed.
    """

    def __init__(
        self,
        table: "xr.Dataset",
        reading: Reading = "layer",
        measure: Measure = "entropy",
        eps: float = 0.0,
        seed: int = 0,
        progress: bool = True,
    ):
        alike = curve(arms_of(table), reading, measure, eps)
        if not alike:
            known = sorted({(one.reading, one.measure, one.eps) for one in arms_of(table)})
            raise ValueError(
                "reading, measure and eps must be those of an arm of the table, one of "
                f"{known}, got {(reading, measure, eps)}"
            )
        view = PenaltyView(table, seed)
        view.figure.set_dpi(DPI)  # before panels are laid out
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
        super().__init__(
            draw, {STRENGTH: strengths, "membership": memberships}, {STRENGTH: 0.0}, progress=progress
        )
