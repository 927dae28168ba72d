"""A sweep shared by two processes of ``jax.distributed``, here on one machine."""

import contextlib
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.sweeping import MANY, assert_equal, assert_equal_to_file, sweep

SCRIPT = Path(__file__).parent / "helpers/sweeping.py"
LIMIT = 300  # seconds, against hanging


@contextlib.contextmanager
def two_processes(out, *options):
    """Both at work; whatever still runs in the end is killed."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    processes = []
    try:
        for number in (0, 1):
            command = [sys.executable, SCRIPT, "hosts", out / f"{number}.npz", port, number, *options]
            processes.append(subprocess.Popen([str(word) for word in command]))
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait(60)


@pytest.mark.processes
def test_two_processes_share_a_sweep_and_go_on_after_one_was_killed(tmp_path):
    """In the end both have all results, those of one process bit for bit."""
    folder = tmp_path / "runs"
    with two_processes(tmp_path, folder, 2) as processes:  # the second dies in writing its second group
        assert processes[1].wait(LIMIT) == -signal.SIGKILL
    finished = set(folder.glob("group-*.npz"))
    assert len(finished) <= 7 and (folder / "sweep.json").exists()
    times = {file: file.stat().st_mtime_ns for file in finished}
    with two_processes(tmp_path, folder) as processes:
        assert [process.wait(LIMIT) for process in processes] == [0, 0]
    assert times == {file: file.stat().st_mtime_ns for file in finished}
    alone = sweep(**MANY)
    for number in (0, 1):
        assert_equal_to_file(alone, tmp_path / f"{number}.npz")
    assert_equal(sweep(**MANY, folder=folder), alone)  # what two began, one can end
