"""The engine: who does which job, what the caller is told, and how it ends."""

import os
import signal
import threading
import time
from unittest.mock import Mock

import jax
import numpy as np
import pytest

from helpers.sweeping import threads
from minmax_jax.jobs.engine import Jobs, Status, workers
from minmax_jax.jobs.interrupts import check_stop
from minmax_jax.jobs.parallel import side_by_side
from minmax_jax.storage.resume import Store

pytestmark = pytest.mark.versions

STEPS = 3


class Memory(Store):
    """A store that forgets at the end of the process."""

    def __init__(self, known=()):
        super().__init__(None, {})
        self.parts = dict(known)

    def read(self, number):
        return self.parts.get(number)

    def write(self, number, arrays):
        self.parts[number] = arrays


def result(number):
    return {"loss": np.full(2, number, np.float32)}


def run(work, jobs=5, store=None, report=lambda now: None, places=3):
    """What three workers found, whose threads all have ended."""
    before = threads()
    try:
        kept = Memory() if store is None else store
        return Jobs([STEPS] * jobs, kept).run(work, jax.devices()[:1] * places, report)
    finally:
        assert threads() == before


def steady(number, device, tell):
    for step in range(1, STEPS + 1):
        tell(step)
    return result(number)


def stalls_after(number):
    """Does the first ``number`` jobs, and works at the others until it is stopped."""
    calls = []

    def work(job, device, tell):
        calls.append(job)
        if len(calls) <= number:
            return steady(job, device, tell)
        while not tell(1):
            time.sleep(0.01)
        return None

    return work


def test_every_job_is_done_once_and_kept():
    calls, store = [], Memory()

    def work(number, device, tell):
        calls.append(number)
        assert device == jax.devices()[0]
        return steady(number, device, tell)

    done = run(work, 20, store)
    assert sorted(calls) == list(range(20)) == sorted(done)
    assert all(done[number]["loss"][0] == number for number in done) and done == store.parts


def test_what_is_kept_is_not_done_again():
    calls, seen = [], []

    def work(number, device, tell):
        calls.append(number)
        return result(number)

    done = run(work, store=Memory({0: result(7), 3: result(8)}))
    assert sorted(calls) == [1, 2, 4] and done[0]["loss"][0] == 7 and sorted(done) == [0, 1, 2, 3, 4]
    assert sorted(run(work, 2, Memory({0: result(0), 1: result(1)}), seen.append)) == [0, 1] and not seen


def test_reports_add_up_and_come_in_the_callers_thread():
    seen, places = [], set()

    def watch(now):
        seen.append(now)
        places.add(threading.current_thread())

    run(steady, 6, Memory({2: result(2)}), watch)
    assert places == {threading.current_thread()} and len(seen) == 15 + 5  # every step and every job
    assert [now.done for now in seen] == sorted(now.done for now in seen)
    assert [now.finished for now in seen] == sorted(now.finished for now in seen)
    assert seen[0].finished >= 1 and seen[0].seconds >= 0  # what was kept counts as finished
    assert seen[-1] == Status(6, 6, 15, 15, seen[-1].seconds)


def ctrl_c(now):
    if now.finished == 2:
        raise KeyboardInterrupt


@pytest.mark.parametrize("stop", [lambda now: now.finished == 2, ctrl_c])
def test_a_true_answer_or_ctrl_c_stops_all_and_keeps_what_is_finished(stop):
    seen = []
    assert len(run(stalls_after(2), 30, report=lambda now: seen.append(now) or stop(now))) == 2
    assert seen[-1].finished == 2  # nobody is asked again


def test_ctrl_c_while_waiting_reaches_jobs_that_ask():
    def work(number, device, tell):
        if number < 2:
            return result(number)
        if number == 2:
            os.kill(os.getpid(), signal.SIGINT)
        while True:
            check_stop()
            time.sleep(0.01)

    assert sorted(run(work, 30, places=1)) == [0, 1]


def test_a_second_ctrl_c_does_not_wait_for_the_jobs():
    release, ended = threading.Event(), []

    def work(number, device, tell):
        os.kill(os.getpid(), signal.SIGINT)
        while not tell(1):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        release.wait(timeout=300)
        return result(number)

    before = threads()
    with pytest.raises(KeyboardInterrupt):
        Jobs([1], Memory()).run(work, jax.devices()[:1], lambda now: None, lambda: ended.append(True))
    assert not ended
    release.set()
    while threads() != before:  # an interrupted join takes a thread for one that has ended
        time.sleep(0.01)


def test_a_job_finished_after_the_stop_still_counts():
    all_at_work = threading.Barrier(3)

    def work(number, device, tell):
        all_at_work.wait(timeout=300)
        while not tell(1):
            time.sleep(0.01)
        return result(number)

    assert len(run(work, 30, report=lambda now: True)) == 3  # one of each worker


@pytest.mark.parametrize("culprit", ["job", "store", "report"])
def test_an_error_passes_on_and_stops_the_others(culprit):
    others, store = stalls_after(2), Memory()

    def fail(*_):
        raise OSError("disk full")

    def work(number, device, tell):
        return fail() if culprit == "job" and number == 2 else others(number, device, tell)

    if culprit == "store":
        store.write = fail
    report = fail if culprit == "report" else lambda now: None
    with pytest.raises(OSError, match="disk full"):
        run(work, 30, store, report)


def test_the_cores_of_a_cpu_are_shared_out(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    one, other = Mock(jax.Device, platform="cpu"), Mock(jax.Device, platform="cpu")
    assert workers([one]) == [one] * 8
    assert workers([one, other]) == [one, other] * 4
    assert len(workers([one] * 16)) == 16
    gpus = [Mock(jax.Device, platform="gpu"), Mock(jax.Device, platform="gpu")]
    assert workers(gpus) == gpus


@pytest.mark.parametrize("places", [2, 4])
def test_batches_of_a_job_are_side_by_side_on_its_share_of_the_cores(places, monkeypatch):
    """Four cores: two jobs have two each, four have one each and use no other thread."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    together, used = threading.Barrier(places), []

    def work(number, device, tell):
        together.wait(timeout=300)
        slow = lambda _: time.sleep(0.02) or threading.get_ident()  # noqa: E731
        used.append(set(side_by_side(slow, range(20))) - {threading.get_ident()})
        together.wait(timeout=300)
        return {}

    run(work, places, places=places)
    assert [len(others) for others in used] == [4 // places if places == 2 else 0] * places
