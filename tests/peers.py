"""Tests that need PyTorch are marked and, where it is not installed, skipped."""

from importlib.util import find_spec

import pytest

NEEDED = [
    pytest.mark.torch,
    pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch, from the extra `peers`"),
    # What PyTorch says of itself, of scripts and of NumPy, is none of our code's.
    pytest.mark.filterwarnings("ignore::Warning:torch"),
]
