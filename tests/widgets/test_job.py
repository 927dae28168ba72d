"""Work in the background: start, stop, start again, fail."""

import threading

import pytest

from minmax_jax.widgets import Job


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


def test_it_runs_to_the_end():
    work = Steps()
    job = Job(work)
    job.start_button.click()
    assert work.started.wait(30)
    assert job.start_button.disabled and not job.stop_button.disabled and job.running
    work.let_go(3)
    job.wait()
    assert "done" in job.status.value and job.bar.value == job.bar.max == 3
    assert job.bar.bar_style == "success"
    assert not job.start_button.disabled and job.stop_button.disabled and not job.running


def test_a_double_click_starts_once():
    work = Steps(n=1)
    job = Job(work)
    job.start_button.click()
    assert work.started.wait(30)
    job.start_button.click()
    work.let_go(1)
    job.wait()
    assert work.begun == 1 and "done" in job.status.value


def test_stop_ends_it_early():
    work = Steps()
    job = Job(work)
    job.start()
    assert work.started.wait(30)
    job.stop_button.click()
    assert "Stopping" in job.status.value and job.stop_button.disabled
    work.let_go(1)
    job.wait()
    assert "stopped at 1" in job.status.value and job.bar.bar_style == "warning"


def test_start_while_it_runs_starts_anew():
    work = Steps(n=1)
    job = Job(work)
    job.start()
    assert work.started.wait(30)
    job.start()
    work.let_go(2)
    job.wait()
    assert work.begun == 2 and "done" in job.status.value


def test_started_anew_after_a_stop_it_can_be_stopped_again():
    work = Steps(n=2)
    job = Job(work)
    job.start()
    assert work.started.wait(30)
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


def test_stop_takes_back_a_start():
    work = Steps(n=2)
    job = Job(work)
    job.start()
    assert work.started.wait(30)
    job.start()
    job.stop()
    work.let_go(4)
    job.wait()
    assert work.begun == 1


def test_an_error_is_shown_and_the_job_can_start_again():
    failing = [True]

    def work(report):
        if failing.pop():
            raise ArithmeticError("no good")
        return "fine"

    job = Job(work)
    job.start()
    job.wait()
    assert 'role="alert"' in job.status.value and "no good" in job.status.value
    assert job.bar.bar_style == "danger" and not job.start_button.disabled
    failing.append(False)
    job.start()
    job.wait()
    assert "fine" in job.status.value


def test_stop_without_work_does_nothing():
    job = Job(Steps())
    job.stop()
    assert "Ready" in job.status.value


def test_waiting_too_long_is_an_error():
    work = Steps()
    job = Job(work)
    job.start()
    with pytest.raises(TimeoutError):
        job.wait(timeout=0.01)
    work.let_go(3)
    job.wait()
