"""The folder of work to resume: claimed once, refused to others, and damage to it noticed."""

import json
import os
import threading

import pytest

from helpers.arrays import ARRAYS, same
from helpers.refusal import refuses
from minmax_jax.storage.resume import VERSION, Store

pytestmark = pytest.mark.versions

SETTINGS = {"epochs": 2, "seeds": [0, 1], "name": "digits"}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def newest(folder, settings=SETTINGS, **options):
    """A store for parts of which only the newest two matter."""
    return Store(folder, settings, "run", "step", argument="checkpoint", newest=2, **options)


def test_a_part_comes_back_as_it_was(tmp_path):
    Store(tmp_path / "deep" / "runs", SETTINGS).write(3, ARRAYS)
    again = Store(tmp_path / "deep" / "runs", SETTINGS)
    assert same(again.read(3), ARRAYS) and again.read(0) is None and again.numbers() == [3]
    assert names(again.folder) == ["group-00003.npz", "sweep.json"]


def test_what_json_makes_equal_is_equal(tmp_path):
    Store(tmp_path, {"seeds": (0, 1), "rate": 0.1})
    Store(tmp_path, {"seeds": [0, 1], "rate": 0.1})


def test_without_a_folder_nothing_is_kept():
    for store in (Store(None, SETTINGS), newest(None)):
        store.write(0, ARRAYS)
        assert store.read(0) is None and store.numbers() == []


@pytest.mark.parametrize(
    "damage",
    [lambda whole: b"", lambda whole: whole[:100], lambda whole: whole.replace(bytes(range(9)), bytes(9))],
)
def test_a_damaged_part_is_a_warning(tmp_path, damage):
    store = Store(tmp_path, SETTINGS)
    store.write(0, ARRAYS)
    file = tmp_path / "group-00000.npz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.warns(UserWarning, match=r"group-00000\.npz is .*this group is done again"):
        assert store.read(0) is None
    store.write(0, ARRAYS)
    assert same(store.read(0), ARRAYS)


def test_only_the_newest_parts_are_kept_where_they_are_enough(tmp_path):
    store = newest(tmp_path / "run")
    assert names(tmp_path / "run") == []  # no other run is kept out before the first part
    newest(tmp_path / "run", SETTINGS | {"epochs": 3})
    for number in (5, 99999, 20, 100000, 100001):
        store.write(number, ARRAYS)
    (tmp_path / "run" / "step-100002.npz.0123abcd.tmp").touch()  # left by a killed writer
    assert newest(tmp_path / "run").numbers() == [100000, 100001]
    store.write(100002, ARRAYS)
    assert names(tmp_path / "run") == ["run.json", "step-100001.npz", "step-100002.npz"]


def test_a_part_that_is_damaged_keeps_no_earlier_one_out(tmp_path):
    """Parts after the one that is written were damaged, or work would not be there again."""
    store = newest(tmp_path)
    for number in (14, 15, 5, 10, 12):
        store.write(number, ARRAYS)
    assert store.numbers() == [10, 12, 14, 15]


def test_what_earlier_versions_wrote_is_read(tmp_path):
    note = {"kind": "minmax_jax study", "version": 1, "asked": SETTINGS}
    (tmp_path / "study.json").write_text(json.dumps(note))
    Store(None, {}).write(0, ARRAYS)
    store = Store(tmp_path, SETTINGS, "study", "unit")
    store.write(0, ARRAYS)
    assert names(tmp_path) == ["study.json", "unit-00000.npz"]
    with refuses("belongs to another study: its name is 'digits'"):
        Store(tmp_path, SETTINGS | {"name": "moons"}, "study", "unit")


def test_what_a_killed_writer_left_is_no_hindrance(tmp_path):
    (tmp_path / "sweep.json.0123abcd.tmp").write_text('{"kind"')
    Store(tmp_path, SETTINGS)
    (tmp_path / "group-00000.npz.0123abcd.tmp").write_bytes(b"PK")
    store = Store(tmp_path, SETTINGS)
    assert store.read(0) is None and store.numbers() == []
    store.write(0, ARRAYS)
    assert len(names(tmp_path)) == 4  # another process of this work might be writing


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"epochs": 3}, "its epochs is 2, and in this call it is 3"),
        ({"seeds": [0, 2]}, "its seeds is [0, 1], and in this call it is [0, 2]"),
        ({"name": "moons"}, "its name is 'digits', and in this call it is 'moons'"),
        ({"more": 1}, "its more is None, and in this call it is 1"),
    ],
)
def test_other_settings_are_refused_by_the_difference(tmp_path, other, words):
    Store(tmp_path / "all", SETTINGS)
    with refuses(f"folder {tmp_path / 'all'} belongs to another sweep", words, "Name another folder"):
        Store(tmp_path / "all", SETTINGS | other)
    newest(tmp_path / "newest").write(0, ARRAYS)
    with refuses(f"checkpoint {tmp_path / 'newest'} belongs to another run", words):
        newest(tmp_path / "newest", SETTINGS | other)
    with refuses("belongs to another sweep"):
        Store(tmp_path / "all", {name: value for name, value in SETTINGS.items() if name != "epochs"})


def note(**changes):
    return json.dumps({"format": "minmax_jax sweep", "version": VERSION, "asked": SETTINGS} | changes)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("thesis.tex", "years of work", "must be new, empty, or that of a sweep"),
        ("group-00000.npz", "PK", "holds other files, such as 'group-00000.npz'"),
        ("sweep.json", "", "is damaged or from elsewhere"),
        ("sweep.json", '{"format": "minmax_jax sweep", "ver', "is damaged or from elsewhere"),
        ("sweep.json", "[]", "is damaged or from elsewhere"),
        ("sweep.json", b"\xff\xfe\x00", "is damaged or from elsewhere"),
        ("sweep.json", note(asked=[1]), "is damaged or from elsewhere"),
        ("sweep.json", note(format="minmax_jax run"), "holds a minmax_jax run"),
        ("sweep.json", note(version=VERSION + 1), f"in format {VERSION + 1}, newer than format {VERSION}"),
    ],
)
def test_a_folder_of_something_else_is_left_alone(tmp_path, file, content, words):
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / file).write_bytes(content)
    with refuses(tmp_path, words):
        Store(tmp_path, SETTINGS)
    assert names(tmp_path) == [file] and (tmp_path / file).read_bytes() == content
    with refuses("folder must be a folder, got the file", tmp_path / file):
        Store(tmp_path / file, SETTINGS)


def test_a_folder_is_adopted_if_asked_for(tmp_path):
    (tmp_path / "15").mkdir()
    with refuses("checkpoint must be new", "'15'"):
        newest(tmp_path)
    store = newest(tmp_path, adopt=True)
    assert names(tmp_path) == ["15"]
    store.write(20, ARRAYS)
    assert same(newest(tmp_path).read(20), ARRAYS)


@pytest.mark.parametrize("links", [True, False])
def test_of_two_that_claim_a_folder_at_once_one_gets_it(tmp_path, monkeypatch, links):
    """Many times over: equal ones share it, and of different ones exactly one is refused."""
    if not links:

        def no_link(*_):
            raise OSError("no links here")

        monkeypatch.setattr(os, "link", no_link)
    for attempt in range(20):
        results, barrier = [], threading.Barrier(4)

        def claim(epochs, folder=tmp_path / str(attempt), results=results, barrier=barrier):
            barrier.wait()
            try:
                Store(folder, SETTINGS | {"epochs": epochs}).write(epochs, ARRAYS)
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
