"""Labelled images: ``load`` a data set by name, or build a ``Dataset`` from arrays of your own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from minmax_jax.checks import as_names, check_type
from minmax_jax.data import tfds
from minmax_jax.data.split import Split, shape_text
from minmax_jax.storage import archive

BUNDLED = "mnist"  # the set that comes with the package
BUNDLE = Path(__file__).with_name("mnist.npz")
DIGITS = tuple("0123456789")


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Dataset:
    """A named data set: training and test images, names of the classes, and where they come from.

    Args:
        name: of the data set, free to choose.
        train: images to train on.
        test: images to test on, of the same shape.
        class_names: all different; labels are positions in it. Without names, classes are called by number.
        provenance: where the images come from, in words.

    Raises:
        TypeError: for a name that is no str, or a split that is no ``Split``.
        ValueError: where the splits' images differ in shape, or a label has no name.
    """

    name: str
    train: Split
    test: Split
    class_names: tuple[str, ...]
    provenance: str

    def __init__(
        self,
        name: str,
        train: Split,
        test: Split,
        class_names: Sequence[str] = (),
        provenance: str = "given by the caller",
    ) -> None:
        if not isinstance(name, str):
            raise TypeError(f"name must be a str, got {name!r}")
        for argument, split in (("train", train), ("test", test)):
            if not isinstance(split, Split):
                raise TypeError(f"{argument} must be a Split(images, labels), got a {type(split).__name__}")
        if train.images.shape[1:] != test.images.shape[1:]:
            raise ValueError(
                f"test must have images of train's shape, {shape_text(train.images.shape[1:])}, "
                f"got {shape_text(test.images.shape[1:])}"
            )
        check_type("provenance", provenance, str)
        largest = int(max(train.labels.max(), test.labels.max()))
        names = _class_names(class_names) or tuple(map(str, range(largest + 1)))
        if largest >= len(names):
            raise ValueError(
                f"class_names must have a name for every label, the largest of which is {largest}, "
                f"got {len(names)} names"
            )
        fields = {"name": name, "train": train, "test": test, "class_names": names}
        for field, value in (fields | {"provenance": provenance}).items():
            object.__setattr__(self, field, value)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    def __repr__(self) -> str:
        shown = ", ".join(self.class_names[:10]) + (", ..." if self.classes > 10 else "")
        return (
            f"Dataset {self.name}: {len(self.train)} training and {len(self.test)} test images "
            f"of {shape_text(self.image_shape)}, float32 in [0, 1]\n"
            f"{self.classes} classes: {shown}\nfrom {self.provenance}"
        )


def load(
    name: str = "mnist",
    *,
    source: Literal["bundled", "tfds"] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Load an image classification set by its name in tensorflow-datasets, such as "fashion_mnist".

    ``source="bundled"`` reads the MNIST that comes with this package, ``"tfds"`` reads through
    tensorflow-datasets; None chooses the bundle for "mnist" unless ``data_dir`` is given.
    ``data_dir`` is where tensorflow-datasets keeps prepared data: by default ``TFDS_DATA_DIR`` of
    the environment, or its own folder in the user's home. A set that is not prepared yet is
    downloaded and prepared, once, if TensorFlow is installed (extra ``prepare``).

    Identity: ``load("mnist")`` and ``load("mnist", source="tfds")`` hold equal arrays. Raises
    ValueError for an unknown name or a set that is not one of images of one size with one label,
    ModuleNotFoundError where TensorFlow is needed and missing, ConnectionError where the network
    is.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, such as 'mnist', got {name!r}")
    if source is not None and (not isinstance(source, str) or source not in ("bundled", "tfds")):
        raise ValueError(f"source must be 'bundled', 'tfds' or None, got {source!r}")
    if source == "bundled" and (name != BUNDLED or data_dir is not None):
        raise ValueError(
            f"source must be 'tfds' for other names and folders than the bundled 'mnist', got 'bundled' with "
            f"name {name!r} and data_dir {data_dir!r}"
        )
    if source == "bundled" or (source is None and name == BUNDLED and data_dir is None):
        return _bundled()
    arrays = tfds.load(name, data_dir)
    found = tfds.description(arrays)
    return _dataset(name, arrays, found["class_names"], found["provenance"])


def _bundled() -> Dataset:
    provenance = "the bundled MNIST (LeCun, Cortes and Burges), in tensorflow-datasets' order"
    try:
        return _dataset(BUNDLED, archive.unpack(BUNDLE), DIGITS, provenance)
    except (archive.Unreadable, KeyError) as error:
        raise ValueError(
            f"{BUNDLE} is not as it was installed; install minmax_jax again ({error})"
        ) from error


def _dataset(name: str, arrays: tfds.Arrays, class_names: Sequence[str], provenance: str) -> Dataset:
    train, test = (
        Split.from_bytes(arrays[f"{part}_images"], arrays[f"{part}_labels"]) for part in ("train", "test")
    )
    return Dataset(name, train, test, class_names, provenance)


def _class_names(names: Sequence[str]) -> tuple[str, ...]:
    found = (names,) if isinstance(names, str) else as_names(names)
    if len(set(found)) < len(found) or not (found or (isinstance(names, Sequence) and not len(names))):
        raise ValueError(f"class_names must be strings, all different, got {names!r}")
    return found
