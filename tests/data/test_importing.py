"""Imports of other threads while tensorflow-datasets is imported."""

import threading

import pytest
from etils import epy
from etils.epy import lazy_imports_utils

from minmax_jax.data.importing import own_imports


def in_another_thread(source: str) -> object:
    """What ``source`` leaves as ``found``, or the error that it raises."""
    results: list[object] = []

    def work() -> None:
        names: dict[str, object] = {"__name__": "json", "__package__": "json"}
        try:
            exec(source, names)
            results.append(names["found"])
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return results[0]


ABSOLUTE, RELATIVE = "from json import loads as found", "from .decoder import JSONDecoder as found"


def test_other_threads_import_as_usual():
    import json

    with own_imports(), epy.lazy_imports():
        import wave

        found = in_another_thread(ABSOLUTE), in_another_thread(RELATIVE)
    assert found == (json.loads, json.decoder.JSONDecoder)
    assert type(wave).__name__ == "LazyModule", "in this thread they are lazy, as asked for"


def test_without_it_they_are_disturbed():
    with epy.lazy_imports():
        found, error = in_another_thread(ABSOLUTE), in_another_thread(RELATIVE)
    assert type(found).__name__ == "LazyModule"
    assert isinstance(error, ValueError)


def test_afterwards_all_is_as_before():
    before = lazy_imports_utils._lazy_import
    with pytest.raises(ZeroDivisionError), own_imports():
        1 / 0  # noqa: B018
    assert lazy_imports_utils._lazy_import is before


def test_a_version_that_does_it_otherwise_is_left_alone(monkeypatch):
    monkeypatch.delattr(lazy_imports_utils, "_lazy_import")
    with own_imports():
        assert not hasattr(lazy_imports_utils, "_lazy_import")


def test_two_threads_take_turns():
    before, events, entered = lazy_imports_utils._lazy_import, [], threading.Event()

    def second():
        entered.wait(30)
        with own_imports():
            events.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with own_imports(), own_imports():  # the same thread may enter again
        entered.set()
        thread.join(0.5)
        events.append("first")
    thread.join(30)
    assert events == ["first", "second"] and lazy_imports_utils._lazy_import is before
