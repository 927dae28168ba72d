"""A folder of work that can be resumed: what the work is, and one file for each finished part."""

import json
import os
import re
import secrets
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from minmax_jax.storage import archive
from minmax_jax.storage.digests import difference
from minmax_jax.storage.header import check_header, header

VERSION = 1
ADVICE = "Name another folder, or call with the same settings to resume it"


class Store:
    """Finished parts of one piece of work in a folder, which several processes may share.

    Each part is one archive, written whole or not at all; a note beside them says which work they belong to.
    ``fit``, ``sweep`` and the study keep their work in it. Identity: after ``write(number, arrays)``,
    ``read(number)`` equals ``arrays``, also in another process and after a kill.

    Args:
        folder: where the parts are kept; None keeps nothing.
        settings: all that the work depends on, a mapping that JSON takes; a later call must have the same.
        work: the kind of work, which names the note: "sweep.json".
        part: the kind of its parts, which names their files: "group-00003.npz".
        argument: name of the folder in errors.
        newest: number of parts to keep, for parts that make earlier ones superfluous; None keeps all. Such a
            folder has a single writer, and belongs to its work from the first ``write`` on, others at once.
        adopt: whether to claim a folder that holds other files, such as those of an earlier format.
        grows: name of a number among the settings that may be larger than before: then the work goes on.
        advice: what to do where a setting of this name differs, for the error.

    Raises:
        ValueError: if the folder belongs to work with other settings (the error names the first difference),
            holds something else, or is no folder.
    """

    def __init__(
        self,
        folder: Path | None,
        settings: dict[str, Any],
        work: str = "sweep",
        part: str = "group",
        *,
        argument: str = "folder",
        newest: int | None = None,
        adopt: bool = False,
        grows: str = "",
        advice: Mapping[str, str] = MappingProxyType({}),
    ):
        self.folder, self.work, self.part = folder, work, part
        self.argument, self.newest, self.grows, self.advice = argument, newest, grows, advice
        self.before: dict[str, Any] = {}  # the settings that the folder had
        self.settings = json.loads(json.dumps(settings))
        if folder is not None:
            self._check_folder(folder, adopt)
            folder.mkdir(parents=True, exist_ok=True)
            if newest is None:
                self._claim(folder)

    def numbers(self) -> list[int]:
        """Numbers of the parts that were written, in order."""
        files = [] if self.folder is None else self.folder.glob("*.npz")
        found = [re.fullmatch(rf"{self.part}-(\d+)", file.stem) for file in files]
        return sorted(int(match[1]) for match in found if match)

    def read(self, number: int) -> dict[str, np.ndarray] | None:
        """The arrays of a finished part, or None; a damaged file is a warning, and counts as none."""
        if self.folder is None or not (file := self._file(self.folder, number)).exists():
            return None
        try:
            return archive.read(file)[0]
        except archive.Unreadable as error:
            warnings.warn(f"{error}; this {self.part} is done again", stacklevel=2)
            return None

    def write(self, number: int, arrays: dict[str, np.ndarray]) -> None:
        """Write a finished part, whole or not at all, and remove what it makes superfluous."""
        if self.folder is None:
            return
        if self.newest is not None:
            self._claim(self.folder)
        archive.write(self._file(self.folder, number), arrays)
        if self.newest is not None:
            earlier = [one for one in self.numbers() if one <= number]  # later ones are damaged
            superfluous = [self._file(self.folder, one) for one in earlier[: -self.newest]]
            left = self.folder.glob("*.tmp")  # by a killed process, as there is only one writer
            for path in [*superfluous, *left]:
                path.unlink(missing_ok=True)

    def _file(self, folder: Path, number: int) -> Path:
        return folder / f"{self.part}-{number:05d}.npz"

    def _note(self, folder: Path) -> Path:
        return folder / f"{self.work}.json"

    def _check_folder(self, folder: Path, adopt: bool) -> None:
        """Raise ValueError unless the folder is this work's, empty, or still to be made."""
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{self.argument} must be a folder, got the file {folder}")
        # Temporary files: left by a process that was killed, or being written by another of this work.
        others = [path for path in folder.glob("*") if path.suffix != ".tmp" and path != self._note(folder)]
        if self._note(folder).exists():  # asked last, as another process may just have claimed the folder
            self._compare(folder)
        elif others and not adopt:
            raise ValueError(
                f"{self.argument} must be new, empty, or that of a {self.work}; "
                f"{folder} holds other files, such as {min(others).name!r}"
            )

    def _claim(self, folder: Path) -> None:
        """Write the note, unless another process was quicker; then that must be of the same work."""
        note = self._note(folder)
        if not note.exists():
            temporary = folder / f"{note.name}.{secrets.token_hex(4)}.tmp"
            temporary.write_text(self._text(), "utf-8")
            try:
                os.link(temporary, note)  # unlike a rename, an error if another process was quicker
                temporary.unlink()
            except OSError:
                if not note.exists():  # a file system without links
                    temporary.replace(note)
                temporary.unlink(missing_ok=True)
        self._compare(folder)
        if self.before != self.settings:  # the work goes on
            with archive.replacing(note) as temporary:
                temporary.write_text(self._text(), "utf-8")

    def _text(self) -> str:
        """What the note says."""
        return json.dumps(header(f"minmax_jax {self.work}", VERSION) | {"asked": self.settings}, indent=1)

    def _compare(self, folder: Path) -> None:
        """Raise ValueError unless the note says that the folder is of this very work, or of less of it."""
        note = self._note(folder)
        try:
            found = json.loads(note.read_text("utf-8"))
            found["format"] = found.get("format", found.get("kind"))  # as earlier versions called it
            self.before = dict(found["asked"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{note} is damaged or from elsewhere; {self._cure}") from error
        check_header(note, found, f"minmax_jax {self.work}", VERSION, self._cure)
        if differing := difference(self._grown(), self.settings):
            raise ValueError(self.other_settings(*differing))

    def _grown(self) -> dict[str, Any]:
        """The settings that the folder had; the number that ``grows`` as it is now, if that is larger."""
        then, now = (settings.get(self.grows) for settings in (self.before, self.settings))
        grown = isinstance(then, int) and isinstance(now, int) and then < now
        return self.before | {self.grows: now} if grown else self.before

    def other_settings(self, name: str, there: Any, here: Any) -> str:
        """What the error says where the settings of the folder and those of the call differ."""
        return (
            f"{self.argument} {self.folder} belongs to another {self.work}: its {name} is {there!r}, and in "
            f"this call it is {here!r}. {self.advice.get(name, ADVICE)}"
        )

    @property
    def _cure(self) -> str:
        return f"name another folder for this {self.work}"
