"""jax's persistent compilation cache, turned on when the package is imported.

What jax compiles is kept in the user's cache folder (see ``cache.py``), so that the next process need not
compile it again. ``MINMAX_JAX_CACHE`` moves the folder or turns it off; a cache that the user has set up in
jax (``JAX_COMPILATION_CACHE_DIR``) is left as it is. Deleting the folder is always safe.
"""

import atexit
import math
import os
import zlib
from contextlib import suppress
from pathlib import Path

import jax

from minmax_jax.storage import cache

CHECKED = ".checked"  # in the folder: a file as old as the last check of the entries
SLACK = 2.0  # seconds, in which a file system may give two files the same time
ZSTANDARD = b"\x28\xb5\x2f\xfd"  # begins what jax compresses where zstandard is installed


def keep_compilations() -> None:
    """Turn the cache on, unless it is turned off, jax has one already, or nothing can be kept there."""
    place = cache.folder()
    if place is None or jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    folder = place.absolute() / "compiled"
    writable = _can_write(folder)
    if not writable and not os.access(folder, os.R_OK | os.X_OK):
        return  # jax would warn of it
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # By default only what took a second is kept; many small programs make up the start of a model.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0 if writable else math.inf)
    if writable:
        if _has_grown(folder):
            remove_damaged(folder)
        atexit.register(remove_damaged, folder)


def remove_damaged(folder: Path) -> None:
    """Remove those entries, of the ones written since the last time, that are not whole.

    A disk that was full, or a killed process, leaves such entries: jax does not write them anew, and warns
    of them in every process.
    """
    with suppress(OSError):  # the cache is only a convenience
        mark = folder / CHECKED
        since = mark.stat().st_mtime - SLACK if mark.exists() else 0
        with suppress(OSError):
            mark.touch()
        for entry in os.scandir(folder):
            with suppress(OSError):  # another process removed it first
                if entry.name.endswith("-cache") and entry.stat().st_mtime >= since and not _is_whole(entry):
                    Path(entry.path).unlink()


def _has_grown(folder: Path) -> bool:
    """Whether there are entries since the last check: a process was killed before it could check its own."""
    try:
        return folder.stat().st_mtime > (folder / CHECKED).stat().st_mtime
    except OSError:  # nothing was checked yet, which may take long: at the end
        return False


def _is_whole(entry: os.DirEntry[str]) -> bool:
    """Whether an entry can be decompressed."""
    content = Path(entry.path).read_bytes()
    try:
        if content.startswith(ZSTANDARD):
            from zstandard import ZstdDecompressor  # jax uses it where it is installed

            return bool(ZstdDecompressor().decompress(content))
        return bool(zlib.decompress(content))
    except ImportError:
        return True  # nobody reads it here
    except Exception:  # damage raises what these libraries like
        return False


def _can_write(folder: Path) -> bool:
    """Whether files can be written to a folder, or it can be made."""
    there = (one for one in map(str, (folder, *folder.parents)) if os.path.lexists(one))
    found = next(there, "")  # not by Path.exists, which raises where it may not look
    return os.path.isdir(found) and os.access(found, os.R_OK | os.W_OK | os.X_OK)  # noqa: PTH112
