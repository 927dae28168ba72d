"""Sweeps in processes of their own: killed and resumed, on several devices, and shared by two hosts."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import sweeping
from helpers.sweeping import MANY, assert_equal, assert_equal_to_file, sweep

pytestmark = [pytest.mark.slow, pytest.mark.processes]
LIMIT = 300  # seconds, against hanging


@contextlib.contextmanager
def script(*words):
    """``sweeping.py`` at work; it is killed in the end if it still runs."""
    process = subprocess.Popen([sys.executable, sweeping.__file__, *map(str, words)])
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)


def groups(folder: Path) -> dict[str, tuple[int, int]]:
    """What identifies each finished file and when it was written."""
    found = [(path, path.stat()) for path in folder.glob("group-*.npz")]
    return {path.name: (stat.st_ino, stat.st_mtime_ns) for path, stat in found}


def kill_after(process, folder: Path, names: set[str]) -> None:
    """Kill it when a group is finished that is not among ``names``."""
    end = time.monotonic() + LIMIT
    while not set(groups(folder)) - names:
        assert time.monotonic() < end and process.poll() is None, "nothing was written"
        time.sleep(0.01)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL


def test_two_hosts_share_a_sweep_and_resume_after_one_was_killed(tmp_path):
    """In the end both have all results, those of one process bit for bit."""
    folder = tmp_path / "runs"

    @contextlib.contextmanager
    def two():
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        with (
            script("hosts", tmp_path / "0.npz", port, 0, folder) as first,
            script("hosts", tmp_path / "1.npz", port, 1, folder) as second,
        ):
            yield first, second

    with two() as (_, second):
        kill_after(
            second, folder, {f"group-{number:05d}.npz" for number in range(0, 12, 2)}
        )  # one of its own
    written = groups(folder)
    assert len(written) < 12 and (folder / "sweep.json").exists()
    with two() as processes:
        assert [process.wait(LIMIT) for process in processes] == [0, 0]
    assert written.items() <= groups(folder).items()
    alone = sweep(**MANY, epochs=20)
    for number in (0, 1):
        assert_equal_to_file(alone, tmp_path / f"{number}.npz")
    assert_equal(sweep(**MANY, epochs=20, folder=folder), alone)  # what two began, one can end


def test_all_devices_have_their_share_and_give_the_same_bits(tmp_path):
    """On four devices that are simulated on the CPU."""
    out = tmp_path / "results.npz"
    with script("devices", out, 4) as process:
        assert process.wait(LIMIT) == 0
    assert_equal_to_file(sweep(seeds=range(4)), out)
