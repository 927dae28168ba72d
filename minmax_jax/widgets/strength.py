"""An explorer that trains again when you slide the strength of the fuzziness term."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from flax import nnx

from minmax_jax.attacks.inputs import check_eps
from minmax_jax.checks import check_count, check_module, check_type
from minmax_jax.data import Dataset
from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import MEMBERSHIPS
from minmax_jax.objective import FORM, TRAINABLE_READINGS, Objective
from minmax_jax.plots.strengths_view import StrengthsView
from minmax_jax.robustness import robustness
from minmax_jax.training import Progress, Run
from minmax_jax.training.fit import describe
from minmax_jax.widgets.controls import LONG, dropdown, heading, row, slider
from minmax_jax.widgets.explorer import TrainingExplorer, outcome
from minmax_jax.widgets.job import Report
from minmax_jax.widgets.time import TimeExplorer

STRENGTHS = (-30.0, -10.0, -3.0, 0.0, 1.0, 3.0, 10.0, 30.0, 100.0)
LENT = ("epochs", "batch_size", "seed", "snapshots")


class StrengthExplorer(TrainingExplorer):
    """Slide the strength λ and see a network trained with it answer.

    A move of the slider, or another reading, membership or measure, trains a copy of ``model`` from the
    same start on the same batches; Stop keeps what was learned. What was trained before is shown at once.
    Shown are the run over time, and a comparison of all strengths tried so far: accuracy on all test images,
    accuracy under PGD, and fuzziness at the end. ``runs`` holds the finished runs by objective, ``run`` is
    the one that is shown.

    Args:
        model: The network before training.
        data: What to train and test on.
        run: A finished run of ``fit`` on the same model, data and optimiser. It is shown first, and its
            epochs, batch size, seed and snapshots are used for the others. Without one, training starts at
            once.
        objective: What the controls leave as it is (penalties, layers, p, bound), and where they begin, by
            default ``mm.Objective()``.
        strengths: The places of the slider; 0 and the strength that it begins with are added.
        eps: L-inf radius of PGD in [0, 1], pixels being in [0, 1].
        attacked: How many of the first test images are attacked.
        **options: Further arguments of ``fit``.

    Raises:
        ValueError: If ``run`` had another objective or other options or did not finish, for a radius
            outside [0, 1], or for no images to attack.
    """

    _view: StrengthsView

    def __init__(
        self,
        model: nnx.Module,
        data: Dataset,
        run: Run | None = None,
        *,
        objective: Objective | None = None,
        strengths: Sequence[float] = STRENGTHS,
        eps: float = 0.1,
        attacked: int = 250,
        **options: Any,
    ):
        check_module("model", model)
        check_type("data", data, Dataset)
        attacked = check_count("attacked", attacked)
        check_eps(eps, "linf")
        super().__init__()
        self.model, self.data, self.options = model, data, options
        self.eps, self.attacked = float(eps), attacked
        self.runs: dict[Objective, Run] = {}
        self.time: TimeExplorer | None = None
        self._objective = start = self._begin(run, objective or Objective())
        self._make_controls(sorted({*map(float, strengths), 0.0, float(start.strength)}), start)
        self._use(StrengthsView())
        self.comparison = self.figure
        form = row(heading("In the loss"), self.reading, self.membership, self.measure)
        self.children = [form, row(self.strength), self.job, self.shown, self._below]
        if run is None:
            self.job.start()
        else:
            self._keep(self.choice, run)
            self._show(run)
        for control in (self.strength, self.reading, self.membership, self.measure):
            control.observe(self._guard(self._changed), "value")

    @property
    def choice(self) -> Objective:
        """The objective that the controls say; without strength, its form makes no difference."""
        form = {name: getattr(self, name).value for name in FORM} if self.strength.value else {}
        return dataclasses.replace(self._objective, strength=self.strength.value, **form)

    def wait(self) -> None:
        """Wait until training has ended and its run is drawn."""
        super().wait()
        if self.time is not None:
            self.time.wait()

    def _begin(self, run: Run | None, objective: Objective) -> Objective:
        """The objective to begin with: that of the run, whose options are taken over."""
        if run is None:
            return objective
        facts = run.history.attrs
        names = ("strength", *FORM)
        start = dataclasses.replace(objective, **{name: facts[f"objective_{name}"] for name in names})
        takes = describe(start) | {name: self.options.get(name, facts[name]) for name in LENT}
        differ = {name: facts.get(name) for name in takes if facts.get(name) != takes[name]}
        if differ or run.outcome != "finished":
            expected = {name: takes[name] for name in differ} or "these options"
            raise ValueError(
                f"run must be a finished run with {expected}, got one that was {run.outcome} with "
                f"{differ or 'them'}"
            )
        self.options = {name: int(facts[name]) for name in LENT} | self.options
        return start

    def _make_controls(self, strengths: list[float], start: Objective) -> None:
        # As a move costs seconds of training, only where it ends counts.
        self.strength = slider(
            "strength λ", strengths, float(start.strength), width=LONG, continuous_update=False
        )
        for name, values in zip(FORM, (TRAINABLE_READINGS, MEMBERSHIPS, MEASURES), strict=True):
            setattr(self, name, dropdown(f"λ {name}", values, getattr(start, name), width="230px"))

    def _changed(self, _: Any) -> None:
        known = self.runs.get(self.choice)
        if known is None:
            self.job.start()
        else:
            self.job.stop()
            self._show(known)

    def _train(self, report: Report) -> str:
        choice = self.choice

        def progress(now: Progress) -> bool:
            return report(now.step, now.steps, f"Training at λ = {choice.strength:g}: {now.words}")

        def show(run: Run) -> None:
            if self.choice == choice:  # else another choice was made meanwhile, and is or will be shown
                self._show(run)

        run = self._learn(self.model, self.data, progress, show, objective=choice, **self.options)
        if run.outcome == "finished":
            report(1, 1, "Attacking…")
            show(self._keep(choice, run))  # again, with its accuracy under attack
        return outcome(run)

    def _keep(self, choice: Objective, run: Run) -> Run:
        """Attack a finished run, and keep it with what came out."""
        images = self.data.test[: self.attacked]
        under = robustness(run.model, images, [self.eps], attacks=["pgd"], progress=False)
        note = {"long_name": f"PGD, eps {self.eps:g}, first {len(images)} test images"}
        accuracy = float(under.accuracy.sel(attack="pgd", eps=self.eps))
        attacked = run.history.assign(robust_accuracy=((), accuracy, note))
        with self._lock:
            self.runs[choice] = Run(run.model, attacked, run.outcome)
            return self.runs[choice]

    def _show(self, run: Run) -> None:
        """Draw a run, and how it compares with the other strengths of the same form."""
        with self._lock:
            self.run = run
            strength, *form = (run.history.attrs[f"objective_{name}"] for name in ("strength", *FORM))
            tests = run.history.test_accuracy.values
            accuracy = f"test accuracy {tests[-1]:.2%}" if len(tests) else "no whole epoch"
            details = f" ({', '.join(form)})" if strength else ""
            self.shown.value = (
                f"<b>Shown below: λ = {strength:g}</b>{details}, {run.outcome} after step "
                f"{run.history.sizes['step']}, {accuracy}"
            )
            if self.time is None:
                self.time = TimeExplorer(run.history)
                self._below.children = [heading("In the figure"), self.time, self.comparison, self.status]
            else:
                self.time.show_history(run.history)
            self._draw_comparison(
                strength, form if strength else [getattr(self, name).value for name in FORM]
            )

    def _draw_comparison(self, strength: float, form: list[Any]) -> None:
        """Draw the finished runs of one form, and those without strength, which have none."""
        alike = {
            float(kept.strength): run.history
            for kept, run in self.runs.items()
            if not kept.strength or [getattr(kept, name) for name in FORM] == form
        }
        self._push(alike, *form, strength)
