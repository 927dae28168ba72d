"""Small sweeps that several tests start, in this process or, as a script, in others.

As a script, ``sweeping.py TASK OUT ...`` writes what its sweep gave to the file OUT.
"""

import sys
import threading
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from flax import nnx

import minmax_jax as mm
from helpers.small import digits
from minmax_jax.jobs.engine import Jobs, workers
from minmax_jax.storage.resume import Store

MANY = {"objectives": [0.0, 0.5, 2.0], "seeds": [0, 1, 2, 3]}  # twelve groups, if each holds one model


class Tiny(nnx.Module):
    """The least model with a convolution: quick to compile and to train."""

    def __init__(self, rngs: nnx.Rngs):
        self.conv = nnx.Conv(1, 2, (5, 5), strides=4, rngs=rngs)
        self.dense = nnx.Linear(98, 10, rngs=rngs)

    def __call__(self, images):
        return self.dense(nnx.relu(self.conv(images)).reshape(len(images), -1))


def sweep(model=Tiny, **options) -> mm.Sweep:
    chosen = {"data": digits(), "objectives": [0.0, 0.5], "seeds": [0, 3], "epochs": 2, "progress": False}
    return mm.sweep(model, **chosen | options)


@cache
def of_tiny() -> mm.Sweep:
    return sweep()


def assert_equal(one: mm.Sweep, other: mm.Sweep) -> None:
    """Every bit of the results and of the weights."""
    xr.testing.assert_identical(one.results, other.results)
    assert list(one.weights) == list(other.weights)
    for name, array in one.weights.items():
        np.testing.assert_array_equal(array, other.weights[name])
        assert array.dtype == other.weights[name].dtype


def threads() -> set[threading.Thread]:
    """Those that run, but for the one that tqdm starts once and keeps."""
    return {thread for thread in threading.enumerate() if type(thread).__name__ != "TMonitor"}


def write(done: mm.Sweep, out: str) -> None:
    table = {f"result {name}": array.values for name, array in done.results.items()}
    np.savez(out, **table, **done.weights)


def assert_equal_to_file(done: mm.Sweep, out: Path) -> None:
    with np.load(out) as found:
        names = [f"result {name}" for name in done.results]
        assert list(found) == names + list(done.weights)
        for name in found:
            here = done.results[name[7:]].values if name in names else done.weights[name]
            np.testing.assert_array_equal(found[name], here)


def on_devices(out: str, number: str) -> None:
    """Jobs on several devices, each of which has its share; and a sweep on one of them and on all."""
    jax.config.update("jax_num_cpu_devices", int(number))
    devices = jax.devices()
    assert len(devices) == int(number)
    together = threading.Barrier(len(devices))

    def where(job, device, tell):
        together.wait(timeout=300)
        (found,) = jnp.zeros(1).devices()
        run = mm.fit(Tiny(nnx.Rngs(0)), digits(), progress=lambda now: tell(now.step))
        return {"device": np.array(found.id), "weights": np.asarray(run.model.dense.kernel[...])}

    found = Jobs([1] * 2 * len(devices), Store(None, {})).run(where, list(devices), lambda now: None)
    assert sorted(int(one["device"]) for one in found.values()) == sorted(2 * [*range(len(devices))])
    assert len({one["weights"].tobytes() for one in found.values()}) == 1
    assert set(workers(devices)) == set(devices)
    options = {"objectives": [0.0, 0.5], "seeds": range(len(devices))}
    alone = sweep(**options, devices=devices[-1:])
    assert_equal(alone, sweep(**options))
    write(alone, out)


def on_hosts(out: str, port: str, process: str, folder: str) -> None:
    """One of two processes that share a sweep."""
    jax.distributed.initialize(f"localhost:{port}", num_processes=2, process_id=int(process))
    assert jax.process_count() == 2
    write(sweep(**MANY, epochs=20, folder=folder, progress=check_share), out)


def check_share(now: mm.SweepProgress) -> None:
    assert now.of_groups == 6 and now.groups <= 6  # half of them


if __name__ == "__main__":
    {"devices": on_devices, "hosts": on_hosts}[sys.argv[1]](*sys.argv[2:])
