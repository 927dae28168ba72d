"""Sets of tensorflow-datasets are read whole and in order, once; what is missing is said in seconds."""

import gzip
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minmax_jax as mm
from helpers import published, records
from helpers.refusal import refuses
from minmax_jax.data import dataset, tfds, tfds_process
from minmax_jax.data.__main__ import main
from minmax_jax.data.tfds_process import check, find, is_prepared, perform, unreachable
from minmax_jax.storage import archive, cache

pytestmark = pytest.mark.versions

TENSORFLOW = pytest.mark.skipif(
    find_spec("tensorflow") is None, reason="needs TensorFlow, from the extra `prepare`"
)
DEBIAN = pytest.mark.skipif(
    not published.FASHION.is_dir(), reason="needs Debian's package dataset-fashion-mnist"
)
ARRAY_RECORD = pytest.mark.skipif(
    find_spec("array_record") is None, reason="array_record has no wheel for this system"
)
FORMATS = [pytest.param("array_record", marks=ARRAY_RECORD), "tfrecord"]
SERVER = "fashion-mnist.s3-website.eu-central-1.amazonaws.com"


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def here(monkeypatch):
    """In this process, where it takes no second."""
    monkeypatch.setattr(tfds, "run_apart", perform)


def examples(count: int, seed: int, shape=(4, 3, 1)) -> list[records.Example]:
    rng = np.random.default_rng(seed)
    return [(rng.integers(0, 256, shape, np.uint8), int(rng.integers(3))) for _ in range(count)]


TRAIN, TEST = examples(7, 0), examples(4, 1)


def write(folder: Path, train=TRAIN, **options) -> Path:
    return records.write(folder, {"train": train, "test": TEST}, **{"file_format": "tfrecord"} | options)


def same(found: mm.Split, expected: list[records.Example]) -> None:
    pixels = np.stack([image for image, _ in expected])
    np.testing.assert_array_equal(found.images, pixels.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(found.labels, [label for _, label in expected])


# Reading


@pytest.mark.slow
@pytest.mark.processes
def test_records_are_read_in_another_process(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "error")  # those of others do not count
    shape = (4, 3, 3)
    train, test = examples(7, 0, shape), examples(4, 1, shape)
    splits = {"train": train, "test": test}
    home = records.write(tmp_path, splits, shape=shape, file_format="tfrecord")
    found = mm.load("tiny", data_dir=tmp_path)
    same(found.train, train)
    same(found.test, test)
    assert (found.name, found.class_names) == ("tiny", ("cat", "dog", "owl"))
    assert f"tiny/1.0.0 (splits train and test), prepared in {home}" in found.provenance


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("options", [{}, {"supervised": False}])  # without keys, features go by their names
def test_records_are_read_whole_and_in_order(tmp_path, here, file_format, options, monkeypatch):
    monkeypatch.setattr(tfds_process, "BATCH", 3)
    write(tmp_path, file_format=file_format, **options)
    found = mm.load("tiny", data_dir=tmp_path)
    same(found.train, TRAIN)
    same(found.test, TEST)
    with pytest.raises(ValueError, match="WRITEABLE"):
        found.train.images.flags.writeable = True


def test_the_second_load_reads_the_cache_alone(tmp_path, here, monkeypatch):
    write(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))  # names the folder as well
    first = mm.load("tiny")
    monkeypatch.setattr(tfds, "run_apart", None)
    second = mm.load("tiny", data_dir=str(tmp_path))
    same(second.train, TRAIN)
    same(second.test, TEST)
    assert (second.class_names, second.provenance) == (first.class_names, first.provenance)
    assert second.train.labels.dtype == np.int32
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert tfds.data_folder(None) == Path("~/tensorflow_datasets").expanduser().resolve()


def test_the_cache_can_be_off_damaged_or_out_of_date(tmp_path, here, monkeypatch):
    write(tmp_path)
    mm.load("tiny", data_dir=tmp_path)
    (entry,) = cache.folder().iterdir()
    whole = entry.read_bytes()
    for damaged in (whole[:1000], b"", whole.replace(b"train_images", b"train_imagos")):
        entry.write_bytes(damaged)
        same(mm.load("tiny", data_dir=tmp_path).train, TRAIN)
        assert archive.unpack(entry).keys() >= {"train_images", "description"}
    cache.write(f"tiny {tfds.FORMAT} in {tmp_path}", {"train_images": np.zeros(1)})
    same(mm.load("tiny", data_dir=tmp_path).train, TRAIN)
    shutil.rmtree(tmp_path / "tiny")
    write(tmp_path, train=TEST)
    same(mm.load("tiny", data_dir=tmp_path).train, TEST)
    monkeypatch.setenv(cache.VARIABLE, "off")
    same(mm.load("tiny", data_dir=tmp_path).train, TEST)
    shutil.rmtree(tmp_path / "tiny")
    monkeypatch.delenv(cache.VARIABLE)
    with refuses("or be a set prepared in", tmp_path, "got 'tiny'"):
        mm.load("tiny", data_dir=tmp_path)


def test_mnist_is_not_the_bundled_one_where_a_folder_or_the_source_says_so(tmp_path, monkeypatch):
    records.write(tmp_path, {"train": TRAIN, "validation": TEST}, file_format="tfrecord")
    monkeypatch.setattr(tfds, "run_apart", lambda task, _, folder: perform(task, "tiny", folder))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    for found in (mm.load("mnist", data_dir=tmp_path), mm.load("mnist", source="tfds")):
        same(found.test, TEST)  # validation stands in for a missing test split
        assert found.name == "mnist" and "splits train and validation" in found.provenance


SCALAR = {
    "pythonClassName": "tensorflow_datasets.core.features.scalar.Scalar",
    "tensor": {"shape": {}, "dtype": "int64", "encoding": "none"},
}
ANY = {"shape": (None, None, 1)}


@pytest.mark.parametrize(
    ("splits", "options", "words"),
    [
        ({"train": TRAIN}, {}, ("tiny/1.0.0 must have the splits", "got ['train']", "Dataset(")),
        ({"test": TEST}, {}, ("must have the splits 'train', and 'test' or 'validation', got ['test']",)),
        ({"train": [], "test": TEST}, {}, ("no examples in its split 'train'",)),
        (
            {"train": [*TRAIN, *examples(1, 2, (5, 3, 1))], "test": TEST},
            ANY,
            ("images of one size, got (4, 3, 1) and (5, 3, 1)", "Resize"),
        ),
        ({"train": TRAIN, "test": examples(2, 3, (4, 4, 1))}, ANY, ("4 x 3 x 1, got 4 x 4 x 1",)),
        ({"train": TRAIN, "test": TEST}, {"label": SCALAR}, ("Scalar", "one class label")),
        ({"train": TRAIN, "test": TEST}, {"dtype": "uint16"}, ("uint16", "bytes (uint8)")),
    ],
)
def test_unfit_sets_are_refused(tmp_path, here, splits, options, words):
    records.write(tmp_path, splits, file_format="tfrecord", **options)
    with refuses(*words):
        mm.load("tiny", data_dir=tmp_path)


# Damage


def outcome(folder: Path, home: Path) -> str:
    """Whether the set is read as it was written; the error, which names the damaged file or its folder."""
    try:
        found = mm.load("tiny", data_dir=folder)
    except ValueError as error:
        assert str(home) in str(error) and "prepare it again" in str(error), error
        return str(error)
    same(found.train, TRAIN)
    same(found.test, TEST)
    return ""


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_flipped_bit_is_noticed_or_changes_nothing(tmp_path, here, monkeypatch, file_format):
    monkeypatch.setenv(cache.VARIABLE, "off")
    home = write(tmp_path, file_format=file_format)
    shard = home / f"tiny-train.{file_format}-00000-of-00002"
    whole, chance = shard.read_bytes(), np.random.default_rng(0)
    outcomes = []
    written = np.flatnonzero(np.frombuffer(whole, np.uint8))  # most of an ArrayRecord file is empty
    for position in chance.choice(written, 60, replace=False):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(chance.integers(8))
        shard.write_bytes(damaged)
        outcomes.append(outcome(tmp_path, home))
    if file_format == "tfrecord":  # others have room between records, which nobody reads
        assert all(str(shard) in words for words in outcomes)
    assert sum(map(bool, outcomes)) > 10
    shard.write_bytes(whole)
    assert outcome(tmp_path, home) == ""


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_shard_that_is_lost_or_another_is_noticed(tmp_path, here, file_format):
    home = write(tmp_path, file_format=file_format)
    first, second = (home / f"tiny-train.{file_format}-0000{number}-of-00002" for number in (0, 1))
    whole, half = first.read_bytes(), first.stat().st_size // 2
    if file_format == "tfrecord":
        cut = [(whole[:length], "ends within a record") for length in (5, half, len(whole) - 1)]
        cut.append((b"", "4 of 7 examples of the split 'train'"))
    else:
        cut = [(b"", ""), (whole[:half], "")]
    for content, words in (*cut, (b"\0" * 100, ""), (None, first)):
        first.unlink() if content is None else first.write_bytes(content)
        assert str(words) in outcome(tmp_path, home) != "" and not cache.folder().exists()
    first.write_bytes(second.read_bytes())
    assert "holds more than 7 examples of the split 'train'" in outcome(tmp_path, home)
    first.write_bytes(whole)
    assert outcome(tmp_path, home) == ""


@pytest.mark.parametrize("file", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize(
    "damage", [lambda whole: b"", lambda whole: whole[:-40], lambda whole: b"\xff" + whole]
)
def test_damaged_descriptions_name_the_folder_and_the_cure(tmp_path, here, file, damage):
    home = write(tmp_path)
    (home / file).write_bytes(damage((home / file).read_bytes()))
    assert outcome(tmp_path, home.parent)


def test_a_wrong_number_of_examples_is_noticed(tmp_path, here):
    home = write(tmp_path)
    info = (home / "dataset_info.json").read_text()
    for number in ("2", "0", "900000000000000"):
        (home / "dataset_info.json").write_text(
            info.replace('"shardLengths": ["3"', f'"shardLengths": ["{number}"')
        )
        assert outcome(tmp_path, home)


@pytest.mark.parametrize(
    ("content", "checksum"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_crc32c_is_that_of_rfc_3720(content, checksum):
    assert records.crc32c(content) == checksum
    assert tfds_process.crc32c([content]).tolist() == [checksum]


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=9), st.sampled_from([1, 2**26]))
def test_crc32c_of_many_is_that_of_each(contents, memory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds_process, "MEMORY", memory)
        assert tfds_process.crc32c(contents).tolist() == [records.crc32c(one) for one in contents]


@pytest.mark.slow
@pytest.mark.tensorflow
@TENSORFLOW
def test_tensorflow_reads_and_writes_the_same_records(tmp_path):
    code = (
        "import sys, tensorflow as tf\n"
        "found = [one.numpy() for one in tf.data.TFRecordDataset(sys.argv[1])]\n"
        "with tf.io.TFRecordWriter(sys.argv[2]) as file:\n"
        "    for one in found: file.write(one)\n"
    )
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    contents = [bytes(range(number)) for number in (0, 1, 2, 3, 4, 5, 200)]
    records.WRITERS["tfrecord"](ours, contents)
    subprocess.run([sys.executable, "-c", code, str(ours), str(theirs)], check=True, capture_output=True)
    assert theirs.read_bytes() == ours.read_bytes()
    assert list(tfds_process.tfrecords(theirs)) == contents


# What is missing


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """A machine without a network, but with TensorFlow: the hosts whose address it was asked for."""
    hosts = []

    def no_address(host, *_, **__):
        hosts.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    monkeypatch.setattr(tfds_process, "find_spec", lambda name: True)
    return hosts


COMMAND = "python -m minmax_jax.data fashion_mnist --data-dir FOLDER"


def test_without_tensorflow_the_error_names_the_extra(tmp_path, here, asked, monkeypatch, capsys):
    monkeypatch.setattr(tfds_process, "find_spec", lambda name: None)
    words = (
        f"'fashion_mnist' is not prepared in {tmp_path}, and preparing it needs TensorFlow",
        "pip install 'minmax_jax[prepare]'",
        COMMAND,
        "load('fashion_mnist', data_dir=FOLDER)",
        "TFDS_DATA_DIR=FOLDER",
    )
    with refuses(*words, error=ModuleNotFoundError):
        mm.load("fashion_mnist", data_dir=tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(["fashion_mnist", "--data-dir", str(tmp_path)])
    assert exit_.value.code == 1 and "minmax_jax[prepare]" in capsys.readouterr().err
    assert asked == []


def test_without_a_network_the_error_names_a_way_and_what_is_there_is_not_asked_for(tmp_path, here, asked):
    from tensorflow_datasets.core.download import resource

    words = (
        f"server {SERVER} cannot be reached",
        "cannot be reached ([Errno -2] Name or service not known)",
        COMMAND,
        f"here: to {tmp_path}",
    )
    with refuses(*words, error=ConnectionError):
        mm.load("fashion_mnist", data_dir=tmp_path)
    assert asked == [SERVER]  # once for all four files
    builder = find("fashion_mnist", tmp_path)
    for url, info in builder.url_infos.items():
        with refuses(SERVER, error=ConnectionError):
            check("fashion_mnist", builder, tmp_path)
        file = tmp_path / "downloads" / "fashion_mnist" / resource.get_dl_fname(url, info.checksum)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        resource.get_info_path(file).write_text("{}")
    check("fashion_mnist", builder, tmp_path)
    assert asked == [SERVER] * 5


@pytest.mark.parametrize("name", ["mnist", "kmnist", "cifar10", "emnist/balanced", "mnist:3.0.1"])
def test_finding_a_builder_asks_nobody(tmp_path, asked, name):
    builder = find(name, tmp_path)
    assert not is_prepared(builder)
    assert Path(builder.data_dir).is_relative_to(tmp_path)
    assert asked == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", ("name must be one of tensorflow-datasets, such as mnist, fashion_mnist", "got ''")),
        ("hub:mnist/x:y", ("'name/configuration:version', got 'hub:mnist/x:y'",)),
        ("../mnist", ("name must be one of tensorflow-datasets",)),
        ("fashion_mnst", ("for example fashion_mnist", "got 'fashion_mnst'")),
        ("qqq", ("for example mnist, fashion_mnist, kmnist, cifar10",)),
        ("mnist:9.9.9", ("name is 'mnist:9.9.9'", "3.0.1")),
        ("emnist/none", ("name is 'emnist/none'", "none not found")),
    ],
)
def test_names_that_cannot_be_had_are_refused_without_a_network(tmp_path, asked, name, words):
    with refuses(*words):
        find(name, tmp_path)
    assert asked == []


@contextmanager
def serving(status: int):
    """A server, or a proxy, that answers with a status and with Fashion-MNIST's archives; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.end_headers()

        def do_GET(self) -> None:
            content = published.fashion_archive(self.path.rpartition("/")[2])
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("proxied", [False, True])
def test_any_answer_but_a_gateways_is_one(proxied, monkeypatch):
    for status in (200, 403, 404, 500, 503):
        with serving(status) as url:
            if proxied:
                monkeypatch.setenv("http_proxy", url)
                url = "http://nowhere.invalid"
            assert unreachable(f"{url}/x", 10.0) == (f"HTTP status {status}" if status == 503 else None)


def test_a_server_that_never_answers_does_not_hold_us_up(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert unreachable(f"http://127.0.0.1:{port}/x", 0.05) is not None
    assert "refused" in unreachable(f"http://127.0.0.1:{port}/x", 5.0)
    forever = threading.Event()  # nor does a name that is never looked up
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: forever.wait())
    assert unreachable("http://nowhere.invalid/x", 0.05) == "no answer in 0.05 seconds"
    forever.set()


@pytest.mark.slow
@pytest.mark.processes
def test_the_command_warns_of_nothing(tmp_path):
    write(tmp_path)
    command = [sys.executable, "-W", "error", "-m", "minmax_jax.data", "tiny", "--data-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and "tiny is prepared in" in done.stdout


@pytest.mark.processes
def test_an_offline_process_ends_long_before_the_retries_would(tmp_path, monkeypatch):
    """tensorflow-datasets by itself takes 204 seconds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    missing = ConnectionError if find_spec("tensorflow") else ModuleNotFoundError
    with refuses("'fashion_mnist' is not prepared", error=missing):
        mm.load("fashion_mnist", data_dir=tmp_path)


def test_what_a_failing_process_said_is_handed_on(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'no space left on device' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with refuses("could not decode 'kmnist'", "no space left on device", error=RuntimeError):
        mm.load("kmnist", data_dir=tmp_path)


def test_what_tensorflow_datasets_says_is_handed_on(tmp_path, here, monkeypatch, capsys):
    monkeypatch.setattr(tfds_process, "check", lambda *_: None)
    monkeypatch.setattr(tfds_process, "find_spec", lambda name: None)  # as on Windows: tfrecords
    from tensorflow_datasets.core import DatasetBuilder

    def full(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(DatasetBuilder, "download_and_prepare", full)
    with refuses("could not prepare 'kmnist'", "OSError: no space left on device", error=RuntimeError):
        mm.load("kmnist", data_dir=tmp_path)
    assert f"Preparing kmnist in {tmp_path}" in capsys.readouterr().err


# Real data, prepared by tensorflow-datasets' own code.


@pytest.mark.slow
@pytest.mark.tensorflow
@TENSORFLOW
@DEBIAN
def test_fashion_mnist_is_what_its_idx_files_hold(tmp_path, monkeypatch):
    """Downloaded, checked and prepared by the command, through a proxy that serves the published archives."""
    with serving(200) as proxy:
        command = [sys.executable, "-m", "minmax_jax.data", "fashion_mnist", "--data-dir", str(tmp_path)]
        environment = os.environ | {"http_proxy": proxy}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "RuntimeWarning" not in done.stderr, done.stderr
    assert f"fashion_mnist is prepared in {tmp_path}" in done.stdout
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    found = mm.load("fashion_mnist", data_dir=tmp_path)
    names = "T-shirt/top|Trouser|Pullover|Dress|Coat|Sandal|Shirt|Sneaker|Bag|Ankle boot"
    assert "|".join(found.class_names) == names
    expected = published.fashion_arrays()
    for part in ("train", "test"):
        split, pixels = getattr(found, part), expected[f"{part}_images"][..., None]
        np.testing.assert_array_equal(split.images, pixels.astype(np.float32) / np.float32(255))
        np.testing.assert_array_equal(split.labels, expected[f"{part}_labels"])


@pytest.mark.long
@pytest.mark.tensorflow
@TENSORFLOW
def test_mnist_is_the_same_from_either_source(tmp_path, capsys):
    """From its archives among tensorflow-datasets' downloads, rebuilt from the bundle: no server is asked."""
    from tensorflow_datasets.core.download import resource

    downloads = tmp_path / "downloads" / "mnist"
    downloads.mkdir(parents=True)
    files = published.mnist_files(archive.unpack(dataset.BUNDLE))
    for url, info in find("mnist", tmp_path).url_infos.items():
        packed = Path(url).name
        file = downloads / resource.get_dl_fname(url, info.checksum)
        file.write_bytes(gzip.compress(files[packed.removesuffix(".gz")], 1))
        resource.get_info_path(file).write_text(json.dumps({"original_fname": packed, "urls": [url]}))
    bundled, found = mm.load("mnist"), mm.load("mnist", source="tfds", data_dir=tmp_path)
    assert "Preparing mnist" in capsys.readouterr().err
    for part in ("train", "test"):
        one, other = getattr(bundled, part), getattr(found, part)
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
    assert (bundled.class_names, bundled.name) == (found.class_names, found.name)
    assert "mnist/3.0.1" in found.provenance and "tensorflow" not in sys.modules
