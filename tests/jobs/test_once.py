"""Results computed once, however many threads ask."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from minmax_jax.jobs.once import once

pytestmark = pytest.mark.versions


def test_threads_that_ask_at_the_same_time_share_one_result():
    asking, calls = threading.Barrier(4, timeout=60), []

    @once
    def make(name: str, much: int = 1) -> list[str]:
        calls.append(name)
        return [name] * much

    def ask(_):
        asking.wait()
        return make("a", much=2)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(4)))
    assert calls == ["a"] and all(one is found[0] for one in found) and found[0] == ["a", "a"]
    assert make("b") == ["b"] and calls == ["a", "b"]


def test_an_error_is_not_kept():
    answers = [OSError("gone"), 3]

    @once
    def read() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(OSError, match="gone"):
        read()
    assert read() == read() == 3
