"""Ctrl-C, held off, and passed on to other threads."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from minmax_jax.jobs.interrupts import CtrlC, check_stop, stopped_by, uninterrupted

pytestmark = pytest.mark.versions


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_counts_afterwards():
    reached = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        press()
        press()
        reached.append("the end")
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        with uninterrupted():
            press()
        reached.append("of both")
    assert reached == ["the end", "of both"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_until_it_is_held_off_it_acts_as_ever_and_then_it_brings_what_was_kept():
    with pytest.raises(KeyboardInterrupt), CtrlC():
        press()
        raise AssertionError("not reached")
    with pytest.raises(KeyboardInterrupt) as caught, CtrlC() as ctrl_c:
        ctrl_c.hold()
        press()
        ctrl_c.keep(run="done")
    assert caught.value.run == "done"


class Garbage:
    """When it is collected, Ctrl-C is pressed; Python ignores errors then, and says so."""

    def __del__(self):
        press()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_where_python_ignores_it_it_counts_at_the_next_check():
    with pytest.raises(KeyboardInterrupt), CtrlC() as ctrl_c:
        ctrl_c.check()
        Garbage()
        ctrl_c.check()
        raise AssertionError("not reached")


def test_other_handlers_of_the_user_stay_in_force():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append("pressed"))
    try:
        with CtrlC() as ctrl_c:
            press()
            assert seen == ["pressed"]
            ctrl_c.hold()
            press()
            assert seen == ["pressed"]
        assert seen == ["pressed"] * 2
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with CtrlC() as ctrl_c:
            press()
            ctrl_c.hold()
            press()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_error_of_the_body_hides_no_ctrl_c():
    """Else a loop that passes over the errors would go on."""
    with pytest.raises(KeyboardInterrupt) as caught, uninterrupted():
        press()
        raise OSError("first")
    assert isinstance(caught.value.__context__, OSError)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_it_does_nothing():
    def work():
        with uninterrupted():
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
