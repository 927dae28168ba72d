"""Archives give back what was written, or say in words why they cannot."""

import io
import os
import signal
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.refusal import refuses
from minmax_jax.storage import archive

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
def file(tmp_path):
    archive.write(tmp_path / "some.npz", ARRAYS, "about them")
    return tmp_path / "some.npz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("archives")


@given(
    arrays=st.dictionaries(
        st.text("abc.,-é", min_size=1, max_size=9),
        hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)),
    ),
    about=st.text(),
)
def test_what_is_written_is_read(folder, arrays, about):
    file = folder / "any.npz"
    archive.write(file, arrays, about)
    found, text = archive.read(file)
    assert same(found, arrays) and text == about
    assert same(archive.unpack(file), arrays)
    assert list(folder.iterdir()) == [file]


def test_numpy_reads_it_too(file):
    with np.load(file) as loaded:
        assert all(np.array_equal(loaded[name], array) for name, array in ARRAYS.items())


def test_archives_of_numpy_are_unpacked_but_are_not_ours(file):
    for save in (np.savez, np.savez_compressed):
        save(file, **ARRAYS)
        assert same(archive.unpack(file), ARRAYS)
        with refuses(file, "written by another program", error=archive.Unreadable):
            archive.read(file)


@given(st.data())
def test_a_damaged_file_is_read_whole_or_refused(folder, data):
    file = folder / "any.npz"
    archive.write(file, ARRAYS, "about")
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans(), "cut off"):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    try:
        found, about = archive.read(file)
    except archive.Unreadable as error:
        assert str(file) in str(error)
    else:
        assert same(found, ARRAYS) and about == "about"


def test_every_changed_byte_of_content_is_noticed(file):
    content = file.read_bytes()
    for part in (ARRAYS["images"].tobytes(), b"about them"):
        start = content.index(part)
        for position in range(start, start + len(part)):
            damaged = bytearray(content)
            damaged[position] ^= 1
            file.write_bytes(damaged)
            with refuses(file, "is damaged in", "CRC-32", error=archive.Unreadable):
                archive.read(file)


def pickled() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, x=np.array([{}]))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\x93NUMPY\x01\x00", "is no .npz archive"),
        (b"# Notes\n", "is no .npz archive"),
        (b"PK\x03\x04 and no end", "is cut off or damaged"),
        (pickled(), "holds Python objects in x.npy"),
    ],
)
def test_a_foreign_file_is_named(tmp_path, content, words):
    file = tmp_path / "foreign.npz"
    file.write_bytes(content)
    for reader in (archive.read, archive.unpack):
        with refuses(file, words, error=archive.Unreadable):
            reader(file)


def test_neither_nothing_nor_a_folder_is_a_file(tmp_path):
    with refuses(tmp_path / "none", "does not exist", error=FileNotFoundError):
        archive.read(tmp_path / "none")
    with refuses(tmp_path, "is a folder", error=archive.Unreadable):
        archive.read(tmp_path)


def test_a_directory_that_hides_a_member_is_noticed(file):
    """The end of an archive says how many files it has; fewer is no error to zipfile."""
    damaged = bytearray(file.read_bytes())
    end = damaged.rindex(b"PK\x05\x06")
    size = int.from_bytes(damaged[end + 12 : end + 16], "little")
    first = damaged.index(b"PK\x01\x02")
    second = damaged.index(b"PK\x01\x02", first + 4)
    damaged[end + 8 : end + 16] = b"\x01\x00\x01\x00" + (second - first).to_bytes(4, "little")
    del damaged[second : first + size]
    file.write_bytes(damaged)
    assert len(archive.unpack(file)) == 1
    with refuses(file, "list of contents", error=archive.Unreadable):
        archive.read(file)


def test_python_objects_are_not_written(file):
    with refuses("x", "Python objects", error=TypeError):
        archive.write(file, {"x": np.array([{}])})
    assert same(archive.read(file)[0], ARRAYS)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX systems")
def test_a_killed_write_leaves_the_old_file(file):
    code = f"""
import os
from pathlib import Path
import numpy as np
from minmax_jax.storage import archive

def half(stream, *_, **__):
    stream.write(b"half an archive")
    os.kill(os.getpid(), {int(signal.SIGKILL)})

np.lib.format.write_array = half
archive.write(Path({str(file)!r}), {{"x": np.zeros(3)}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert same(archive.read(file)[0], ARRAYS)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(file, monkeypatch):
    def full(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="no space left"):
        archive.write(file, {"x": np.zeros(3)})
    assert same(archive.read(file)[0], ARRAYS)
    assert list(file.parent.iterdir()) == [file]


def test_members_that_are_no_arrays_are_passed_over(file):
    with zipfile.ZipFile(file, "a") as more:
        more.writestr("picture.png", b"no array")
    assert same(archive.unpack(file), ARRAYS)


def test_a_file_is_replaced_at_the_end_or_not_at_all(tmp_path):
    file = tmp_path / "some.txt"
    with archive.replacing(file) as temporary:
        temporary.write_text("first")
        assert not file.exists() and temporary.parent == tmp_path
    assert file.read_text() == "first"
    with pytest.raises(KeyboardInterrupt), archive.replacing(file) as temporary:
        temporary.write_text("sec")
        raise KeyboardInterrupt
    assert file.read_text() == "first" and list(tmp_path.iterdir()) == [file]
