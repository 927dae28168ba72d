"""An explorer that trains again when you slide the strength of the fuzziness term."""

from collections.abc import Sequence
from typing import Any

import ipywidgets
import numpy as np
from flax import nnx

from minmax_jax.data import Dataset
from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import MEMBERSHIPS
from minmax_jax.objective import TRAINABLE_READINGS, Objective
from minmax_jax.plots import draw_strengths, new_figure
from minmax_jax.progress import Progress
from minmax_jax.robustness import robustness
from minmax_jax.training import Diverged, Run, fit
from minmax_jax.widgets.figure import FigureImage
from minmax_jax.widgets.job import Job, Report
from minmax_jax.widgets.time import TimeExplorer

STRENGTHS = (-30.0, -10.0, -3.0, 0.0, 1.0, 3.0, 10.0, 30.0, 100.0)
OBJECTIVE = ("strength", "reading", "membership", "measure")


class StrengthExplorer(ipywidgets.VBox):
    """Slide the strength λ and see a network trained with it answer.

    A move of the slider, or another reading, membership or measure of the objective, trains a copy of
    ``model`` from the same start on the same batches; Stop keeps what was learned. What was trained before
    is shown at once. Shown are the run over time, and all strengths tried so far compared: accuracy on all
    test images, accuracy under PGD of L-inf radius ``eps`` on the first ``attacked`` test images, and
    fuzziness at the end. ``options`` go to ``fit``.

    ``run``, a run of ``fit`` on the same model and data, is shown first and lends its epochs, batch size,
    seed and snapshots; without one, training at strength 0 starts at once. ``runs`` holds the runs by
    (strength, reading, membership, measure).
    """

    def __init__(
        self,
        model: nnx.Module,
        data: Dataset,
        run: Run | None = None,
        *,
        strengths: Sequence[float] = STRENGTHS,
        eps: float = 0.1,
        attacked: int = 250,
        **options: Any,
    ):
        self.model, self.data, self.options = model, data, options
        self.eps, self.attacked = eps, attacked
        self.runs: dict[tuple[Any, ...], Run] = {}
        self.time: TimeExplorer | None = None
        self._make_controls(strengths)
        self.job = Job(self._train, name="Train")
        self.compared, self._axes = new_figure(9.6, 3.4, 2)
        self.comparison = FigureImage(self.compared)
        self.shown = ipywidgets.HTML()
        self._below = ipywidgets.VBox([])
        choices = ipywidgets.HBox([self.reading, self.membership, self.measure])
        super().__init__([choices, self.strength, self.job, self.shown, self._below])
        if run is None:
            self.job.start()
        else:
            recorded = run.history.attrs
            lent = {n: int(recorded[n]) for n in ("epochs", "batch_size", "seed", "snapshots")}
            self.options = lent | options
            for name in OBJECTIVE:
                getattr(self, name).value = recorded[f"objective_{name}"]
            self._keep(self.choice, run)
            self._show(run)
        for control in self.controls:
            control.observe(self._changed, "value")

    @property
    def choice(self) -> tuple[Any, ...]:
        """What the controls say: strength, reading, membership, measure."""
        return tuple(control.value for control in self.controls)

    def wait(self) -> None:
        """Wait until training has ended and its run is drawn."""
        self.job.wait()
        if self.time is not None:
            self.time.wait()

    def _make_controls(self, strengths: Sequence[float]) -> None:
        values = sorted({float(strength) for strength in strengths} | {0.0})
        self.strength = ipywidgets.SelectionSlider(
            options=[(f"{value:g}", value) for value in values],
            value=0.0,
            description="strength λ",
            style={"description_width": "initial"},
            layout={"width": "500px"},
            continuous_update=False,  # a move costs seconds of training: take where it ends
        )
        self.reading = ipywidgets.Dropdown(options=TRAINABLE_READINGS, description="λ reading")
        self.membership = ipywidgets.Dropdown(options=MEMBERSHIPS, description="λ membership")
        self.measure = ipywidgets.Dropdown(options=MEASURES, description="λ measure")
        for dropdown in (self.reading, self.membership, self.measure):
            dropdown.style.description_width = "initial"
            dropdown.layout.width = "230px"
        self.controls = (self.strength, self.reading, self.membership, self.measure)

    def _changed(self, _: Any) -> None:
        known = self.runs.get(self.choice)
        if known is None:
            self.job.start()
        else:
            self.job.stop()
            self.job.status.guard(self._show)(known)

    def _train(self, report: Report) -> str:
        choice = self.choice
        objective = Objective(**dict(zip(OBJECTIVE, choice, strict=True)))

        def progress(now: Progress) -> bool:
            accuracy = "" if now.test_accuracy is None else f", test accuracy {now.test_accuracy:.2%}"
            return report(
                now.step,
                now.steps,
                f"Training at λ = {choice[0]:g}: epoch {now.epoch} of {now.epochs}, "
                f"step {now.step} of {now.steps}, loss {now.loss:.3f}{accuracy}",
            )

        try:
            run = fit(self.model, self.data, objective, progress=progress, **self.options)
        except Diverged as error:
            self._show(error.run)
            raise
        if run.outcome == "finished":
            self._keep(choice, run)
        self._show(run)
        return f"{run.outcome.capitalize()} after step {run.history.sizes['step']}."

    def _keep(self, choice: tuple[Any, ...], run: Run) -> None:
        """Attack a finished run, and keep it."""
        images = self.data.test[: self.attacked]
        under = robustness(run.model, images, [self.eps], attacks=["pgd"], progress=False)
        note = {"long_name": f"PGD, eps {self.eps:g}, first {len(images)} test images"}
        attacked = run.history.assign(robust_accuracy=((), float(under[-1, 0]), note))
        self.runs[choice] = Run(run.model, attacked, run.outcome)

    def _show(self, run: Run) -> None:
        """Draw a run, and how it compares with those of the same reading, membership and measure."""
        strength, *form = (run.history.attrs[f"objective_{name}"] for name in OBJECTIVE)
        reading, membership, measure = form
        tests = run.history.test_accuracy.values
        accuracy = f"test accuracy {tests[-1]:.2%}" if len(tests) else "no whole epoch"
        self.shown.value = (
            f"<b>Shown below: λ = {strength:g}</b> ({', '.join(form)}), {run.outcome} after step "
            f"{run.history.sizes['step']}, {accuracy}"
        )
        if self.time is None:
            self.time = TimeExplorer(run.history)
            self._below.children = [self.time, self.comparison]
        else:
            self.time.show_history(run.history)
        alike = {c[0]: kept.history for c, kept in self.runs.items() if c[1:] == tuple(form)}
        # without strength, reading, membership and measure have no effect: one run serves all
        plain = [kept.history for c, kept in self.runs.items() if c[0] == 0]
        if plain:
            alike[0.0] = plain[0]
        for ax in self._axes:
            ax.clear()
        draw_strengths(self._axes, alike, reading, membership, measure, float(strength))
        self.comparison.refresh(self._conclusion(alike))

    def _conclusion(self, histories: dict[float, Any]) -> str:
        if len(histories) < 2:
            return "Move the slider: each strength that you train is added to this comparison."
        parts = []
        for strength in sorted(histories):
            history = histories[strength]
            robust = float(history.get("robust_accuracy", np.nan))
            parts.append(
                f"λ = {strength:g}: {float(history.test_accuracy[-1]):.2%} clean, {robust:.0%} under PGD"
            )
        return "; ".join(parts) + "."
