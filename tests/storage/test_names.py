"""Names as users give them."""

import argparse
import os
from pathlib import Path

import pytest

from helpers.refusal import refuses
from minmax_jax.storage.names import as_path, path_option


class Named:
    """A name of one's own kind."""

    def __fspath__(self):
        return "~/x"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("USERPROFILE" if os.name == "nt" else "HOME", str(tmp_path))
    return tmp_path


def test_names_of_all_kinds_become_paths(home):
    for name in ("~/x", Path("~/x"), Named()):
        assert as_path("file", name) == home / "x"
    for name in ("x", " x ", "a/~/b", "./~", "~draft.npz", ".", "/"):
        assert as_path("file", name) == Path(name)


@pytest.mark.parametrize("name", [None, 3, b"x", ["x"]])
def test_what_is_no_name_is_refused(name):
    with refuses(f"folder must be the name of a place, got {name!r}", error=TypeError):
        as_path("folder", name, "place")


def test_no_name_and_no_home_are_refused(monkeypatch):
    with refuses("file must be the name of a file, got an empty one"):
        as_path("file", "")
    monkeypatch.setattr(os.path, "expanduser", lambda name: name)  # as where the system knows no user
    for name in ("~", "~/x"):
        with refuses("must not begin with ~ where there is no home folder, got", repr(name)):
            as_path("file", name)
    with pytest.raises(argparse.ArgumentTypeError, match="--to must not begin with ~"):
        path_option("--to")("~/x")
