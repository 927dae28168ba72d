"""Named arrays to store, how to compare them, and a disk that is full."""

from collections.abc import Mapping

import numpy as np
import pytest

ARRAYS = {"images": np.arange(64, dtype=np.uint8).reshape(4, 4, 4), "labels": np.arange(4)}


def same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    """Equal names, types, shapes and bits, NaN too."""
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype
        and one[name].shape == other[name].shape
        and one[name].tobytes() == other[name].tobytes()
        for name in one
    )


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, arrays cannot be written."""

    def write_array(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", write_array)
