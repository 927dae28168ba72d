"""Names of files and folders, as users give them."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def as_path(argument: str, got: Any, what: str = "file") -> Path:
    """A name as a path; ``~`` at its beginning is the home folder.

    Raises TypeError for what is no name, and ValueError for an empty one, or with ``~`` and without a home
    folder (as containers run programs for users whom the system does not know).
    """
    if not isinstance(got, str | os.PathLike):
        raise TypeError(f"{argument} must be the name of a {what}, got {got!r}")
    name = os.path.expanduser(os.fsdecode(got))  # noqa: PTH111  Path's own refuses names such as ~draft.npz
    if not name:
        raise ValueError(f"{argument} must be the name of a {what}, got an empty one")
    if name == "~" or name.startswith(("~/", "~\\")):
        raise ValueError(f"{argument} must not begin with ~ where there is no home folder, got {name!r}")
    return Path(name)


def as_new_file(argument: str, got: Any) -> Path:
    """A name as the path of a file to be written, there already or not.

    Raises what ``as_path`` does, IsADirectoryError for a folder, and FileNotFoundError for a name in a folder
    that does not exist.
    """
    file = as_path(argument, got)
    if file.is_dir():
        raise IsADirectoryError(f"{argument} must be the name of a file, got the folder {file}")
    if not file.parent.is_dir():
        raise FileNotFoundError(
            f"{argument} must be in a folder that exists, got {file}: no folder {file.parent}"
        )
    return file


def path_option(argument: str, what: str = "file") -> Callable[[str], Path]:
    """``as_path`` as the ``type`` of a command's option: shells leave ~ alone in ``--option=~/name``."""

    def parsed(text: str) -> Path:
        try:
            return as_path(argument, text, what)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed
