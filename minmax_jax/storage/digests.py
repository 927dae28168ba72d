"""Digests of arrays, and the first difference between two descriptions of work."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def digest(array: np.ndarray) -> str:
    """Type, shape and checksum (of SHA-256) of an array, as a text to compare and to read.

    Identity: equal for arrays of equal type, shape and bits, however they lie in memory.
    """
    content: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    shape = ",".join(map(str, array.shape))
    return f"{array.dtype}[{shape}] with checksum {hashlib.sha256(content).hexdigest()[:16]}"


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """Name and both values of the first entry in which two descriptions differ; None if they are equal."""
    for name in [*before, *now]:
        if before.get(name) != now.get(name):
            return name, before.get(name), now.get(name)
    return None
