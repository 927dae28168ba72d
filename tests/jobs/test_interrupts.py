"""Ctrl-C, held off."""

import os
import signal
import threading

import pytest

from minmax_jax.jobs.interrupts import uninterrupted


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
    done = []

    def work():
        with uninterrupted(later=True):
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.default_int_handler]
