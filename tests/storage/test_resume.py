"""The folder of a sweep: claimed once, refused to others, and damage to it noticed."""

import json
import threading

import numpy as np
import pytest

from helpers.refusal import refuses
from minmax_jax.storage.resume import VERSION, Shelf, kind

ASKED = {"epochs": 2, "seeds": [0, 1], "name": "digits"}
ARRAYS = {"loss": np.arange(6, dtype=np.float32).reshape(2, 3), "count": np.array([1, 2])}


def test_a_group_comes_back_as_it_was(tmp_path):
    Shelf(tmp_path / "deep" / "runs", ASKED).write(3, ARRAYS)
    again = Shelf(tmp_path / "deep" / "runs", ASKED)
    found = again.read(3)
    assert list(found) == list(ARRAYS) and again.read(0) is None
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    assert sorted(path.name for path in again.folder.iterdir()) == ["group-00003.npz", "sweep.json"]


def test_without_a_folder_nothing_is_kept():
    shelf = Shelf(None, ASKED)
    shelf.write(0, ARRAYS)
    assert shelf.read(0) is None


@pytest.mark.parametrize(
    "damage", [lambda whole: b"", lambda whole: whole[:100], lambda whole: whole[:300] + b"?" + whole[301:]]
)
def test_a_damaged_group_is_a_warning(tmp_path, damage):
    shelf = Shelf(tmp_path, ASKED)
    shelf.write(0, ARRAYS)
    file = tmp_path / "group-00000.npz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.warns(UserWarning, match=r"group-00000\.npz is .*this group is done again"):
        assert shelf.read(0) is None
    shelf.write(0, ARRAYS)
    np.testing.assert_array_equal(shelf.read(0)["loss"], ARRAYS["loss"])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"epochs": 3}, ["its epochs is 2, and in this call it is 3"]),
        ({"seeds": [0, 2]}, ["its seeds is [0, 1], and in this call it is [0, 2]"]),
        ({"name": "moons"}, ["its name is 'digits', and in this call it is 'moons'"]),
        ({"more": 1}, ["its more is None, and in this call it is 1"]),
    ],
)
def test_another_sweep_is_refused_by_the_difference(tmp_path, other, words):
    Shelf(tmp_path, ASKED)
    with refuses(f"folder {tmp_path} belongs to another sweep", *words, "Name another folder"):
        Shelf(tmp_path, ASKED | other)
    with refuses("belongs to another sweep"):
        Shelf(tmp_path, {name: value for name, value in ASKED.items() if name != "epochs"})


def test_what_json_makes_equal_is_equal(tmp_path):
    Shelf(tmp_path, {"seeds": (0, 1), "rate": 0.1})
    Shelf(tmp_path, {"seeds": [0, 1], "rate": 0.1})


def test_a_file_is_no_folder(tmp_path):
    file = tmp_path / "sweep"
    file.touch()
    with refuses("folder is", str(file), "which is a file"):
        Shelf(file, ASKED)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with refuses(str(tmp_path), "holds other files"):
        Shelf(tmp_path, ASKED)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_groups_without_their_note_are_not_taken_for_this_sweeps(tmp_path):
    Shelf(tmp_path, ASKED).write(0, ARRAYS)
    (tmp_path / "sweep.json").unlink()
    with refuses("holds other files"):
        Shelf(tmp_path, ASKED)


def test_what_a_killed_writer_left_is_no_hindrance(tmp_path):
    (tmp_path / "sweep.json.0123abcd.tmp").write_text('{"kind"')
    Shelf(tmp_path, ASKED)
    (tmp_path / "group-00000.npz.0123abcd.tmp").write_bytes(b"PK")
    assert Shelf(tmp_path, ASKED).read(0) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"kind": "minmax_jax sweep", "ver',
        "[]",
        "{}",
        '"text"',
        json.dumps({"kind": kind("sweep"), "version": None, "asked": {}}),
        json.dumps({"kind": kind("sweep"), "version": 1, "asked": [1]}),
        json.dumps({"kind": kind("sweep"), "version": "one", "asked": ASKED}),
    ],
)
def test_a_damaged_note_is_named(tmp_path, content):
    (tmp_path / "sweep.json").write_text(content)
    with refuses("sweep.json that is damaged or from elsewhere", tmp_path):
        Shelf(tmp_path, ASKED)


def test_bytes_that_are_no_text_are_named_too(tmp_path):
    (tmp_path / "sweep.json").write_bytes(b"\xff\xfe\x00")
    with refuses("sweep.json that is damaged"):
        Shelf(tmp_path, ASKED)


def test_another_kind_and_a_newer_version_are_named(tmp_path):
    note = tmp_path / "sweep.json"
    note.write_text(json.dumps({"kind": "broom", "version": 1, "asked": ASKED}))
    with refuses("is a 'broom' of version 1"):
        Shelf(tmp_path, ASKED)
    note.write_text(json.dumps({"kind": kind("sweep"), "version": VERSION + 1, "asked": ASKED}))
    with refuses(f"of version {VERSION + 1}; this is version {VERSION}"):
        Shelf(tmp_path, ASKED)


@pytest.mark.parametrize("links", [True, False])
def test_of_two_sweeps_that_claim_a_folder_at_once_one_gets_it(tmp_path, monkeypatch, links):
    """Many times over: equal ones share it, and of different ones exactly one is refused."""
    if not links:

        def no_link(*_):
            raise OSError("no links here")

        monkeypatch.setattr("os.link", no_link)
    for attempt in range(20):
        results, barrier = [], threading.Barrier(4)

        def claim(epochs, folder=tmp_path / str(attempt), results=results, barrier=barrier):
            barrier.wait()
            try:
                Shelf(folder, ASKED | {"epochs": epochs}).write(epochs, ARRAYS)
                results.append(None)
            except ValueError as error:
                results.append(str(error))

        threads = [threading.Thread(target=claim, args=(number,)) for number in (2, 2, 2, 3 if links else 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        refused = [words for words in results if words is not None]
        assert len(refused) in ((1, 3) if links else (0,)) and len(results) == 4
        assert all("belongs to another sweep: its epochs is" in words for words in refused)
