"""Prepared data is read without TensorFlow, whole and in order, and once: then it is cached."""

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import minmax_jax as mm
from helpers import published, records
from helpers.refusal import refuses
from minmax_jax.data import dataset as data
from minmax_jax.data import prepare
from minmax_jax.data import tfds as prepared
from minmax_jax.storage import archive, cache

TENSORFLOW = pytest.mark.skipif(
    find_spec("tensorflow") is None, reason="needs TensorFlow, from the extra `prepare`"
)
DEBIAN = pytest.mark.skipif(
    not published.FASHION.is_dir(), reason="needs Debian's package dataset-fashion-mnist"
)
FORMATS = [
    pytest.param(
        "array_record",
        marks=pytest.mark.skipif(
            find_spec("array_record") is None, reason="array_record has no wheel for this system"
        ),
    ),
    "tfrecord",
]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))


def examples(count: int, seed: int, shape=(4, 3, 1)) -> list[records.Example]:
    rng = np.random.default_rng(seed)
    return [(rng.integers(0, 256, shape, np.uint8), int(rng.integers(3))) for _ in range(count)]


TRAIN, TEST = examples(7, 0), examples(4, 1)


def check(found: mm.Split, expected: list[records.Example]) -> None:
    pixels = np.stack([image for image, _ in expected])
    np.testing.assert_array_equal(found.images, pixels.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(found.labels, [label for _, label in expected])


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("channels", [1, 3])
def test_records_are_read_whole_and_in_order(tmp_path, file_format, channels, monkeypatch):
    monkeypatch.setattr(prepared, "BATCH", 3)
    shape = (4, 3, channels)
    train, test = examples(7, 0, shape), examples(4, 1, shape)
    splits = {"train": train, "test": test}
    home = records.write(tmp_path, splits, shape=shape, file_format=file_format)
    found = mm.load("tiny", data_dir=tmp_path)
    check(found.train, train)
    check(found.test, test)
    assert (found.name, found.class_names) == ("tiny", ("cat", "dog", "owl"))
    assert "tensorflow" not in sys.modules
    assert f"tiny/1.0.0 (splits train and test), prepared in {home}" in found.provenance
    with pytest.raises(ValueError, match="WRITEABLE"):
        found.train.images.flags.writeable = True


def test_the_second_load_reads_the_cache_alone(tmp_path, monkeypatch):
    records.write(tmp_path, {"train": TRAIN, "test": TEST}, file_format="tfrecord")
    first = mm.load("tiny", data_dir=tmp_path)
    monkeypatch.setattr(prepare, "find", None)
    second = mm.load("tiny", data_dir=str(tmp_path))
    check(second.train, TRAIN)
    assert (second.class_names, second.provenance) == (first.class_names, first.provenance)
    assert second.train.labels.dtype == np.int32


def test_the_cache_can_be_off(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, "off")
    records.write(tmp_path, {"train": TRAIN, "test": TEST}, file_format="tfrecord")
    for _ in range(2):
        check(mm.load("tiny", data_dir=tmp_path).train, TRAIN)


def test_a_damaged_cache_is_made_anew(tmp_path):
    records.write(tmp_path, {"train": TRAIN, "test": TEST}, file_format="tfrecord")
    mm.load("tiny", data_dir=tmp_path)
    (entry,) = cache.folder().iterdir()
    whole = entry.read_bytes()
    for damaged in (whole[:1000], b"", whole.replace(b"train_images", b"train_imagos")):
        entry.write_bytes(damaged)
        check(mm.load("tiny", data_dir=tmp_path).train, TRAIN)
        assert archive.unpack(entry).keys() >= {"train_images", "description"}


def test_data_prepared_anew_is_read_anew(tmp_path):
    for train in (TRAIN, TEST):
        shutil.rmtree(tmp_path / "tiny", ignore_errors=True)
        records.write(tmp_path, {"train": train, "test": TEST}, file_format="tfrecord")
        check(mm.load("tiny", data_dir=tmp_path).train, train)
    shutil.rmtree(tmp_path / "tiny")
    with refuses("name is 'tiny'", tmp_path):
        mm.load("tiny", data_dir=tmp_path)


def test_the_environment_names_the_folder(tmp_path, monkeypatch):
    records.write(tmp_path, {"train": TRAIN, "test": TEST}, file_format="tfrecord")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    check(mm.load("tiny").test, TEST)
    assert prepare.data_folder(None) == tmp_path.resolve()
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert prepare.data_folder(None) == Path("~/tensorflow_datasets").expanduser().resolve()


def test_validation_stands_in_for_a_missing_test_split(tmp_path):
    records.write(tmp_path, {"train": TRAIN, "validation": TEST}, file_format="tfrecord")
    found = mm.load("tiny", data_dir=tmp_path)
    check(found.test, TEST)
    assert "splits train and validation" in found.provenance


def test_features_without_keys_go_by_their_names(tmp_path):
    splits = {"train": TRAIN, "test": TEST}
    records.write(tmp_path, splits, file_format="tfrecord", supervised=False)
    check(mm.load("tiny", data_dir=tmp_path).train, TRAIN)


SCALAR = {
    "pythonClassName": "tensorflow_datasets.core.features.scalar.Scalar",
    "tensor": {"shape": {}, "dtype": "int64", "encoding": "none"},
}


@pytest.mark.parametrize(
    ("splits", "options", "words"),
    [
        ({"train": TRAIN}, {}, ("has the splits ['train']", "'validation'", "Dataset(")),
        ({"test": TEST}, {}, ("has the splits ['test']",)),
        ({"train": [], "test": TEST}, {}, ("no examples in its split 'train'",)),
        (
            {"train": [*TRAIN, *examples(1, 2, (5, 3, 1))], "test": TEST},
            {"shape": (None, None, 1)},
            ("images of (4, 3, 1) and of (5, 3, 1)", "one size", "Resize"),
        ),
        ({"train": TRAIN, "test": TEST}, {"label": SCALAR}, ("Scalar", "one class label")),
        ({"train": TRAIN, "test": TEST}, {"dtype": "uint16"}, ("uint16", "bytes (uint8)")),
    ],
)
def test_unfit_sets_are_refused(tmp_path, splits, options, words):
    records.write(tmp_path, splits, file_format="tfrecord", **options)
    with refuses("tiny/1.0.0", *words):
        mm.load("tiny", data_dir=tmp_path)


def test_splits_of_two_sizes_are_refused(tmp_path):
    splits = {"train": TRAIN, "test": examples(2, 3, (4, 4, 1))}
    records.write(tmp_path, splits, file_format="tfrecord", shape=(None, None, 1))
    with refuses("test has images of 4 x 4 x 1", "4 x 3 x 1"):
        mm.load("tiny", data_dir=tmp_path)


def test_records_cut_off_or_lost_are_noticed(tmp_path):
    home = records.write(tmp_path, {"train": TRAIN, "test": TEST}, file_format="tfrecord")
    shard = home / "tiny-train.tfrecord-00001-of-00002"
    whole = shard.read_bytes()
    for cut in (5, len(whole) // 2, len(whole) - 1):
        shard.write_bytes(whole[:cut])
        with refuses(shard, "ends within a record"):
            mm.load("tiny", data_dir=tmp_path)
    shard.write_bytes(b"")
    with refuses(home, "3 of 7 examples of the split 'train'", "prepare it again"):
        mm.load("tiny", data_dir=tmp_path)
    assert cache.folder() is not None and not cache.folder().exists()


# Real data, prepared by tensorflow-datasets' own code.


def environment(**changes: str) -> dict[str, str]:
    proxies = {name: "" for name in os.environ if name.lower().endswith("_proxy")}
    return os.environ | proxies | changes


@pytest.fixture(scope="session")
def fashion_folder(tmp_path_factory):
    """Fashion-MNIST downloaded, checked and prepared by ``python -m minmax_jax.data.prepare``.

    The download goes through a proxy of ours, which serves the published archives.
    """

    class Archives(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = published.fashion_archive(self.path.rpartition("/")[2])
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, *_) -> None:
            """Say nothing."""

    folder = tmp_path_factory.mktemp("fashion")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Archives) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [sys.executable, "-m", "minmax_jax.data.prepare", "fashion_mnist"]
        done = subprocess.run(
            [*command, "--data-dir", str(folder)],
            env=environment(http_proxy=f"http://127.0.0.1:{server.server_port}"),
            capture_output=True,
            text=True,
        )
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert f"fashion_mnist is prepared in {folder}" in done.stdout
    return folder


READ_WITHOUT_TENSORFLOW = """
import sys
import numpy as np
import minmax_jax as mm
found = mm.load("fashion_mnist", data_dir=sys.argv[1])
np.savez(sys.argv[2], train_images=found.train.images, train_labels=found.train.labels,
         test_images=found.test.images, test_labels=found.test.labels)
assert "tensorflow" not in sys.modules
print(*found.class_names, sep="|")
"""


@pytest.mark.tensorflow
@TENSORFLOW
@DEBIAN
def test_fashion_mnist_is_what_its_idx_files_hold(fashion_folder, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", READ_WITHOUT_TENSORFLOW, fashion_folder, tmp_path / "found.npz"],
        env=environment(http_proxy="http://127.0.0.1:9"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    names = "T-shirt/top|Trouser|Pullover|Dress|Coat|Sandal|Shirt|Sneaker|Bag|Ankle boot"
    assert done.stdout.strip() == names
    with np.load(tmp_path / "found.npz", allow_pickle=False) as found:
        for name, expected in published.fashion_arrays().items():
            if name.endswith("images"):
                expected = expected[..., None].astype(np.float32) / np.float32(255)
            np.testing.assert_array_equal(found[name], expected)


@pytest.fixture(scope="session")
def mnist_folder(tmp_path_factory):
    """MNIST's archives among tensorflow-datasets' downloads, rebuilt from the bundle."""
    from tensorflow_datasets.core.download import resource

    folder = tmp_path_factory.mktemp("mnist")
    downloads = folder / "downloads" / "mnist"
    downloads.mkdir(parents=True)
    files = published.mnist_files(archive.unpack(data.BUNDLE))
    for url, info in prepare.find("mnist", folder).url_infos.items():
        packed = Path(url).name
        file = downloads / resource.get_dl_fname(url, info.checksum)
        published.gzip_file(file, files[packed.removesuffix(".gz")])
        description = {"original_fname": packed, "urls": [url]}
        resource.get_info_path(file).write_text(json.dumps(description))
    return folder


def test_the_bundle_gives_back_the_published_idx_files():
    files = published.mnist_files(archive.unpack(data.BUNDLE))
    found = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    assert found == published.MNIST_MD5


@pytest.mark.tensorflow
@TENSORFLOW
def test_mnist_is_the_same_from_either_source(mnist_folder, monkeypatch, capsys):
    for name in environment():
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    # Everything is downloaded already, so no server is asked.
    monkeypatch.setattr(prepare, "unreachable", None)
    bundled = mm.load("mnist")
    found = mm.load("mnist", source="tfds", data_dir=mnist_folder)
    assert "Preparing mnist" in capsys.readouterr().err
    assert "tensorflow" not in sys.modules
    for split in ("train", "test"):
        one, other = getattr(bundled, split), getattr(found, split)
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
    assert (bundled.class_names, bundled.name) == (found.class_names, found.name)
    assert "mnist/3.0.1" in found.provenance


@pytest.mark.tensorflow
@TENSORFLOW
def test_tfrecords_are_what_tensorflow_writes(tmp_path):
    file = tmp_path / "records"
    code = (
        "import sys, tensorflow as tf\n"
        "with tf.io.TFRecordWriter(sys.argv[1]) as writer:\n"
        "    for record in (b'one', b'', b'three' * 1000): writer.write(record)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(prepared.tfrecords(file)) == [b"one", b"", b"three" * 1000]
