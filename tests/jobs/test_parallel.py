"""Batches side by side: the results of one after another, in their order, and each program compiled once."""

import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minmax_jax.jobs.parallel import cores, side_by_side, with_cores


@pytest.fixture
def two_cores():
    with with_cores(lambda: 2):
        yield


@given(st.lists(st.integers(-9, 9), max_size=12))
def test_results_come_in_the_order_of_the_items(items):
    assert list(side_by_side(lambda item: item**2, iter(items))) == [item**2 for item in items]


def test_no_more_than_one_thread_a_core_and_all_of_them():
    meeting, workers = threading.Barrier(3, timeout=30), set()

    def work(item):
        if item:  # the first is the caller's own
            meeting.wait()
            workers.add(threading.get_ident())
        return item

    with with_cores(lambda: 3):
        assert list(side_by_side(work, range(7))) == list(range(7))
    assert len(workers) == 3 and threading.get_ident() not in workers


def test_a_program_is_compiled_once(two_cores):
    traced = []

    @jax.jit
    def double(x):
        traced.append(x.shape)
        return 2 * x

    batches = [jnp.full(5, float(i)) for i in range(20)]
    found = np.stack(list(side_by_side(double, batches)))
    np.testing.assert_array_equal(found, 2 * np.stack(batches))
    assert traced == [(5,)]


@pytest.mark.parametrize("bad", [0, 1, 5])
def test_an_error_reaches_the_caller_and_what_is_waiting_is_left(bad, two_cores):
    begun = []

    def work(item):
        begun.append(item)
        if item == bad:
            raise KeyError(item)
        time.sleep(0.01)
        return item

    with pytest.raises(KeyError, match=str(bad)):
        list(side_by_side(work, range(500)))
    assert len(begun) < 400


def test_who_stops_listening_stops_the_work(two_cores):
    begun = []

    def work(item):
        begun.append(item)
        time.sleep(0.01)

    results = side_by_side(work, range(500))
    next(results)
    results.close()
    assert len(begun) < 400


@pytest.mark.parametrize(("backend", "count"), [("gpu", 4), ("cpu", 1), ("cpu", 0)])
def test_on_other_devices_and_on_one_core_it_is_one_after_another(backend, count, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    with with_cores(lambda: count):
        used = set(side_by_side(lambda _: threading.get_ident(), range(5)))
    assert used == {threading.get_ident()}


@pytest.mark.parametrize(
    ("context", "seen"),
    [
        (lambda: jax.default_matmul_precision("highest"), lambda: jax.config.jax_default_matmul_precision),
        (lambda: jax.default_device(jax.devices()[0]), lambda: jax.config.jax_default_device),
        (jax.disable_jit, lambda: jax.config.jax_disable_jit),
    ],
)
def test_all_items_are_worked_on_in_the_context_of_the_caller(context, seen, two_cores):
    outside = seen()
    with context():
        inside = list(side_by_side(lambda _: seen(), range(6)))
    assert len(inside) == 6 and set(inside) == {inside[0]} != {outside}


def test_cores_are_counted_anew_and_those_of_the_process_after_the_body():
    used = []

    def threads():
        slow = lambda _: time.sleep(0.01) or threading.get_ident()  # noqa: E731
        used.append(len(set(side_by_side(slow, range(20))) - {threading.get_ident()}))

    counts = iter([3, 2])
    with with_cores(lambda: next(counts)):
        threads()
        threads()
    threads()
    assert used[:2] == [3, 2] and used[2] == (0 if cores() == 1 else min(cores(), 16))
