"""A run under way: its state and its measurements, consistent at every moment."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Int

from minmax_jax.data import Dataset
from minmax_jax.evaluation import accuracy
from minmax_jax.objective import Measured, Objective
from minmax_jax.train_step import Course, State, initial_state, train_steps
from minmax_jax.training.history import build_history
from minmax_jax.training.sharding import Placement

if TYPE_CHECKING:
    import xarray as xr

DIVERGENCE = 50.0  # a cross-entropy above this many times that of guessing counts as diverged


def first_bad(measured: Measured, after: Measured, classes: int) -> int | None:
    """Index of the first step whose loss has diverged; the number of steps if only the state after them has.

    Diverged is NaN, infinite, or a cross-entropy above ``50 log(classes)``.
    """
    loss = np.append(measured.loss, after.loss)
    fit = np.append(measured.cross_entropy, after.cross_entropy)
    good = np.isfinite(loss) & (fit <= DIVERGENCE * np.log(classes))
    return None if good.all() else int(np.argmin(good))


class Trainer:
    """Trains a copy of a model, a few batches at a time, and records its kernels.

    Args:
        model: the model, which stays as it is.
        data: images to train on, and those to test on.
        objective: what is minimised.
        optimiser: any of optax.
        points: numbers of the steps after which the kernels are recorded, 0 the first of them.
        placement: the devices.
        seed: seed of the objective's defence.
        total: number of steps of the whole run, over which the schedule of a defence runs.
        record: names of the layers that are recorded, None for all convolutions.
    """

    def __init__(
        self,
        model: nnx.Module,
        data: Dataset,
        objective: Objective,
        optimiser: optax.GradientTransformation,
        points: Int[np.ndarray, " points"],
        placement: Placement,
        seed: int,
        total: int,
        record: Sequence[str] | None = None,
    ):
        self.data, self.objective, self.optimiser, self.points = data, objective, optimiser, points
        self.placement, self.seed, self.total = placement, seed, total
        pictures = jnp.asarray(data.train.images), jnp.asarray(data.train.labels)
        self.images, self.labels = placement.everywhere(pictures)
        self.definition, state = initial_state(model, optimiser, len(points), record)
        self.test_accuracy: list[float] = []
        # State and measurements change by one assignment, so that Ctrl-C never finds one without the other.
        self._now: tuple[State, tuple[Measured, ...]] = (placement.everywhere(state), ())

    @property
    def steps(self) -> int:
        """Number of steps done."""
        return sum(len(part.loss) for part in self._now[1])

    @property
    def loss(self) -> float:
        """Objective on the last batch."""
        return float(self._now[1][-1].loss[-1])

    @property
    def state(self) -> State:
        """All that training changes, as it is after the last step."""
        return self.placement.here(self._now[0])

    @property
    def measured(self) -> dict[str, np.ndarray]:
        """Loss, cross-entropy and accuracy of each step so far, on its batch."""
        parts = self._now[1]
        return {
            name: np.concatenate([np.zeros(0, np.float32), *(getattr(part, name) for part in parts)])
            for name in Measured._fields
        }

    def resume(
        self,
        state: State,
        measured: dict[str, Any],
        test_accuracy: list[float],
        points: Int[np.ndarray, " points"],
    ) -> None:
        """Continue from the state of another trainer with the same arguments, or with fewer steps in all.

        ``points`` are those of the other one; those that it had not reached give way to this one's.
        """
        steps = len(measured["loss"])
        if not np.array_equal(points, self.points):
            kept, rest = points[points <= steps], self.points[self.points > steps]
            rows = np.r_[: len(kept), np.full(len(rest) + 1, len(points))]  # the last row stands for any
            placed = {name: jnp.asarray(np.asarray(one)[rows]) for name, one in state.snapshots.items()}
            state = state._replace(snapshots=placed)
            self.points = np.concatenate([kept, rest])
        self._now = (self.placement.everywhere(state), (Measured(**measured),))
        self.test_accuracy = test_accuracy

    def advance(self, order: Int[np.ndarray, "steps batch"]) -> bool:
        """Train on some batches of rows; if one diverges, stop at the last good weights and return False."""
        bad = self._advance(order)
        good = bad is None
        while bad is not None and bad > 1:  # steps are deterministic: take the good ones again
            bad = self._advance(order[: bad - 1])
        return good

    def _advance(self, order: Int[np.ndarray, "steps batch"]) -> int | None:
        """Train on some batches of rows; if one diverges, change nothing and return its index."""
        state, parts = self._now
        new, *results = train_steps(
            self.definition,
            self.optimiser,
            self.objective,
            state,
            self.images,
            self.labels,
            self.placement.divided(order),
            self.placement.everywhere(jnp.asarray(self._slots(len(order)))),
            self._course(),
        )
        measured, after = jax.device_get(results)
        bad = first_bad(measured, after, self.data.classes)
        if bad is None:
            self._now = (new, (*parts, measured))
        return bad

    def evaluate(self) -> None:
        """Append the accuracy on all test images."""
        self.test_accuracy.append(accuracy(self.model(), self.data.test))

    def model(self) -> nnx.Module:
        """The model with the weights learned so far, in evaluation mode."""
        state = self.state
        trained = nnx.merge(self.definition, state.params, state.rest)
        trained.eval()
        return trained

    def history(self, steps_per_epoch: int, attributes: dict[str, Any]) -> "xr.Dataset":
        """The history so far, see ``fit``; its last snapshot is always the present kernels."""
        state = self.state
        recorded = self.points[self.points <= self.steps]
        rows = np.arange(len(recorded))
        if recorded[-1] != self.steps:  # stopped between two points: the last row holds this step
            recorded, rows = np.append(recorded, self.steps), np.append(rows, len(self.points))
        kept = {name: np.asarray(kernel)[rows] for name, kernel in state.snapshots.items()}
        return build_history(
            self.measured,
            self.test_accuracy,
            steps_per_epoch,
            recorded,
            kept,
            state.extremes,
            attributes,
        )

    def _course(self) -> Course | None:
        """Where in the run the next steps are, which only a defence needs to know."""
        if not self.objective.is_timed:
            return None
        course = Course(jax.random.key(self.seed), jnp.asarray(self.steps), jnp.asarray(self.total))
        return self.placement.everywhere(course)

    def _slots(self, steps: int) -> Int[np.ndarray, " steps"]:
        """Row of the snapshots that each of the next steps writes; the last row if it is not a point."""
        numbers = np.arange(self.steps + 1, self.steps + steps + 1)
        rows = np.searchsorted(self.points, numbers)
        return np.where(np.isin(numbers, self.points), rows, len(self.points))
