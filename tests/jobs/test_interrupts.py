"""Ctrl-C, held off, and passed on to other threads."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from minmax_jax.jobs.interrupts import check_stop, stopped_by, uninterrupted

pytestmark = pytest.mark.versions


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_is_forgotten_or_counts_afterwards():
    reached = []
    with uninterrupted():
        press()
        reached.append("forgotten")
    with pytest.raises(KeyboardInterrupt), uninterrupted(later=True):
        press()
        reached.append("later")
    assert reached == ["forgotten", "later"]
    with uninterrupted(), uninterrupted(later=True):
        press()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_of_the_body_passes_on():
    with pytest.raises(OSError, match="first"), uninterrupted(later=True):
        press()
        raise OSError("first")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_it_does_nothing():
    def work():
        with uninterrupted(later=True):
            return signal.getsignal(signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() is signal.default_int_handler


def test_a_job_is_stopped_in_its_own_thread_and_until_its_end():
    asked = [False, True, True]
    with stopped_by(lambda: asked.pop(0)):
        check_stop()
        with pytest.raises(KeyboardInterrupt):
            check_stop()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(check_stop).result()
        with stopped_by(lambda: False):
            check_stop()
        with pytest.raises(KeyboardInterrupt):
            check_stop()
    check_stop()
