"""Batches side by side: the results of one after another, in their order, and each program compiled once."""

import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minmax_jax.jobs import parallel as module
from minmax_jax.jobs.parallel import cores, side_by_side


@given(st.lists(st.integers(-9, 9), max_size=12))
def test_results_come_in_the_order_of_the_items(items):
    assert list(side_by_side(lambda item: item**2, iter(items))) == [item**2 for item in items]


def test_no_more_than_one_thread_a_core_and_all_of_them(monkeypatch):
    monkeypatch.setattr(module, "cores", lambda: 3)
    meeting, workers = threading.Barrier(3, timeout=30), set()

    def work(item):
        if item:  # the first is the caller's own
            meeting.wait()
            workers.add(threading.get_ident())
        return item

    assert list(side_by_side(work, range(7))) == list(range(7))
    assert len(workers) == 3 and threading.get_ident() not in workers


def test_a_program_is_compiled_once(monkeypatch):
    monkeypatch.setattr(module, "cores", lambda: 2)
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
def test_an_error_reaches_the_caller_and_what_is_waiting_is_left(bad, monkeypatch):
    monkeypatch.setattr(module, "cores", lambda: 2)
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


def test_who_stops_listening_stops_the_work(monkeypatch):
    monkeypatch.setattr(module, "cores", lambda: 2)
    begun = []

    def work(item):
        begun.append(item)
        time.sleep(0.01)

    results = side_by_side(work, range(500))
    next(results)
    results.close()
    assert len(begun) < 400


def test_on_other_devices_and_on_one_core_it_is_one_after_another(monkeypatch):
    for name, value in (("cores", lambda: 1), ("jax", None)):
        with monkeypatch.context() as patch:
            if value is None:
                patch.setattr(jax, "default_backend", lambda: "gpu")
            else:
                patch.setattr(module, name, value)
            threads = set(side_by_side(lambda _: threading.get_ident(), range(5)))
            assert threads == {threading.get_ident()}


@pytest.mark.parametrize(
    ("context", "seen"),
    [
        (lambda: jax.default_matmul_precision("highest"), lambda: jax.config.jax_default_matmul_precision),
        (lambda: jax.default_device(jax.devices()[0]), lambda: jax.config.jax_default_device),
        (jax.disable_jit, lambda: jax.config.jax_disable_jit),
    ],
)
def test_all_items_are_worked_on_in_the_context_of_the_caller(context, seen, monkeypatch):
    monkeypatch.setattr(module, "cores", lambda: 2)
    outside = seen()
    with context():
        inside = list(side_by_side(lambda _: seen(), range(6)))
    assert len(inside) == 6 and set(inside) == {inside[0]} != {outside}


def test_there_is_a_core():
    assert cores() >= 1
