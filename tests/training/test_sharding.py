"""Training with each batch divided among devices, of one process or of two, is training on one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from flax import nnx

from helpers import small
from helpers.refusal import refuses
from minmax_jax.lenet import LeNet
from minmax_jax.training.sharding import Placement

pytestmark = pytest.mark.slow

SCRIPT = """
import sys

import jax
import numpy as np
import optax
from flax import nnx

address, count, rank, devices, file, folder = sys.argv[1:]
jax.config.update("jax_num_cpu_devices", int(devices))
if int(count) > 1:
    jax.distributed.initialize(address, int(count), int(rank))

import minmax_jax as mm

data = mm.load("mnist")
data = mm.Dataset("digits", data.train[:650], data.test[:203], data.class_names)
model = mm.LeNet(variant="classic", rngs=nnx.Rngs(0))
sgd = optax.sgd(0.02, momentum=0.9)
shared = {"devices": jax.devices(), "checkpoint": folder}
run = mm.fit(model, data, epochs=1, batch_size=64, optimiser=sgd, progress=False, **shared)
assert len(jax.devices()) == int(count) * int(devices)
weights = [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(run.model, nnx.Param))]
np.savez(file, *weights, loss=run.history.loss.values, accuracy=run.history.test_accuracy.values)
"""


def divided(folder: Path, processes: int, devices: int) -> list[dict[str, np.ndarray]]:
    """What each of some processes has after training together, each with some simulated devices."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    files = [folder / f"{rank}.npz" for rank in range(processes)]
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                SCRIPT,
                address,
                *map(str, (processes, rank, devices, file, folder / "run")),
            ],
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, file in enumerate(files)
    ]
    ends = [one.communicate(timeout=600)[1] for one in started]
    assert [one.returncode for one in started] == [0] * processes, "\n".join(ends)
    return [dict(np.load(file)) for file in files]


@pytest.mark.processes
def test_divided_batches_train_to_the_same_model(tmp_path: Path) -> None:
    """By two processes of four devices each."""
    # Smooth, by SGD: rounding shows in ReLUs that are just about 0, and in Adam's first steps, which are of
    # one size however small the gradient.
    model = LeNet(variant="classic", rngs=nnx.Rngs(0))
    sgd = optax.sgd(0.02, momentum=0.9)
    alone = small.train(model, epochs=1, batch_size=64, optimiser=sgd, snapshots=25, segments=None)
    assert float(alone.history.loss[-1]) < 0.95 * float(alone.history.loss[0])
    weights = [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(alone.model, nnx.Param))]
    for found in divided(tmp_path, processes=2, devices=4):
        np.testing.assert_allclose(found["loss"], alone.history.loss, rtol=1e-4)
        np.testing.assert_allclose(found["accuracy"], alone.history.test_accuracy, atol=0.01)
        for i, weight in enumerate(weights):
            np.testing.assert_allclose(found[f"arr_{i}"], weight, atol=1e-4)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["run.json", "step-00010.npz"]


def test_one_device_by_name_gives_the_same_bits() -> None:
    named = small.train(devices=jax.devices()[:1])
    assert small.same_weights(named.model, small.run().model)
    assert named.history.loss.equals(small.run().history.loss)


def test_random_keys_come_back_from_the_devices() -> None:
    keys = jax.random.split(jax.random.key(3), 2)
    placement = Placement(jax.devices())
    back = placement.here(placement.everywhere(keys))
    assert (jax.random.key_data(back) == jax.random.key_data(keys)).all()


def test_a_batch_that_cannot_be_divided_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    placement = Placement(jax.devices()[:1])
    monkeypatch.setattr(placement, "mesh", type("Mesh", (), {"size": 3}))
    with refuses("batch_size must be a multiple of the 3 devices, got 64"):
        placement.check(64)
