"""The cores of a CPU, and batches worked on side by side."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import jax

MOST = 16  # batches at once: beyond, memory grows more than speed

# What a caller may have changed by a context manager, which other threads do not see.
SETTINGS = (
    *("jax_default_device", "jax_default_matmul_precision", "jax_enable_x64", "jax_disable_jit"),
    *("jax_default_prng_impl", "jax_numpy_dtype_promotion", "jax_numpy_rank_promotion"),
    *("jax_debug_nans", "jax_debug_infs"),
)

Item = TypeVar("Item")
Found = TypeVar("Found")

_thread = threading.local()


def cores() -> int:
    """Number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def with_cores(count: Callable[[], int]) -> Iterator[None]:
    """During the body, ``side_by_side`` in this thread uses ``count()`` cores, at least one.

    Jobs that run side by side, each with batches side by side, so have no more threads than there are cores.
    """
    before = getattr(_thread, "cores", cores)
    _thread.cores = count
    try:
        yield
    finally:
        _thread.cores = before


def side_by_side(function: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
    """``function(item)`` for each item, in order; on a CPU as many at once as there are cores, up to 16.

    XLA divides only the large operations of a program among the cores, so that two batches at once take less
    time than one after the other; a GPU or TPU has one queue. ``function`` calls a compiled program and
    returns its arrays. The first call is begun before the others, so that it compiles for all. Inside one of
    jax's context managers, such as ``jax.default_device``, items are worked on one by one, in that context.
    Identity: ``map(function, items)``.
    """
    threads = min(getattr(_thread, "cores", cores)(), MOST)
    if jax.default_backend() != "cpu" or threads <= 1:
        yield from map(function, items)
        return
    rest = iter(items)
    pool = ThreadPoolExecutor(threads)
    try:
        if pool.submit(_settings).result() != _settings():
            yield from map(function, rest)
        for first in rest:
            begun = function(first)  # compiled when it returns, while the device still works on it
            others = pool.map(lambda item: jax.block_until_ready(function(item)), rest)
            yield begun
            yield from others
    finally:
        pool.shutdown(cancel_futures=True)


def _settings() -> list[Any]:
    """The settings that hold in this thread."""
    mesh = getattr(jax.sharding, "get_abstract_mesh", lambda: None)
    return [mesh(), *(getattr(jax.config, name, None) for name in SETTINGS)]
