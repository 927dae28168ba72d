"""Zeros around images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minmax_jax.checks.arguments import AnyArray, items
from minmax_jax.checks.numbers import plain

Padding = str | int | Sequence[tuple[int, int]]
Pairs = tuple[tuple[int, int], tuple[int, int]]


def explicit_padding(padding: Padding, window: Sequence[int]) -> Pairs:
    """Padding as ((top, bottom), (left, right)) zeros, for stride 1.

    ``"VALID"`` adds none; ``"SAME"`` adds ``k - 1`` in total, the odd one at the end; an int adds that many
    on every side. Raises ValueError for anything else.
    """
    padding = 0 if isinstance(padding, str) and padding == "VALID" else padding
    if isinstance(padding, str) and padding == "SAME":
        pairs = tuple(((k - 1) // 2, k // 2) for k in window)
    elif not (pairs := _pairs(padding)):
        raise ValueError(
            f"padding must be 'SAME', 'VALID', an int, or ((top, bottom), (left, right)), got {padding!r}"
        )
    if any(size < 0 for pair in pairs for size in pair):
        raise ValueError(f"padding must be numbers >= 0, got {padding!r}")
    return pairs[0], pairs[1]


def _pairs(got: Any) -> tuple[tuple[int, int], ...]:
    """Two pairs of ints, also from one int for all four; none where ``got`` is neither."""
    if isinstance(number := plain(got), int) and not isinstance(number, bool):
        return ((number, number),) * 2
    rows = np.asarray(got) if isinstance(got, AnyArray) and got.ndim == 2 else got
    pairs = [tuple(map(plain, items(row))) for row in (rows if isinstance(rows, np.ndarray) else items(rows))]
    are_ints = all(type(size) is int for pair in pairs for size in pair)
    return tuple(pairs) if [len(pair) for pair in pairs] == [2, 2] and are_ints else ()
