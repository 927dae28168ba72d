"""Prepared data: what tensorflow-datasets has prepared, read without TensorFlow, and cached."""

import hashlib
import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, UInt8

from minmax_jax.data import prepare
from minmax_jax.data.importing import own_imports
from minmax_jax.storage import cache

FORMAT = 1  # of a cache entry; another number leaves entries of older code alone
ENTRY = {"train_images", "train_labels", "test_images", "test_labels", "description"}
BATCH = 512

Pixels = tuple[UInt8[np.ndarray, "_ _ _ _"], Int32[np.ndarray, "_"]]


@dataclass(frozen=True)
class Prepared:
    """Decoded images in 0 to 255 with labels, the names of the classes, and where they are from."""

    train: Pixels
    test: Pixels
    class_names: tuple[str, ...]
    provenance: str


def load(name: str, data_dir: str | os.PathLike[str] | None = None) -> Prepared:
    """Read a data set from the cache, from prepared records, or after preparing it.

    Raises what ``prepare.find``, ``prepare.prepare`` and ``decode`` raise.
    """
    folder = prepare.data_folder(data_dir)
    key = f"{name} {FORMAT} in {folder}"
    if (kept := _from_cache(key)) is not None:
        return kept
    find = own_imports()(prepare.find)  # here, as prepare.py also runs without this package
    builder = find(name, folder)
    if not prepare.is_prepared(builder):
        prepare.prepare(name, builder, folder)
        builder = find(name, folder)
    decoded = decode(builder)
    _to_cache(key, decoded, Path(builder.data_dir))
    return decoded


@own_imports()
def decode(builder: Any) -> Prepared:
    """Decode all records of a prepared data set, in tensorflow-datasets' order.

    The test images are those of the split "test", or "validation" where there is none. Raises
    ValueError for a set that is not one of byte images of one size with one class label each.
    """
    name, splits = builder.info.full_name, builder.info.splits
    test = next((split for split in ("test", "validation") if split in splits), None)
    if "train" not in splits or test is None:
        raise ValueError(
            f"{name} has the splits {sorted(splits)}; it takes 'train', and 'test' or "
            "'validation'. Splits of your own make a Dataset too: Dataset(name, train, test)"
        )
    image, label = _features(builder.info)
    return Prepared(
        _stack(builder, "train", image, label),
        _stack(builder, test, image, label),
        tuple(builder.info.features[label].names),
        f"tensorflow-datasets' {name} (splits train and {test}), prepared in {builder.data_dir}",
    )


def _features(info: Any) -> tuple[str, str]:
    """The names of the image and of its label among a data set's features."""
    import tensorflow_datasets as tfds

    keys = info.supervised_keys or ("image", "label")
    names = list(info.features)
    features: list[Any] = [info.features[key] if key in names else None for key in keys]
    kinds = [type(feature) for feature in features]
    learnable = kinds == [tfds.features.Image, tfds.features.ClassLabel]
    if not learnable or features[0].np_dtype != np.uint8:
        raise ValueError(
            f"{info.full_name} has the features {dict(info.features.items())} and is labelled by "
            f"{keys}; it takes an image of bytes (uint8) with one class label"
        )
    image, label = keys
    return image, label


def _stack(builder: Any, split: str, image: str, label: str) -> Pixels:
    count = builder.info.splits[split].num_examples
    examples = _examples(builder, split)
    first = next(examples, None)
    if first is None:
        raise ValueError(f"{builder.info.full_name} has no examples in its split {split!r}")
    shape = first[image].shape
    images, labels = np.empty((count, *shape), np.uint8), np.empty(count, np.int32)
    images[0], labels[0] = first[image], first[label]
    position = 0
    for position, example in enumerate(examples, 1):
        if example[image].shape != shape:
            raise ValueError(
                f"{builder.info.full_name} has images of {shape} and of {example[image].shape}; "
                "it takes images of one size. Resize them yourself and make a Dataset of the arrays"
            )
        images[position], labels[position] = example[image], example[label]
    if position + 1 != count:
        raise ValueError(
            f"{builder.data_dir} holds {position + 1} of {count} examples of the split {split!r}; "
            "delete this folder and prepare it again"
        )
    return images, labels


def _examples(builder: Any, split: str) -> Iterator[dict[str, Any]]:
    info = builder.info
    if info.file_format is not None and info.file_format.value == "tfrecord":
        for file in info.splits[split].filepaths:
            yield from map(info.features.deserialize_example_np, tfrecords(Path(file)))
        return
    source = builder.as_data_source(split=split)
    positions = iter(range(len(source)))
    while batch := list(islice(positions, BATCH)):  # one by one takes much longer
        yield from source.__getitems__(batch)


def tfrecords(file: Path) -> Iterator[bytes]:
    """The records of a TFRecord file: of each its length (8 bytes), checksum (4), itself, checksum.

    Raises ValueError where the file ends within a record.
    """
    with file.open("rb") as stream:
        while head := stream.read(12):
            length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else 0
            record = stream.read(length)
            if len(record) < length or len(stream.read(4)) < 4:
                raise ValueError(f"{file} ends within a record; delete its folder and prepare it again")
            yield record


def fingerprint(folder: Path) -> str:
    """A digest of names, sizes and times of a folder's files, to see whether they changed."""
    files = sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in folder.iterdir())
    return hashlib.sha256(repr(files).encode()).hexdigest()


def _to_cache(key: str, decoded: Prepared, folder: Path) -> None:
    description = {
        "folder": str(folder),
        "fingerprint": fingerprint(folder),
        "class_names": decoded.class_names,
        "provenance": decoded.provenance,
    }
    arrays = {
        "train_images": decoded.train[0],
        "train_labels": decoded.train[1],
        "test_images": decoded.test[0],
        "test_labels": decoded.test[1],
        "description": np.frombuffer(json.dumps(description).encode(), np.uint8),
    }
    cache.write(key, arrays)


def _from_cache(key: str) -> Prepared | None:
    """The cached arrays, if the prepared records that they were decoded from are still the same."""
    arrays = cache.read(key)
    if arrays is None or not arrays.keys() >= ENTRY:
        return None
    description = json.loads(arrays["description"].tobytes())
    folder = Path(description["folder"])
    if not folder.is_dir() or fingerprint(folder) != description["fingerprint"]:
        return None
    return Prepared(
        (arrays["train_images"], arrays["train_labels"]),
        (arrays["test_images"], arrays["test_labels"]),
        tuple(description["class_names"]),
        description["provenance"],
    )
