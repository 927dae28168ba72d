"""Archives give back what was written, or say in words why they cannot."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.arrays import ARRAYS, full_disk, same
from helpers.refusal import refuses
from minmax_jax.storage import archive

pytestmark = pytest.mark.versions

NUMBERS = st.one_of(hnp.integer_dtypes(), hnp.floating_dtypes(), hnp.boolean_dtypes())


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


def test_numpy_reads_it_and_what_numpy_writes_is_unpacked(file):
    with np.load(file) as loaded:
        assert same({name: loaded[name] for name in ARRAYS}, ARRAYS)
    for save in (np.savez, np.savez_compressed):
        save(file, **ARRAYS)
        with zipfile.ZipFile(file, "a") as more:
            more.writestr("picture.png", b"no array")
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
        (None, "is a folder"),
    ],
)
def test_a_foreign_file_is_named(tmp_path, content, words):
    file = tmp_path / "foreign.npz"
    file.mkdir() if content is None else file.write_bytes(content)
    for reader in (archive.read, archive.unpack):
        with refuses(file, words, error=archive.Unreadable):
            reader(file)
        with refuses(tmp_path / "none", "does not exist", error=FileNotFoundError):
            reader(tmp_path / "none")


def test_a_write_that_fails_leaves_the_old_file_and_no_other(file, monkeypatch):
    with refuses("plain numbers", "['x']", error=TypeError):
        archive.write(file, {"x": np.array([{}])})
    full_disk(monkeypatch)
    with pytest.raises(OSError, match="no space left"):
        archive.write(file, {"x": np.zeros(3)})
    assert same(archive.read(file)[0], ARRAYS)
    assert list(file.parent.iterdir()) == [file]


def test_a_file_is_replaced_at_the_end_or_not_at_all(tmp_path):
    file = tmp_path / "some.txt"
    with archive.replacing(file) as temporary:
        temporary.write_text("first")
        assert not file.exists() and temporary.parent == tmp_path
    with pytest.raises(KeyboardInterrupt), archive.replacing(file) as temporary:
        temporary.write_text("sec")
        raise KeyboardInterrupt
    assert file.read_text() == "first" and list(tmp_path.iterdir()) == [file]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder to work in, with a file in another one."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    return tmp_path / "real.txt"


def put(file, text="new") -> None:
    with archive.replacing(Path(file)) as temporary:
        temporary.write_text(text)


@pytest.mark.skipif(os.name == "nt", reason="links and permissions are of POSIX systems")
def test_links_are_followed(elsewhere):
    first, second = Path("first"), Path("second")
    first.symlink_to("second")
    second.symlink_to(elsewhere)  # which is not there yet
    put(first, "old")
    other = elsewhere.with_name("hard")
    other.hardlink_to(elsewhere)
    put(first.absolute())
    assert first.is_symlink() and second.is_symlink() and not elsewhere.is_symlink()
    assert elsewhere.read_text() == "new" and other.read_text() == "old"
    assert sorted(path.name for path in elsewhere.parent.iterdir()) == ["data", "hard", "real.txt"]
    second.unlink()
    second.symlink_to(first)
    with pytest.raises(OSError, match="symbolic links"):
        put(first)
    assert len(list(Path.cwd().iterdir())) == 2


@pytest.mark.skipif(os.name == "nt", reason="links and permissions are of POSIX systems")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_permissions_stay_and_new_files_have_the_usual_ones(elsewhere, mode):
    before = os.umask(0o027)
    try:
        put(elsewhere, "old")
        assert elsewhere.stat().st_mode & 0o777 == 0o640
        elsewhere.chmod(mode)
        with archive.replacing(elsewhere) as temporary:
            assert temporary.stat().st_mode & 0o777 == 0o600  # nobody else may read it meanwhile
            temporary.write_text("new")
        assert elsewhere.stat().st_mode & 0o777 == mode and elsewhere.read_text() == "new"
    finally:
        os.umask(before)


def test_what_cannot_be_replaced_is_refused_or_written_to(elsewhere, monkeypatch):
    with refuses("a folder", Path.cwd(), error=IsADirectoryError):
        put(Path.cwd())
    with refuses("nowhere", error=FileNotFoundError):
        put("nowhere/file")
    put(elsewhere, "old")
    with refuses(elsewhere, error=NotADirectoryError):
        put(elsewhere / "file")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write to any file
    with refuses("read-only", elsewhere, error=PermissionError):
        put(elsewhere)
    put(os.devnull)
    assert elsewhere.read_text() == "old" and not Path(os.devnull).is_file()


@pytest.mark.parametrize(
    "name", ["a" * 251 + ".npz", "é" * 127, " x ", "no suffix.", "Überschrift λ", "a\nb"]
)
def test_any_name_that_a_file_can_have_is_fine(elsewhere, name):
    for text in ("old", "new"):
        put(name, text)
        assert [path.name for path in Path.cwd().iterdir()] == [name] and Path(name).read_text() == text
