"""The folder of a sweep: what was asked for, and one file for each finished group."""

import json
import os
import secrets
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from minmax_jax import archive
from minmax_jax.fingerprint import difference

KIND = "minmax_jax sweep"
VERSION = 1


class Shelf:
    """Finished groups of one sweep in a folder, which may be shared by several processes.

    ``asked`` tells what the sweep is: a mapping that JSON takes. Raises ValueError if the folder belongs to a
    sweep that was asked for otherwise, or to something else. Without a folder nothing is kept.
    """

    def __init__(self, folder: Path | None, asked: dict[str, Any]):
        self.folder = folder
        if folder is not None:
            _claim(folder, json.loads(json.dumps(asked)))

    def read(self, group: int) -> dict[str, np.ndarray] | None:
        """The arrays of a finished group, or None; a damaged file is a warning, and counts as none."""
        file = self._file(group)
        if file is None or not file.exists():
            return None
        try:
            return archive.read(file)[0]
        except archive.Unreadable as error:
            warnings.warn(f"{error}; its models are trained again", stacklevel=2)
            return None

    def write(self, group: int, arrays: dict[str, np.ndarray]) -> None:
        """Keep a finished group, wholly or not at all."""
        file = self._file(group)
        if file is not None:
            archive.write(file, arrays)

    def _file(self, group: int) -> Path | None:
        return None if self.folder is None else self.folder / f"group-{group:05d}.npz"


def _claim(folder: Path, asked: dict[str, Any]) -> None:
    """Write down what the sweep is, or compare it with what is written."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"folder is {folder}, which is a file; it takes a folder")
    note = folder / "sweep.json"
    # Left by a process that was killed while it wrote, or just being written by another one of this sweep.
    others = [path for path in folder.glob("*") if path != note and path.suffix != ".tmp"]
    if note.exists():
        _compare(note, asked)
        return
    if others:
        raise ValueError(
            f"folder {folder} holds other files; a sweep takes an empty or a new folder, or its own"
        )
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"sweep.json.{secrets.token_hex(4)}.tmp"
    temporary.write_text(json.dumps({"kind": KIND, "version": VERSION, "asked": asked}, indent=1))
    try:
        os.link(temporary, note)  # unlike a rename, an error if another process was quicker
        temporary.unlink()
    except OSError:
        if not note.exists():  # a file system without links
            temporary.replace(note)
        temporary.unlink(missing_ok=True)
    _compare(note, asked)


def _compare(note: Path, asked: dict[str, Any]) -> None:
    """Raise ValueError unless ``note`` says that its folder belongs to the sweep that is asked for."""
    try:
        found = json.loads(note.read_text())
        kind, version, before = str(found["kind"]), int(found["version"]), dict(found["asked"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"folder holds a {note.name} that is damaged or from elsewhere: {note}") from error
    if kind != KIND or version > VERSION:
        raise ValueError(f"{note} is a {kind!r} of version {version}; this is version {VERSION}")
    if differing := difference(before, asked):
        name, there, here = differing
        raise ValueError(
            f"folder {note.parent} belongs to another sweep: its {name} is {there!r}, and in this call it is "
            f"{here!r}. Name another folder, or call sweep with what this one has to go on with it"
        )
