"""The cache gives back what was written or nothing, whatever happens to its files."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minmax_jax.storage import cache

ARRAYS = {"images": np.arange(64, dtype=np.uint8).reshape(4, 4, 4), "labels": np.arange(4)}
NUMBERS = st.one_of(hnp.integer_dtypes(), hnp.floating_dtypes(), hnp.boolean_dtypes())


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype
        and one[name].shape == other[name].shape
        and one[name].tobytes() == other[name].tobytes()  # NaN too
        for name in one
    )


@pytest.fixture
def folder(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "deep" / "cache"))
    return tmp_path / "deep" / "cache"


@given(
    key=st.text(max_size=60),
    arrays=st.dictionaries(
        st.sampled_from("abc"),
        hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)),
    ),
)
def test_what_is_written_is_read(key, arrays):
    cache.write(key, arrays)
    assert same(cache.read(key), arrays)


def test_keys_differ_and_a_later_write_counts(folder):
    cache.write("a b", {"x": np.array(1)})
    cache.write("a-b", {"x": np.array(2)})
    cache.write("a b", {"x": np.array(3)})
    assert [cache.read(key)["x"] for key in ("a b", "a-b")] == [3, 2]
    assert cache.read("a") is None
    assert cache.path("A/../b: c").parent == folder


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


@given(st.data())
def test_a_damaged_file_is_read_whole_or_not_at_all(data):
    cache.write("damaged", ARRAYS)
    file = cache.path("damaged")
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans(), "cut off"):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    found = cache.read("damaged")
    assert found is None or same(found, ARRAYS)
    cache.write("damaged", ARRAYS)
    assert same(cache.read("damaged"), ARRAYS)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"\x80\x04N."])
def test_a_foreign_file_counts_as_none(folder, content):
    folder.mkdir(parents=True)
    cache.path("key").write_bytes(content)
    assert cache.read("key") is None


def test_pickled_objects_are_neither_written_nor_read(folder):
    objects = {"x": np.array([{}])}
    with pytest.raises(TypeError, match=r"x.*objects"):
        cache.write("key", objects)
    folder.mkdir(parents=True, exist_ok=True)
    with cache.path("key").open("wb") as stream:
        np.savez(stream, **objects)
    assert cache.read("key") is None


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX systems")
def test_a_killed_write_leaves_the_old_entry(folder):
    cache.write("key", ARRAYS)
    code = f"""
import os
import numpy as np
from minmax_jax.storage import cache

def half(stream, *_, **__):
    stream.write(b"half an archive")
    os.kill(os.getpid(), {int(signal.SIGKILL)})

np.lib.format.write_array = half
cache.write("key", {{"x": np.zeros(3)}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert same(cache.read("key"), ARRAYS)
    (left,) = folder.glob("*.tmp")
    cache.write("other", ARRAYS)
    assert left.exists()  # it might be another process at work
    os.utime(left, (0, 0))
    cache.write("other", ARRAYS)
    assert not left.exists()


def test_a_write_that_fails_leaves_the_old_entry_and_no_other_file(folder, monkeypatch):
    cache.write("key", ARRAYS)

    def full(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.warns(UserWarning, match=r"no space left.*MINMAX_JAX_CACHE"):
        cache.write("key", {"x": np.zeros(3)})
    assert same(cache.read("key"), ARRAYS)
    assert list(folder.iterdir()) == [cache.path("key")]


def test_a_folder_that_cannot_be_is_a_warning(monkeypatch, tmp_path):
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
