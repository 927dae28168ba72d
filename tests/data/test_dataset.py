"""The bundled MNIST is MNIST; a data set is consistent; ``load`` says what it takes."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

import minmax_jax as mm
from helpers.refusal import refuses
from minmax_jax.data import dataset as data
from minmax_jax.data import tfds as prepared

SHA256 = "153f746ea3f58d2afe6779e3620614bed3c9222606d9d11f11fb6bc290e8cf2a"


@pytest.fixture(scope="module")
def mnist() -> mm.Dataset:
    return mm.load("mnist")


def split(count: int = 4, shape: tuple[int, ...] = (3, 2, 1), classes: int = 3) -> mm.Split:
    return mm.Split(np.zeros((count, *shape), np.float32), np.arange(count) % classes)


def test_the_bundle_has_its_checksum():
    assert hashlib.sha256(data.BUNDLE.read_bytes()).hexdigest() == SHA256


def test_mnist_is_whole(mnist):
    assert (mnist.train.images.shape, mnist.test.images.shape) == (
        (60000, 28, 28, 1),
        (10000, 28, 28, 1),
    )
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]  # as published
    np.testing.assert_array_equal(np.bincount(mnist.train.labels), counts)
    assert mnist.class_names == tuple("0123456789")
    assert (mnist.classes, mnist.image_shape) == (10, (28, 28, 1))
    assert "bundled" in mnist.provenance


def test_mnist_passes_the_checks_that_loading_leaves_out(mnist):
    for part in (mnist.train, mnist.test):
        checked = mm.Split(part.images, part.labels)
        assert np.shares_memory(checked.images, part.images)
        assert part.images.min() == 0 and part.images.max() == 1


def test_mnist_is_its_bytes_over_255(mnist):
    with np.load(data.BUNDLE, allow_pickle=False) as arrays:
        for part, name in ((mnist.train, "train"), (mnist.test, "test")):
            pixels = arrays[f"{name}_images"]
            np.testing.assert_array_equal(part.images, pixels.astype(np.float32) / np.float32(255))
            np.testing.assert_array_equal(part.labels, arrays[f"{name}_labels"])


def test_mnist_cannot_be_written_to(mnist):
    for array in (mnist.train.images, mnist.train.labels, mnist.test.images, mnist.test.labels):
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


def test_importing_and_loading_mnist_needs_no_tensorflow_datasets():
    code = (
        "import sys, minmax_jax as mm; mm.load()\n"
        "print([name for name in ('tensorflow', 'tensorflow_datasets') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_repr_tells_what_there_is(mnist):
    text = repr(mnist)
    for part in ("mnist", "60000 training", "10000 test", "28 x 28 x 1", "[0, 1]", "10 classes"):
        assert part in text
    assert len(text) < 400


def test_a_dataset_of_ones_own():
    mine = mm.Dataset("mine", split(), split(2))
    assert mine.class_names == ("0", "1", "2")
    assert (mine.classes, mine.image_shape) == (3, (3, 2, 1))
    named = mm.Dataset("mine", split(), split(2), ["a", "b", "c", "d"], "a drawer")
    assert named.class_names == ("a", "b", "c", "d")
    assert "a drawer" in repr(named)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            ("mine", np.zeros((4, 3, 2, 1)), split()),
            TypeError,
            "train is a ndarray|Split(images, labels)",
        ),
        (("mine", split(), None), TypeError, "test is a NoneType|Split(images, labels)"),
        (("mine", split(), split(shape=(3, 3, 1))), ValueError, "test has images of 3 x 3 x 1"),
        (
            ("mine", split(), split(), ["a", "b"]),
            ValueError,
            "class_names has 2 names|the largest is 2",
        ),
        (("mine", split(), split(), ["a", "b", "a"]), ValueError, "class_names is|different"),
        (("mine", split(), split(), [0, 1, 2]), ValueError, "class_names is|strings"),
        (("mine", split(), split(), "cat"), ValueError, "class_names has 1 names"),
    ],
)
def test_an_inconsistent_dataset_is_refused(arguments, error, message):
    with refuses(*message.split("|"), error=error):
        mm.Dataset(*arguments)


def test_load_takes_no_source_but_its_own(tmp_path):
    with refuses("source='bundled' has only 'mnist'", "'kmnist'"):
        mm.load("kmnist", source="bundled")
    with refuses("source='bundled' has only 'mnist'", tmp_path):
        mm.load("mnist", source="bundled", data_dir=tmp_path)
    with refuses("source is 'web'", "'bundled', 'tfds' or None"):
        mm.load("mnist", source="web")


def test_an_unknown_name_names_known_ones(tmp_path):
    with refuses("name is 'fashion_mnst'", "example fashion_mnist"):
        mm.load("fashion_mnst", data_dir=tmp_path)
    with refuses("name is 'qqq'", "mnist, fashion_mnist, kmnist, cifar10"):
        mm.load("qqq", data_dir=tmp_path)


def test_mnist_comes_from_a_folder_where_one_is_given(monkeypatch, tmp_path):
    pixels = np.full((2, 3, 2, 1), 51, np.uint8), np.array([0, 1], np.int32)
    asked = []

    def load(*arguments):
        asked.append(arguments)
        return prepared.Prepared(pixels, pixels, ("a", "b"), "a test")

    monkeypatch.setattr(prepared, "load", load)
    found = mm.load("mnist", data_dir=tmp_path), mm.load("mnist", source="tfds")
    assert asked == [("mnist", tmp_path), ("mnist", None)]
    for dataset in found:
        assert np.unique(dataset.train.images) == np.float32(0.2)
        assert (dataset.class_names, dataset.provenance) == (("a", "b"), "a test")
