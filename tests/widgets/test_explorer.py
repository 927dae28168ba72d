"""What all explorers do: the newest task is drawn, those passed by are not, errors are shown in place."""

import subprocess
import sys
import threading

import pytest

from minmax_jax.plots.style import Figure
from minmax_jax.widgets import FigureImage, Latest
from minmax_jax.widgets.explorer import DrawnExplorer

pytestmark = pytest.mark.versions


def test_tasks_that_wait_are_replaced_by_newer_ones():
    started, go, done = threading.Event(), threading.Event(), []

    def work(task):
        started.set()
        assert go.wait(30)
        done.append(task)

    worker = Latest(work, pytest.fail)
    worker.push(1)
    assert started.wait(30)
    for task in (2, 3, 4):
        worker.push(task)
    with pytest.raises(TimeoutError, match="not done after 0"):
        worker.flush(timeout=0.01)
    go.set()
    worker.flush()
    assert done == [1, 4]
    worker.push(5)  # after a rest
    worker.flush()
    assert done == [1, 4, 5]


@pytest.mark.parametrize("told", [lambda errors, error: errors.append(error), lambda *_: 1 / 0])
def test_after_an_error_the_next_task_is_done(told):
    done, errors = [], []

    def work(task):
        done.append(task)
        if task == 1:
            raise RuntimeError("first")

    worker = Latest(work, lambda error: told(errors, error))
    for task in (1, 2):
        worker.push(task)
        worker.flush(10)
    assert done == [1, 2] and [str(error) for error in errors] in (["first"], [])


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize(
    ("ending", "printed"),
    [
        ("job = threading.Thread(target=worker.push, args=[1], daemon=True); job.start(); job.join()", "1\n"),
        ("atexit.register(worker.push, 'too late')", ""),
    ],
    ids=["what a daemon thread asked for", "nothing new"],
)
def test_python_ends_with_what_was_begun(ending, printed):
    """A thread that is cut off in its work, by default as its parent is, can bring Python down."""
    source = f"""
import atexit, threading, time
from minmax_jax.widgets import Latest
def work(task):
    time.sleep(0.5)
    print(task)
worker = Latest(work, print)
{ending}
"""
    ended = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr, ended.returncode) == (printed, "", 0)


class Reciprocal(DrawnExplorer):
    """Writes 1 / x below an empty figure, once it may."""

    def __init__(self):
        super().__init__()
        self.figure = FigureImage(Figure(figsize=(1, 1)))
        self.begun, self.may = threading.Event(), threading.Event()
        self.may.set()
        self.fail = self._guard(lambda _: 1 / 0)

    def choose(self, x):
        self._push(x)

    def _draw(self, x):
        self.begun.set()
        assert self.may.wait(30)
        self.figure.refresh(f"{1 / x}")


def test_an_error_is_shown_until_something_is_drawn():
    explorer = Reciprocal()
    for x in (1, 2, 4):
        explorer.choose(x)
    explorer.wait()
    assert ">0.25<" in explorer.figure.caption.value and explorer.status.value == ""
    for go_wrong in (lambda: explorer.choose(0), lambda: explorer.fail(None)):
        go_wrong()
        explorer.wait()
        assert "an earlier choice: 0.25<" in explorer.figure.caption.value
        assert "ZeroDivisionError" in explorer.status.value and 'role="alert"' in explorer.status.value
        explorer.choose(4)
        explorer.wait()
        assert explorer.status.value == "" and ">0.25<" in explorer.figure.caption.value


def test_an_error_in_a_callback_outlives_a_drawing_under_way():
    explorer = Reciprocal()
    explorer.may.clear()
    explorer.choose(2)
    assert explorer.begun.wait(30)
    explorer.fail(None)
    explorer.may.set()
    explorer.wait()
    assert "an earlier choice: 0.5<" in explorer.figure.caption.value
    assert "ZeroDivisionError" in explorer.status.value
