"""The bundled MNIST is MNIST; a data set is consistent; bad arguments of splits and sets are refused."""

import hashlib

import numpy as np
import pytest

import minmax_jax as mm
from helpers import published
from helpers.refusal import refuses
from minmax_jax.data import dataset as data
from minmax_jax.storage import archive

pytestmark = pytest.mark.versions

SHA256 = "153f746ea3f58d2afe6779e3620614bed3c9222606d9d11f11fb6bc290e8cf2a"


@pytest.fixture(scope="module")
def mnist() -> mm.Dataset:
    return mm.load("mnist")


def split(count: int = 4, shape: tuple[int, ...] = (3, 2, 1), classes: int = 3) -> mm.Split:
    return mm.Split(np.zeros((count, *shape), np.float32), np.arange(count) % classes)


def test_mnist_is_whole_and_its_bytes_over_255(mnist):
    assert hashlib.sha256(data.BUNDLE.read_bytes()).hexdigest() == SHA256
    assert (len(mnist.train), len(mnist.test)) == (60000, 10000)
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]  # as published
    np.testing.assert_array_equal(np.bincount(mnist.train.labels), counts)
    assert (mnist.classes, mnist.image_shape) == (10, (28, 28, 1))
    assert mnist.class_names == tuple("0123456789")
    arrays = archive.unpack(data.BUNDLE)
    for part, name in ((mnist.train, "train"), (mnist.test, "test")):
        pixels = arrays[f"{name}_images"]
        np.testing.assert_array_equal(part.images, pixels.astype(np.float32) / np.float32(255))
        np.testing.assert_array_equal(part.labels, arrays[f"{name}_labels"])
        checked = mm.Split(part.images, part.labels)  # passes the checks that loading leaves out
        assert np.shares_memory(checked.images, part.images)
        for array in (part.images, part.labels):
            with pytest.raises(ValueError, match="WRITEABLE"):
                array.flags.writeable = True


def test_the_bundle_gives_back_the_published_idx_files():
    files = published.mnist_files(archive.unpack(data.BUNDLE))
    found = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    assert found == published.MNIST_MD5


def test_repr_tells_what_there_is(mnist):
    text = repr(mnist)
    words = ("mnist", "60000 training", "10000 test", "28 x 28 x 1", "[0, 1]", "10 classes", "9\n", "bundled")
    assert all(word in text for word in words)
    many = mm.Dataset("many", split(), split(), [str(number) for number in range(11)])
    assert "11 classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...\n" in repr(many)


def test_a_dataset_of_ones_own():
    mine = mm.Dataset("mine", split(), split(2))
    assert (mine.class_names, mine.classes, mine.image_shape) == (("0", "1", "2"), 3, (3, 2, 1))
    assert mine.provenance == "given by the caller"
    named = mm.Dataset("mine", split(), split(2), ["a", "b", "c", "d"], "a drawer")
    assert named.class_names == ("a", "b", "c", "d") and "a drawer" in repr(named)


def test_a_damaged_bundle_names_its_cure(monkeypatch, tmp_path):
    bundle = tmp_path / "mnist.npz"
    monkeypatch.setattr(data, "BUNDLE", bundle)
    archive.write(bundle, {"train_images": np.zeros((1, 2, 2, 1), np.uint8)})
    for content in (bundle.read_bytes(), b"", b"version https://git-lfs.github.com/spec/v1"):
        bundle.write_bytes(content)
        with refuses(bundle, "install minmax_jax again"):
            mm.load()


IMAGES, LABELS = split().images, split().labels
BYTES = (IMAGES * 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("make", "arguments", "error", "message"),
    [
        (mm.Split, (IMAGES.astype(np.float64), LABELS), TypeError, "images must be float32 in [0, 1], got"),
        (mm.Split, (BYTES, LABELS), TypeError, "got uint8; convert bytes by images.astype(np.float32) / "),
        (mm.Split, (IMAGES.tolist(), LABELS), TypeError, "got float64"),
        (mm.Split, (None, LABELS), TypeError, "got object"),
        (mm.Split, (IMAGES[..., 0], LABELS), ValueError, "got (4, 3, 2); give grey images a channel axis"),
        (mm.Split, (IMAGES[:0], LABELS[:0]), ValueError, "(n, height, width, channels), none 0, got (0, 3,"),
        (mm.Split, (IMAGES[:, :0], LABELS), ValueError, "images must have shape"),
        (
            mm.Split,
            (IMAGES, np.eye(4, dtype=np.float32)),
            TypeError,
            "float32; give labels.argmax(-1) where they",
        ),
        (
            mm.Split,
            (IMAGES, np.eye(4, dtype=int)),
            ValueError,
            "got (4, 4); give labels.argmax(-1) where they",
        ),
        (mm.Split, (IMAGES, LABELS[:, None]), ValueError, "got (4, 1); give labels[:, 0]"),
        (mm.Split, (IMAGES, list("abca")), TypeError, "give np.unique(labels, return_inverse=True)[1]"),
        (mm.Split, (IMAGES, LABELS.astype(float)), TypeError, "float64; give labels.astype(int)"),
        (mm.Split, (IMAGES, LABELS > 0), TypeError, "bool; give labels.astype(int)"),
        (mm.Split, (IMAGES, LABELS - 1), ValueError, "give np.unique(labels, return_inverse=True)[1]"),
        (mm.Split, (IMAGES, [[0], [0, 1], [1], [2]]), TypeError, "labels must be one array"),
        (mm.Split, ([IMAGES[0], IMAGES[0, :1]], LABELS[:2]), TypeError, "images must be one array"),
        (mm.Split, (np.array([None, 1]), LABELS[:2]), TypeError, "give np.stack(images) for a column of"),
        (mm.Split, (IMAGES.reshape(4, -1), LABELS), ValueError, "got (4, 6); give images.reshape(-1, height"),
        (mm.Split, (IMAGES, LABELS[:, None]), ValueError, "labels must have shape (n,) with n at least 1"),
        (mm.Split, (IMAGES, LABELS[:3]), ValueError, "one entry for each of 4 images, got 3"),
        (mm.Split, (IMAGES, LABELS - 1), ValueError, "class numbers from 0 on, got values from -1 to 1"),
        (mm.Split, (IMAGES, LABELS.astype(np.int64) + 2**40), ValueError, "class numbers from 0 on, got"),
        (mm.Split, (IMAGES, LABELS.astype(np.uint64) + np.uint64(2**63)), ValueError, "class numbers from 0"),
        (mm.Split.from_bytes, (IMAGES, LABELS), TypeError, "images must be uint8 (n, h, w, c), got float32"),
        (mm.Split.from_bytes, (BYTES[0], LABELS), TypeError, "got uint8 of shape (3, 2, 1)"),
        (mm.Split.from_bytes, (BYTES, LABELS[:3]), ValueError, "labels must have one entry for each"),
        (mm.Dataset, (3, split(), split()), TypeError, "name must be a str, got 3"),
        (mm.Dataset, ("mine", IMAGES, split()), TypeError, "train must be a Split(images, labels), got a nd"),
        (mm.Dataset, ("mine", split(), None), TypeError, "test must be a Split(images, labels), got a NoneT"),
        (mm.Dataset, ("mine", split(), split(shape=(3, 3, 1))), ValueError, "3 x 2 x 1, got 3 x 3 x 1"),
        (mm.Dataset, ("mine", split(), split(), ["a", "b"]), ValueError, "of which is 2, got 2 names"),
        (mm.Dataset, ("mine", split(classes=2), split(), ["a", "b"]), ValueError, "largest of which is 2"),
        (mm.Dataset, ("mine", split(), split(), ["a", "b", "a"]), ValueError, "must be strings, all diff"),
        (mm.Dataset, ("mine", split(), split(), [0, 1, 2]), ValueError, "must be strings, all diff"),
        (mm.Dataset, ("mine", split(), split(), "cat"), ValueError, "class_names must have a name for every"),
        (mm.load, (3,), TypeError, "name must be a str, such as 'mnist', got 3"),
        (lambda: mm.load("kmnist", source="bundled"), (), ValueError, "source must be 'tfds' for other"),
        (lambda: mm.load(source="bundled", data_dir="x"), (), ValueError, "name 'mnist' and data_dir 'x'"),
        (lambda: mm.load(source="web"), (), ValueError, "must be 'bundled', 'tfds' or None, got 'web'"),
    ],
)
def test_bad_arguments_are_refused(make, arguments, error, message):
    with refuses(message, error=error):
        make(*arguments)
