"""Checks that bad input is refused as a user sees it: without the tests' run-time type checks."""

from collections.abc import Iterator
from contextlib import contextmanager

import jaxtyping
import pytest


@contextmanager
def refuses(*words: object, error: type[Exception] = ValueError) -> Iterator[None]:
    """The body raises ``error`` with a message that holds every one of ``words``."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with pytest.raises(error) as caught:
            yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)
    missing = [word for word in words if str(word) not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"
