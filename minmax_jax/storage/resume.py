"""The folder of long work, such as a sweep: what was asked for, and one file for each finished part."""

import json
import os
import secrets
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from minmax_jax.storage import archive
from minmax_jax.training.fingerprint import difference

VERSION = 1


class Shelf:
    """Finished parts of one piece of work in a folder, which may be shared by several processes.

    ``work`` is the kind of work and ``part`` that of its parts; ``asked`` tells which work it is: a mapping
    that JSON takes. Raises ValueError if the folder belongs to work that was asked for otherwise, or to
    something else. Without a folder nothing is kept.
    """

    def __init__(self, folder: Path | None, asked: dict[str, Any], work: str = "sweep", part: str = "group"):
        self.folder, self.part = folder, part
        if folder is not None:
            _claim(folder, json.loads(json.dumps(asked)), work)

    def read(self, number: int) -> dict[str, np.ndarray] | None:
        """The arrays of a finished part, or None; a damaged file is a warning, and counts as none."""
        file = self._file(number)
        if file is None or not file.exists():
            return None
        try:
            return archive.read(file)[0]
        except archive.Unreadable as error:
            warnings.warn(f"{error}; this {self.part} is done again", stacklevel=2)
            return None

    def write(self, number: int, arrays: dict[str, np.ndarray]) -> None:
        """Keep a finished part, wholly or not at all."""
        file = self._file(number)
        if file is not None:
            archive.write(file, arrays)

    def _file(self, number: int) -> Path | None:
        return None if self.folder is None else self.folder / f"{self.part}-{number:05d}.npz"


def kind(work: str) -> str:
    """What a folder's note says that it is of."""
    return f"minmax_jax {work}"


def _claim(folder: Path, asked: dict[str, Any], work: str) -> None:
    """Write down what the work is, or compare it with what is written."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"folder is {folder}, which is a file; it takes a folder")
    note = folder / f"{work}.json"
    # Left by a process that was killed while it wrote, or just being written by another one of this work.
    others = [path for path in folder.glob("*") if path != note and path.suffix != ".tmp"]
    if note.exists():
        _compare(note, asked, work)
        return
    if others:
        raise ValueError(
            f"folder {folder} holds other files; a {work} takes an empty or a new folder, or its own"
        )
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{note.name}.{secrets.token_hex(4)}.tmp"
    temporary.write_text(json.dumps({"kind": kind(work), "version": VERSION, "asked": asked}, indent=1))
    try:
        os.link(temporary, note)  # unlike a rename, an error if another process was quicker
        temporary.unlink()
    except OSError:
        if not note.exists():  # a file system without links
            temporary.replace(note)
        temporary.unlink(missing_ok=True)
    _compare(note, asked, work)


def _compare(note: Path, asked: dict[str, Any], work: str) -> None:
    """Raise ValueError unless ``note`` says that its folder belongs to the work that is asked for."""
    try:
        found = json.loads(note.read_text())
        claimed, version, before = str(found["kind"]), int(found["version"]), dict(found["asked"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"folder holds a {note.name} that is damaged or from elsewhere: {note}") from error
    if claimed != kind(work) or version > VERSION:
        raise ValueError(f"{note} is a {claimed!r} of version {version}; this is version {VERSION}")
    if differing := difference(before, asked):
        name, there, here = differing
        raise ValueError(
            f"folder {note.parent} belongs to another {work}: its {name} is {there!r}, and in this call it "
            f"is {here!r}. Name another folder, or ask for the same {work} to go on with it"
        )
