"""The cache: decoded arrays in the user's cache folder, so that a second load is fast.

``MINMAX_JAX_CACHE`` in the environment moves it (a folder) or turns it off ("off"). Deleting it is
always safe.
"""

import hashlib
import os
import re
import time
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import platformdirs

from minmax_jax.storage import archive
from minmax_jax.storage.names import as_path

VARIABLE = "MINMAX_JAX_CACHE"
DAY = 24 * 60 * 60


def folder() -> Path | None:
    """The folder of the cache, which need not exist yet; None if it is turned off, or has no home folder."""
    setting = os.environ.get(VARIABLE, "").strip()
    if setting.lower() == "off":
        return None
    try:
        return as_path(VARIABLE, setting or platformdirs.user_cache_path("minmax_jax", appauthor=False))
    except (ValueError, RuntimeError):  # there is no home folder
        return None


def path(key: str) -> Path | None:
    """The file of a key, different for every key; None where the cache is turned off."""
    cache = folder()
    if cache is None:
        return None
    readable = re.sub(r"\W+", "-", key)[:40].strip("-")
    return cache / f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"


def read(key: str) -> dict[str, np.ndarray] | None:
    """The arrays written under ``key``, or None if there are none that can be read whole.

    A damaged file counts as none: the caller makes the arrays again and overwrites it. Identity:
    after ``write(key, arrays)``, ``read(key)`` equals ``arrays``, unless the cache is off.
    """
    file = path(key)
    if file is None:
        return None
    try:
        return archive.read(file)[0]
    except (archive.Unreadable, OSError):
        return None


def write(key: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write ``arrays`` under ``key``, atomically: whole or not at all, even if killed or raced by another.

    A folder that cannot be written to is a warning, not an error: the cache is only a convenience.
    Raises TypeError for arrays of Python objects, which only pickle could store.
    """
    file = path(key)
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _sweep(file.parent)
        archive.write(file, arrays)
    except OSError as error:
        warnings.warn(
            f"the cache folder {file.parent} cannot be written to ({error}), so the next load will "
            f"be as slow; set {VARIABLE} to another folder, or to 'off'",
            stacklevel=2,
        )


def _sweep(cache: Path) -> None:
    """Remove the temporary files of writers killed long ago; a recent one may still be in use."""
    for temporary in cache.glob("*.tmp"):
        try:
            if time.time() - temporary.stat().st_mtime > DAY:
                temporary.unlink()
        except OSError:  # another process removed it first, or still has it open
            continue
