"""Tests that need PyTorch, or attacks of other packages, are marked and, where those are missing, skipped."""

from importlib.util import find_spec
from typing import Any

import pytest

NEEDED = [
    pytest.mark.torch,
    pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch, from the extra `peers`"),
    # What PyTorch says of itself, of scripts and of NumPy, is none of our code's.
    pytest.mark.filterwarnings("ignore::Warning:torch"),
]

PACKAGES = ("torchattacks", "foolbox", "art")
MISSING = [name for name in PACKAGES if find_spec(name) is None]

# For a test, or a file by its ``pytestmark``, that compares with other packages' attacks. They are imported
# in the test or in a fixture.
ATTACKS_NEEDED = [
    *NEEDED,
    pytest.mark.peers,
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"needs {', '.join(MISSING)}: from the extra `peers`, and torchattacks by pip's --no-deps",
    ),
    # Nor is what these packages use of PyTorch, NumPy or Python that is old by now.
    *[pytest.mark.filterwarnings(f"ignore::Warning:{name}") for name in (*PACKAGES, "eagerpy", "sklearn")],
]


def long(*values: Any) -> Any:
    """A case of a parametrized test that takes minutes: run by ``pytest -m long`` alone."""
    return pytest.param(*values, marks=pytest.mark.long)
