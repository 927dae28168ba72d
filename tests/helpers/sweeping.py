"""Small sweeps that several tests start, in this process or, as a script, in others.

As a script, ``sweeping.py TASK OUT ...`` writes what its sweep gave to the file OUT.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
import xarray as xr
from flax import nnx

import minmax_jax as mm
from helpers.small import digits


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


MANY = {"objectives": [0.0, 0.5, 2.0], "seeds": [0, 1, 2, 3]}  # twelve groups, if each holds one model


def slowly(seconds: float) -> None:
    """Make every epoch of a sweep take longer, so that there is time to kill it in between."""
    train = sys.modules["minmax_jax.sweeps.sweep"].train_group

    def slow(*arguments):
        *others, tick = arguments

        def wait() -> bool:
            time.sleep(seconds)
            return tick()

        return train(*others, wait)

    sys.modules["minmax_jax.sweeps.sweep"].train_group = slow


def die_while_writing(number: int) -> None:
    """Kill this process when it has written half of the file of its group of this number."""
    write_array, groups = np.lib.format.write_array, []

    def write(member, array, **options):
        if array.ndim == 1 and array.dtype == np.int64:  # the count of good epochs, one in each group
            groups.append(array)
        if len(groups) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        write_array(member, array, **options)

    np.lib.format.write_array = write


def kept(out: str, folder: str, dies_at: str = "0") -> None:
    """A slow sweep with a folder; it kills itself in writing its group number ``dies_at``."""
    slowly(0.1)
    sys.modules["minmax_jax.sweeps.sweep"].workers = lambda devices: devices * 2
    if int(dies_at):
        die_while_writing(int(dies_at))
    write(sweep(**MANY, folder=folder), out)


def on_devices(out: str, number: str) -> None:
    """The same sweep on one of several devices and on all of them, where each has to have its share."""
    jax.config.update("jax_num_cpu_devices", int(number))
    devices = jax.devices()
    assert len(devices) == int(number)
    options = {"objectives": [0.0, 0.5], "seeds": range(len(devices))}
    alone = sweep(**options, devices=devices[-1:])
    train, used, together = (
        sys.modules["minmax_jax.sweeps.sweep"].train_group,
        [],
        threading.Barrier(len(devices)),
    )

    def watched(*arguments):
        together.wait(timeout=300)
        state, arrays = train(*arguments)
        (device,) = {device for leaf in jax.tree.leaves(state) for device in leaf.devices()}
        used.append(device)
        return state, arrays

    sys.modules["minmax_jax.sweeps.sweep"].train_group = watched
    sys.modules["minmax_jax.sweeps.sweep"].workers = list  # one on each device, however many cores there are
    assert_equal(alone, sweep(**options))
    assert {device: used.count(device) for device in devices} == dict.fromkeys(devices, 2), used
    write(alone, out)


def on_hosts(out: str, port: str, process: str, folder: str, dies_at: str = "0") -> None:
    """One of two processes that share a sweep; number 1 may die in writing its group ``dies_at``."""
    jax.distributed.initialize(f"localhost:{port}", num_processes=2, process_id=int(process))
    assert jax.process_count() == 2
    if int(process) == 1 and int(dies_at):
        die_while_writing(int(dies_at))
    done = sweep(**MANY, folder=folder, progress=check_share)
    write(done, out)


def check_share(now: mm.SweepProgress) -> None:
    assert now.of_groups == 6 and now.groups <= 6  # half of them


if __name__ == "__main__":
    {"kept": kept, "devices": on_devices, "hosts": on_hosts}[sys.argv[1]](*sys.argv[2:])
