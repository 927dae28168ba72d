"""Checks that bad input is refused as a user sees it: without the tests' run-time type checks."""

from collections.abc import Iterator
from contextlib import contextmanager

import jaxtyping
import pytest


@contextmanager
def unchecked() -> Iterator[None]:
    """The body is called as by a user: without the tests' run-time type checks."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)


@contextmanager
def refuses(*words: object, error: type[Exception] = ValueError) -> Iterator[None]:
    """The body raises ``error`` with a message that holds every one of ``words``."""
    with unchecked(), pytest.raises(error) as caught:
        yield
    missing = [word for word in words if str(word) not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"
