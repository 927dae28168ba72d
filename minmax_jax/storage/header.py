"""The header of a file: which format it has, in which version, and what wrote it."""

from collections.abc import Mapping
from importlib.metadata import version as installed
from typing import Any

import numpy as np


def header(format: str, version: int) -> dict[str, Any]:
    """What a file says of itself: its format, such as "minmax_jax.LeNet", the version of that, and ours."""
    return {"format": format, "version": version, "minmax_jax": installed("minmax_jax")}


def check_header(where: object, found: Any, format: str, version: int, takes: str) -> None:
    """Raise ValueError unless ``found`` is a header of ``format``, in this ``version`` of it or an older one.

    Args:
        where: the file, as the error names it.
        found: what was read in the place of a header; anything but a mapping is of no format.
        format: the format that is wanted.
        version: the newest version of it that this program reads.
        takes: a sentence for the error, such as "open takes a file that save wrote".

    Identity: ``check_header(where, header(format, version), format, version, takes)`` passes.
    """
    of = found.get("format") if isinstance(found, Mapping) else None
    if of != format:
        raise ValueError(f"{where} holds {f'a {of}' if isinstance(of, str) else 'something else'}; {takes}")
    written = found.get("version")
    if isinstance(written, bool) or not isinstance(written, int | np.integer) or written > version:
        by = f" by minmax_jax {found['minmax_jax']}" if "minmax_jax" in found else ""
        raise ValueError(
            f"{where} was written{by} in format {written}, newer than format {version} of the installed "
            f"minmax_jax {installed('minmax_jax')}"
        )
