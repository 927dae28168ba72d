"""The crew of a sweep: who trains what, what the caller is told, and how it ends; nothing is trained here."""

import os
import signal
import threading
import time
from unittest.mock import Mock

import jax
import numpy as np
import pytest

from helpers.small import digits
from helpers.sweeping import threads
from minmax_jax.sweeps import workers as crew
from minmax_jax.sweeps.workers import Crew, SweepProgress, gather, workers

EPOCHS = 3


def result(index):
    return {"loss": np.full(2, index, np.float32)}


def work(train, groups=5, found=None, progress=False, places=3):
    """Results of a crew of three, whose threads all have ended."""
    before = threads()
    try:
        return Crew(jax.devices()[:1] * places, digits(), train).work(groups, found or {}, EPOCHS, progress)
    finally:
        assert threads() == before


def trains(index, pictures, tick):
    for _ in range(EPOCHS):
        tick()
    return result(index)


def stalls_after(number):
    """A train function that does the first ``number`` groups, and works at the others until it is stopped."""
    calls = []

    def train(index, pictures, tick):
        calls.append(index)
        if len(calls) <= number:
            return trains(index, pictures, tick)
        while not tick():
            time.sleep(0.01)
        return None

    return train


def test_all_groups_are_trained_once():
    calls = []

    def train(index, pictures, tick):
        calls.append(index)
        return trains(index, pictures, tick)

    done = work(train, groups=20)
    assert sorted(calls) == list(range(20)) == sorted(done)
    assert all(done[index]["loss"][0] == index for index in done)


def test_what_was_found_is_not_trained_again():
    calls = []

    def train(index, pictures, tick):
        calls.append(index)
        return trains(index, pictures, tick)

    done = work(train, found={0: result(7), 3: result(8)})
    assert sorted(calls) == [1, 2, 4] and done[0]["loss"][0] == 7 and sorted(done) == [0, 1, 2, 3, 4]
    seen = []
    assert sorted(work(train, 2, {0: result(0), 1: result(1)}, seen.append)) == [0, 1] and not seen


def test_workers_are_given_the_images():
    def train(index, pictures, tick):
        assert pictures.images.shape == (650, 28, 28, 1) and pictures.test_labels.shape == (203,)
        assert pictures.images.devices() == {jax.devices()[0]}
        return result(index)

    assert len(work(train)) == 5


def test_progress_adds_up_and_comes_in_the_callers_thread():
    seen, places = [], set()

    def watch(now):
        seen.append(now)
        places.add(threading.current_thread())

    work(trains, groups=6, found={2: result(2)}, progress=watch)
    assert places == {threading.current_thread()}
    assert all(isinstance(now, SweepProgress) for now in seen)
    assert [now.epochs for now in seen] == sorted(now.epochs for now in seen)
    assert [now.groups for now in seen] == sorted(now.groups for now in seen)
    assert {now.of_groups for now in seen} == {6} and {now.of_epochs for now in seen} == {15}
    assert seen[0].groups >= 1  # what was found counts as done
    assert (seen[-1].groups, seen[-1].epochs, seen[-1].seconds_left) == (6, 15, 0)
    assert len(seen) == 15 + 5  # every epoch and every group
    assert all(now.seconds >= 0 and now.seconds_left >= 0 for now in seen)


def test_a_true_answer_stops_all_and_keeps_what_is_finished():
    seen = []

    def watch(now):
        seen.append(now)
        return now.groups == 2

    assert len(work(stalls_after(2), groups=30, progress=watch)) == 2
    assert seen[-1].groups == 2  # nobody is asked again


def test_ctrl_c_in_the_progress_function_keeps_what_is_finished():
    def watch(now):
        if now.groups == 2:
            raise KeyboardInterrupt

    assert len(work(stalls_after(2), groups=30, progress=watch)) == 2


def test_ctrl_c_while_waiting_keeps_what_is_finished():
    def train(index, pictures, tick):
        if index < 2:
            return result(index)
        if index == 2:
            os.kill(os.getpid(), signal.SIGINT)
        while not tick():
            time.sleep(0.01)
        return None

    done = work(train, groups=30, places=1)
    assert sorted(done) == [0, 1]


def test_an_error_of_the_progress_function_passes_on():
    def watch(now):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        work(stalls_after(2), groups=30, progress=watch)


def test_an_error_of_a_worker_passes_on_and_stops_the_others():
    others = stalls_after(0)

    def train(index, pictures, tick):
        if index == 1:
            raise MemoryError("out of memory on the device")
        return others(index, pictures, tick)

    with pytest.raises(MemoryError, match="on the device"):
        work(train, groups=30)


def test_a_group_finished_after_the_stop_still_counts():
    all_at_work = threading.Barrier(3)

    def train(index, pictures, tick):
        all_at_work.wait(timeout=300)
        while not tick():
            time.sleep(0.01)
        return result(index)

    assert len(work(train, groups=30, progress=lambda now: True)) == 3  # one of each worker


def test_a_bar_is_drawn_or_not(capsys):
    work(trains, groups=4, found={0: result(0)}, progress=True)
    drawn = capsys.readouterr().err
    assert "9/9" in drawn and "groups=4/4" in drawn and "epoch" in drawn
    work(trains, progress=False)
    assert not capsys.readouterr().err


def test_the_cores_of_a_cpu_are_shared_out(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    one, other = Mock(jax.Device, platform="cpu"), Mock(jax.Device, platform="cpu")
    assert workers([one]) == [one] * 8
    assert workers([one, other]) == [one, other] * 4
    assert len(workers([one] * 16)) == 16
    gpus = [Mock(jax.Device, platform="gpu"), Mock(jax.Device, platform="gpu")]
    assert workers(gpus) == gpus


def test_a_single_process_has_all_groups_already():
    done = {1: result(1)}
    assert gather(done, 3) is done


def test_arrays_survive_the_way_to_another_process():
    arrays = {
        "loss": np.array([[1, np.nan]], np.float32),
        "good_epochs": np.array([2]),
        "weight a.b": np.zeros((1, 0, 3), np.uint32),
    }
    found = crew._unpack(crew._pack(arrays))
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
