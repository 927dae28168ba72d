"""The history of a training run as one labelled xarray Dataset."""

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from minmax_jax.fuzziness import MEASURES, fuzziness_table
from minmax_jax.intervals import MEMBERSHIPS, READINGS, Interval
from minmax_jax.storage.trees import storable

if TYPE_CHECKING:
    import xarray as xr

KERNEL_AXES = ("depth", "row", "column", "in", "out")  # kernels of lower rank take the last of them


def recording_steps(steps: int, points: int) -> np.ndarray:
    """Numbers of the steps after which kernels are recorded: 0, ``steps``, and evenly between.

    Identity: sorted, without repetition, at most ``points`` of them.
    """
    return np.unique(np.linspace(0, steps, points).round().astype(int))


def fuzziness_course(
    snapshots: Float[Array, "snapshot ..."], extremes: Interval
) -> Float[np.ndarray, "snapshot reading membership measure"]:
    """Fuzziness of one layer's recorded kernels by every reading, membership and measure.

    ``extremes`` are each weight's own minimum and maximum over the run, for the reading "trajectory".
    Identity: each entry equals ``fuzziness`` of that kernel.
    """
    # one kernel at a time: memory stays flat however many are recorded
    return np.stack([fuzziness_table(kernel, READINGS, extremes) for kernel in snapshots])


def build_history(
    measured: dict[str, np.ndarray],
    test_accuracy: list[float],
    steps_per_epoch: int,
    recorded: np.ndarray,
    snapshots: dict[str, np.ndarray],
    extremes: dict[str, Interval],
    attributes: dict[str, Any],
) -> "xr.Dataset":
    """Assemble what ``fit`` recorded; see there for the variables.

    Args:
        measured: loss, cross_entropy and accuracy of each step.
        test_accuracy: accuracy on all test images after each epoch, in [0, 1].
        steps_per_epoch: number of steps in an epoch.
        recorded: numbers of the steps after which kernels were recorded, 0 for the start.
        snapshots: the kernels after these steps, by layer.
        extremes: each weight's minimum and maximum over all steps, by layer.
        attributes: what the history says of the run as a whole.
    """
    import xarray as xr  # heavy to import, so only where it is used

    steps = len(measured["loss"])
    epochs = len(test_accuracy)
    by = ", as the defence measures it" if "objective_defence" in attributes else ""
    per_epoch = measured["accuracy"][: epochs * steps_per_epoch].reshape(epochs, steps_per_epoch)
    courses = [fuzziness_course(jnp.asarray(snapshots[n]), extremes[n]) for n in snapshots]
    dims = ("snapshot", "layer", "reading", "membership", "measure")
    variables: dict[str, Any] = {
        "loss": ("step", measured["loss"], {"long_name": "objective on the step's batch"}),
        "cross_entropy": (
            "step",
            measured["cross_entropy"],
            {"long_name": "cross-entropy on the step's batch", "units": "nat"},
        ),
        "train_accuracy": (
            "epoch",
            per_epoch.mean(1),
            {"long_name": f"accuracy on the epoch's batches, each before its update{by}"},
        ),
        "test_accuracy": (
            "epoch",
            np.array(test_accuracy),
            {"long_name": "accuracy on all test images after the epoch"},
        ),
        "fuzziness": (dims, storable(np.stack(courses, axis=1)), {"long_name": "fuzziness F"}),
    }
    for name, rows in snapshots.items():
        axes = tuple(f"{name}_{axis}" for axis in KERNEL_AXES[1 - rows.ndim :])
        variables[f"kernel_{name}"] = (
            ("snapshot", *axes),
            storable(rows),
            {"long_name": f"kernel of {name}"},
        )
        for end in ("low", "high"):
            note = {"long_name": f"{end} end of each weight's path over all steps"}
            variables[f"{end}_{name}"] = (axes, storable(np.asarray(getattr(extremes[name], end))), note)
    coordinates = {
        "step": np.arange(1, steps + 1),
        "epoch": np.arange(1, epochs + 1),
        "snapshot": ("snapshot", recorded, {"long_name": "training step"}),
        "layer": list(snapshots),
        "reading": list(READINGS),
        "membership": list(MEMBERSHIPS),
        "measure": list(MEASURES),
    }
    return xr.Dataset(variables, coordinates, attributes)
