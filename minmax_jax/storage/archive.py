"""Archives: named arrays and a text in one .npz file, written whole or not at all, read back or refused."""

import errno
import hashlib
import os
import secrets
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

ARRAY, TEXT = ".npy", "about.txt"


class Unreadable(ValueError):
    """A file that is no archive, or no longer a whole one; the message names it and says what is wrong."""


def write(file: Path, arrays: Mapping[str, np.ndarray], about: str = "") -> None:
    """Write ``arrays`` and the text ``about`` to ``file``, atomically: whole or not at all, even if killed.

    Until the new file is complete, the old one stays. Raises TypeError for arrays of Python
    objects, which only pickle could store, and OSError where the folder is missing or cannot be written to.
    """
    if unfit := [name for name, array in arrays.items() if array.dtype.hasobject]:
        raise TypeError(f"arrays must hold plain numbers, got Python objects in {unfit}")
    with (
        replacing(file) as temporary,
        temporary.open("wb") as stream,
        zipfile.ZipFile(stream, "w") as archive,
    ):
        for name, array in arrays.items():
            with archive.open(name + ARRAY, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        if about:
            archive.writestr(TEXT, about)
        archive.comment = _listing(archive.namelist())


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """The name of an empty temporary file, which replaces ``file`` at the end of the body.

    If the body fails or the process is killed, ``file`` stays as it was; after a failure, the temporary file
    is removed. Links are followed, and permissions stay; another name of the same file (a hard link) keeps
    the old content. What is neither file nor folder, such as /dev/stdout, is written to directly. Raises
    PermissionError for a file that is read-only, IsADirectoryError for a folder, and other OSErrors.
    """
    try:
        before = file.stat()
    except FileNotFoundError:
        before = None
    if before is not None and not stat.S_ISREG(before.st_mode):
        if stat.S_ISDIR(before.st_mode):
            raise IsADirectoryError(errno.EISDIR, "It is a folder, not a file", str(file))
        yield file
        return
    if before is not None and not os.access(file, os.W_OK):
        raise PermissionError(errno.EACCES, "The file is read-only", str(file))
    file = Path(os.path.realpath(file))
    temporary = file.with_name(f"{file.name[:50]}.{secrets.token_hex(4)}.tmp")  # names end at 255 bytes
    try:
        # Private, if there was a file, until it has the permissions of that.
        temporary.touch(0o666 if before is None else 0o600, exist_ok=False)
        yield temporary
        if before is not None:
            _give(temporary, before)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(file: Path, text: str) -> None:
    """Write a text to ``file`` in UTF-8, atomically; raises what ``replacing`` does."""
    with replacing(file) as temporary:
        temporary.write_text(text, "utf-8")


def _give(file: Path, like: os.stat_result) -> None:
    """Give a file the permissions, and if possible the group and the owner, of another one."""
    for owner, group in ((-1, like.st_gid), (like.st_uid, -1)):
        with suppress(OSError, AttributeError):  # only root gives files away, and Windows has no owners
            os.chown(file, owner, group)
    if stat.S_IMODE(file.stat().st_mode) != stat.S_IMODE(like.st_mode):
        file.chmod(stat.S_IMODE(like.st_mode))


def read(file: Path) -> tuple[dict[str, np.ndarray], str]:
    """The arrays and the text of a file written by ``write``, each checked by its CRC-32, without pickle.

    Identity: after ``write(file, arrays, about)``, ``read(file)`` equals ``(arrays, about)``. Raises
    Unreadable for a file that is cut off, damaged or from elsewhere, FileNotFoundError if there is none.
    """
    arrays, about, names, comment = _contents(file)
    if comment != _listing(names):
        wrong = "is damaged: its list of contents is not the one it was written with"
        raise Unreadable(f"{file} {wrong if comment else 'was written by another program'}")
    return arrays, about


def unpack(file: Path) -> dict[str, np.ndarray]:
    """All arrays of any .npz file, each checked by its CRC-32, without pickle; else raises as ``read``."""
    return _contents(file)[0]


def _contents(file: Path) -> tuple[dict[str, np.ndarray], str, list[str], bytes]:
    """Arrays, text, names of all members and comment of an archive."""
    if file.is_dir():
        raise Unreadable(f"{file} is a folder; an archive is a file")
    if not file.exists():
        raise FileNotFoundError(f"{file} does not exist")
    name = "its list of contents"
    arrays, about = {}, ""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            for name in names:  # one after the other, as zipfile is not thread-safe; an error names the last
                if name == TEXT:
                    about = archive.read(name).decode()
                elif name.endswith(ARRAY):
                    arrays[name.removesuffix(ARRAY)] = _array(archive, name)
            return arrays, about, names, archive.comment
    except PermissionError:
        raise
    except Exception as error:  # damage can raise nearly anything in a reader of archives
        raise Unreadable(f"{file} {_wrong(file, name, error)}") from error


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        if member.read(1):  # zipfile compares the checksum only at the end of the stream
            raise ValueError("it continues after its array")
        return array


def _wrong(file: Path, name: str, error: Exception) -> str:
    """In words, what is wrong with a file that raised ``error`` on reading."""
    with file.open("rb") as stream:
        start = stream.read(2)
    if not start:
        return "is empty"
    if start != b"PK":
        return "is no .npz archive"
    if not zipfile.is_zipfile(file):
        return "is cut off or damaged: an .npz archive without its end"
    if "pickle" in str(error):
        return f"holds Python objects in {name}, which only pickle could read"
    return f"is damaged in {name}: {error}"


def _listing(names: Iterable[str]) -> bytes:
    """A checksum of the names: damage to an archive's directory can hide a member without an error."""
    return b"minmax_jax " + hashlib.sha256("\n".join(names).encode()).hexdigest().encode()
