"""The cores of a CPU, and batches worked on side by side."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import jax

Item = TypeVar("Item")
Found = TypeVar("Found")


def cores() -> int:
    """Number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def side_by_side(function: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
    """``function(item)`` for each item, in their order; on a CPU as many at once as there are cores.

    XLA divides only the large operations of a program among the cores, so that two batches at once take less
    time than one after the other; a GPU or TPU has one queue. ``function`` calls a compiled program and
    returns its arrays. The first call is begun before the others, so that it compiles for all. Threads do
    not see jax's context managers, such as ``jax.default_device``, that their caller is in.
    Identity: ``map(function, items)``.
    """
    if jax.default_backend() != "cpu" or cores() == 1:
        yield from map(function, items)
        return
    rest = iter(items)
    pool = ThreadPoolExecutor(cores())
    try:
        for first in rest:
            begun = function(first)  # compiled when it returns, while the device still works on it
            others = pool.map(lambda item: jax.block_until_ready(function(item)), rest)
            yield begun
            yield from others
    finally:
        pool.shutdown(cancel_futures=True)
