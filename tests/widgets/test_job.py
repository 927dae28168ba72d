"""Work in the background: start, stop, start again, fail."""

import threading

import pytest

from minmax_jax.widgets import Job

pytestmark = pytest.mark.versions


class Steps:
    """Work of n steps, each of which waits until it is let go."""

    def __init__(self, n=3):
        self.n, self.gate, self.started, self.begun = n, threading.Semaphore(0), threading.Event(), 0

    def __call__(self, report):
        self.begun += 1
        self.started.set()
        for i in range(1, self.n + 1):
            assert self.gate.acquire(timeout=30)
            if report(i, self.n, f"step {i}"):
                return f"stopped at {i}"
        return "done"

    def let_go(self, steps):
        for _ in range(steps):
            self.gate.release()


@pytest.fixture
def work():
    return Steps()


@pytest.fixture
def job(work):
    """A job whose work has begun."""
    found = Job(work)
    found.stop()
    assert "Ready" in found.status.value, "without work there is nothing to stop"
    found.start_button.click()
    assert work.started.wait(30)
    return found


def test_it_runs_to_the_end(work, job):
    assert job.start_button.disabled and not job.stop_button.disabled and job.running
    job.start_button.click()  # twice, which starts it once
    with pytest.raises(TimeoutError):
        job.wait(timeout=0.01)
    work.let_go(3)
    job.wait()
    assert "done" in job.status.value and job.bar.value == job.bar.max == 3
    assert job.bar.bar_style == "success" and work.begun == 1
    assert not job.start_button.disabled and job.stop_button.disabled and not job.running


def test_what_is_done_next_is_said_at_once():
    said = []

    def work(report):
        for stage in ("Loading…", "Compiling…", "Compiling…"):
            report(0, 2, stage)
            said.append(job.status.value)
        for step in range(1, 50):  # too fast for a browser
            report(step, 50, f"step {step}")
            said.append(job.status.value)
        return "done"

    job = Job(work)
    job.start()
    job.wait()
    assert "Loading" in said[0] and "Compiling" in said[1] and len(set(said)) < 10


def test_stop_ends_it_early(work, job):
    job.stop_button.click()
    assert "Stopping" in job.status.value and job.stop_button.disabled
    work.let_go(1)
    job.wait()
    assert "stopped at 1" in job.status.value and job.bar.bar_style == "warning"


def test_start_while_it_runs_starts_anew(work, job):
    job.start()
    work.let_go(4)
    job.wait()
    assert work.begun == 2 and "done" in job.status.value and job.bar.bar_style == "success"


def test_started_anew_after_a_stop_it_can_be_stopped_again(work, job):
    job.stop_button.click()
    job.start()
    work.started.clear()
    work.let_go(1)
    assert work.started.wait(30)
    assert not job.stop_button.disabled and job.start_button.disabled
    job.stop_button.click()
    work.let_go(1)
    job.wait()
    assert work.begun == 2 and "stopped at 1" in job.status.value


def test_stop_takes_back_a_start(work, job):
    job.start()
    job.stop()
    work.let_go(4)
    job.wait()
    assert work.begun == 1


def test_an_error_is_shown_and_the_job_can_start_again():
    failing = [False, True]

    def work(report):
        if failing.pop():
            raise ArithmeticError("no good")
        return "fine"

    job = Job(work)
    job.start()
    job.wait()
    assert 'role="alert"' in job.status.value and "no good" in job.status.value
    assert job.bar.bar_style == "danger" and not job.start_button.disabled
    job.start()
    job.wait()
    assert "fine" in job.status.value
