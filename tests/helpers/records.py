"""Prepared data sets made by hand, as tensorflow-datasets writes them, but without TensorFlow."""

import io
import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

LIBRARY = "tensorflow_datasets.core.features"
Example = tuple[np.ndarray, int]


def write(
    folder: Path,
    splits: Mapping[str, Iterable[Example]],
    *,
    name: str = "tiny",
    shape: tuple[int | None, ...] = (4, 3, 1),
    label: Mapping[str, Any] | None = None,
    dtype: str = "uint8",
    file_format: str = "array_record",
    supervised: bool = True,
) -> Path:
    """Prepare ``splits`` as the set ``name`` in ``folder``; returns the folder of its files."""
    home = folder / name / "1.0.0"
    home.mkdir(parents=True)
    info = {
        "name": name,
        "version": "1.0.0",
        "fileFormat": file_format,
        "splits": [
            _split(home, name, split, list(examples), file_format) for split, examples in splits.items()
        ],
    }
    if supervised:
        keys = [{"featureKey": "image"}, {"featureKey": "label"}]
        info["supervisedKeys"] = {"tuple": {"items": keys}}
    label = label or {
        "pythonClassName": f"{LIBRARY}.class_label_feature.ClassLabel",
        "classLabel": {"numClasses": "3"},
    }
    dimensions = ["-1" if size is None else str(size) for size in shape]
    image = {
        "pythonClassName": f"{LIBRARY}.image_feature.Image",
        "image": {"dtype": dtype, "shape": {"dimensions": dimensions}},
    }
    features = {
        "pythonClassName": f"{LIBRARY}.features_dict.FeaturesDict",
        "featuresDict": {"features": {"image": image, "label": label}},
    }
    (home / "label.labels.txt").write_text("cat\ndog\nowl\n")
    (home / "features.json").write_text(json.dumps(features))
    (home / "dataset_info.json").write_text(json.dumps(info))
    return home


def _split(home: Path, name: str, split: str, examples: list[Example], file_format: str) -> dict[str, Any]:
    records = [_example(*example) for example in examples]
    halves = [records[: len(records) // 2], records[len(records) // 2 :]]
    for number, half in enumerate(halves):
        file = home / f"{name}-{split}.{file_format}-{number:05d}-of-00002"
        WRITERS[file_format](file, half)
    return {
        "name": split,
        "numBytes": str(sum(map(len, records))),
        "shardLengths": [str(len(half)) for half in halves],
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    }


def _example(image: np.ndarray, label: int) -> bytes:
    from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

    stream = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(stream, "png")
    pixels = tf_feature_pb2.Feature(bytes_list=tf_feature_pb2.BytesList(value=[stream.getvalue()]))
    number = tf_feature_pb2.Feature(int64_list=tf_feature_pb2.Int64List(value=[label]))
    features = tf_feature_pb2.Features(feature={"image": pixels, "label": number})
    return tf_example_pb2.Example(features=features).SerializeToString()


def _write_array_record(file: Path, records: list[bytes]) -> None:
    from array_record.python.array_record_module import ArrayRecordWriter

    writer = ArrayRecordWriter(str(file), "group_size:1")
    for record in records:
        writer.write(record)
    writer.close()


def _write_tfrecord(file: Path, records: list[bytes]) -> None:
    parts = [part for record in records for part in (struct.pack("<Q", len(record)), record)]
    file.write_bytes(b"".join(part + struct.pack("<I", masked(crc32c(part))) for part in parts))


def masked(checksum: int) -> int:
    """As TFRecord files have checksums."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) % 2**32


def crc32c(content: bytes) -> int:
    """CRC-32C bit by bit, as RFC 3720 defines it."""
    found = 0xFFFFFFFF
    for byte in content:
        found ^= byte
        for _ in range(8):
            found = found >> 1 ^ 0x82F63B78 * (found & 1)
    return found ^ 0xFFFFFFFF


WRITERS = {"array_record": _write_array_record, "tfrecord": _write_tfrecord}
