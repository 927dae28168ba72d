"""The cache gives back what was written or nothing, whatever happens to its files."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from helpers.arrays import ARRAYS, full_disk, same
from minmax_jax.storage import cache

pytestmark = pytest.mark.versions


@pytest.fixture
def folder(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "deep" / "cache"))
    return tmp_path / "deep" / "cache"


def test_keys_differ_and_a_later_write_counts(folder):
    keys = ["", "a b", "a-b", "A/../b: c", "é" * 60]
    for number, key in enumerate(keys):
        cache.write(key, {"x": np.array(9)})
        cache.write(key, ARRAYS | {"x": np.array(number)})
    assert all(same(cache.read(key), ARRAYS | {"x": np.array(i)}) for i, key in enumerate(keys))
    assert cache.read("a") is None
    files = {cache.path(key) for key in keys}
    assert len(files) == len(keys) and set(folder.iterdir()) == files
    assert cache.path("A/../b: c").name.startswith("A-b-c-") and all(len(f.name) <= 61 for f in files)


def test_environment_moves_it_and_turns_it_off(monkeypatch, folder, tmp_path):
    cache.write("key", ARRAYS)
    assert list(folder.iterdir()) == [cache.path("key")]
    for off in ("off", "OFF "):
        monkeypatch.setenv(cache.VARIABLE, off)
        cache.write("key", ARRAYS)
        assert (cache.folder(), cache.path("key"), cache.read("key")) == (None, None, None)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(cache.VARIABLE, "~/elsewhere")
    assert cache.folder() == Path("~/elsewhere").expanduser()
    monkeypatch.delenv(cache.VARIABLE)
    assert "minmax_jax" in cache.folder().parts
    monkeypatch.setattr(os.path, "expanduser", lambda name: name)  # there is no home folder
    for setting in ("", "~/elsewhere"):
        monkeypatch.setenv(cache.VARIABLE, setting)
        assert cache.folder() is None or cache.folder().is_absolute()
    assert cache.folder() is None


def test_a_damaged_file_counts_as_none_and_is_replaced(folder):
    cache.write("key", ARRAYS)
    whole = cache.path("key").read_bytes()
    for content in (b"", b"\x93NUMPY\x01\x00", b"\x80\x04N.", whole[:100], whole.replace(bytes([7]), b"?")):
        cache.path("key").write_bytes(content)
        assert cache.read("key") is None
    cache.write("key", ARRAYS)
    assert same(cache.read("key"), ARRAYS)


def test_what_a_killed_writer_left_is_removed_after_a_day(folder):
    cache.write("key", ARRAYS)
    left = folder / "key.npz.0123abcd.tmp"
    left.touch()
    for age, stays in ((0, True), (cache.DAY - 60, True), (cache.DAY + 60, False)):
        os.utime(left, (left.stat().st_atime, left.stat().st_mtime - age))
        cache.write("key", ARRAYS)
        assert left.exists() == stays  # a fresh one might be another process at work
        if stays:
            left.touch()


def test_a_cache_that_cannot_be_written_to_is_a_warning(monkeypatch, folder, tmp_path):
    cache.write("key", ARRAYS)
    with monkeypatch.context() as patch:
        full_disk(patch)
        with pytest.warns(UserWarning, match=r"no space left.*MINMAX_JAX_CACHE"):
            cache.write("key", {"x": np.zeros(3)})
    assert same(cache.read("key"), ARRAYS) and list(folder.iterdir()) == [cache.path("key")]
    (tmp_path / "file").touch()
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot be written to"):
        cache.write("key", ARRAYS)
    assert cache.read("key") is None


def test_writers_and_readers_at_once_see_whole_entries(folder):
    cache.write("key", {"x": np.zeros(5000)})

    def keep_writing(value):
        for _ in range(20):
            cache.write("key", {"x": np.full(5000, value)})

    writers = [threading.Thread(target=keep_writing, args=(float(i),)) for i in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert len(np.unique(cache.read("key")["x"])) == 1
    assert list(folder.iterdir()) == [cache.path("key")]
