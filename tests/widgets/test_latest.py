"""The newest task is done, those passed by are not."""

import subprocess
import sys
import threading

import pytest

from minmax_jax.widgets import Latest


def test_tasks_that_wait_are_replaced_by_newer_ones():
    started, go = threading.Event(), threading.Event()
    done = []

    def work(task):
        started.set()
        assert go.wait(30)
        done.append(task)

    worker = Latest(work, pytest.fail)
    worker.push(1)
    assert started.wait(30)
    for task in (2, 3, 4):
        worker.push(task)
    go.set()
    worker.flush()
    assert done == [1, 4]


def test_it_starts_again_after_a_rest():
    done = []
    worker = Latest(done.append, pytest.fail)
    for task in (1, 2):
        worker.push(task)
        worker.flush()
    assert done == [1, 2]


def test_waiting_too_long_is_an_error():
    go = threading.Event()
    worker = Latest(lambda _: go.wait(30), pytest.fail)
    worker.push(1)
    with pytest.raises(TimeoutError, match="not done after 0"):
        worker.flush(timeout=0.01)
    go.set()
    worker.flush()


def test_an_error_is_handed_on_and_the_next_task_is_done():
    done, failed = [], []

    def work(task):
        if task == 1:
            raise RuntimeError("first")
        done.append(task)

    worker = Latest(work, failed.append)
    worker.push(1)
    worker.flush()
    assert str(failed[0]) == "first" and not done
    worker.push(2)
    worker.flush()
    assert done == [2] and len(failed) == 1


def test_python_waits_for_what_a_daemon_thread_has_asked_for():
    """A thread that is cut off in its work, by default as its parent is, can bring Python down."""
    source = """
import threading, time
from minmax_jax.widgets import Latest
def work(task):
    time.sleep(0.5)
    print("done", task)
worker = Latest(work, print)
job = threading.Thread(target=worker.push, args=[1], daemon=True)
job.start()
job.join()
"""
    ended = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.returncode) == ("done 1\n", 0), ended.stderr


def test_an_error_in_telling_of_one_does_not_end_it():
    done = []

    def work(task):
        done.append(task)
        raise RuntimeError("first")

    worker = Latest(work, lambda error: 1 / 0)
    for task in (1, 2):
        worker.push(task)
        worker.flush(10)
    assert done == [1, 2]


def test_nothing_is_begun_once_python_is_ending():
    """What a stopped job still asks for then would be cut off."""
    source = """
import atexit
from minmax_jax.widgets import Latest
worker = Latest(print, print)
atexit.register(worker.push, "too late")
"""
    ended = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)
