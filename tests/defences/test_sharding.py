"""Training under a defence with every batch divided among devices is training on one."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import optax
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.small import digits
from helpers.sweeping import Tiny
from minmax_jax.defences import Adversarial

SCRIPT = """
import sys

import jax
import numpy as np

jax.config.update("jax_num_cpu_devices", 4)

from test_sharding import train

history = train(devices=jax.devices()).history
assert len(jax.devices()) == 4
np.savez(sys.argv[1], loss=history.loss.values, kernel=history.kernel_conv.values[-1])
"""


def train(**options):
    """By "l2" the attack is continuous: the sign of a gradient near zero would make much of its rounding."""
    objective = mm.Objective(defence=Adversarial(1.5, steps=2, norm="l2", warmup=0.5))
    return mm.fit(
        Tiny(nnx.Rngs(0)),
        digits(),
        objective,
        epochs=2,
        batch_size=64,
        optimiser=optax.sgd(0.05),
        progress=False,
        **options,
    )


@pytest.mark.processes
def test_divided_batches_are_attacked_from_the_same_random_starts(tmp_path):
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent), os.environ["PYTHONPATH"]])
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "divided.npz")]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    found, alone = np.load(tmp_path / "divided.npz"), train().history
    np.testing.assert_allclose(found["loss"], alone.loss, rtol=1e-3)
    np.testing.assert_allclose(found["kernel"], alone.kernel_conv[-1], atol=1e-3)
