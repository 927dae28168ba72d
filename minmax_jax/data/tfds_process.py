"""Work with tensorflow-datasets in a process of its own: find a data set, prepare it, decode its images.

``run_apart`` runs this file by itself, without this package, so that it starts fast. Importing
tensorflow-datasets puts a lazy import in Python's place for moments, which disturbs other threads; and
TensorFlow, which only preparing needs, should not share a process with JAX.
"""

import difflib
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np

KNOWN = ("mnist", "fashion_mnist", "kmnist", "cifar10", "cifar100", "svhn_cropped")
PATIENCE = 4.0  # seconds in which a download server has to give some answer
RETRIES = 3  # of a download; tensorflow-datasets' own 10 take minutes
GATEWAY = (407, 502, 503, 504)  # statuses of a proxy that did not reach the server
BATCH = 512  # records read at a time; one by one takes much longer
POLYNOMIAL = 0x82F63B78  # of CRC-32C, from its highest power down
START = bytes.fromhex("54641f64")  # takes a sum of 0 to the one with which CRC-32C begins, all ones
MEMORY = 2**26  # bytes that are summed at a time
# Handed on as they are.
ERRORS = (ModuleNotFoundError, ConnectionError, PermissionError, ValueError, RuntimeError)

Task = Literal["decode", "prepare"]
Arrays = dict[str, np.ndarray]


def run_apart(task: Task, name: str, folder: Path) -> Arrays | None:
    """``perform`` in a process of its own: returns what it returns, raises what it raises."""
    with TemporaryDirectory(prefix="minmax_jax-") as temporary:
        arrays, refusal = Path(temporary) / "arrays.npz", Path(temporary) / "refusal.json"
        # -P: this file's folder must not hide other packages. No warnings: they are about other packages. No
        # GPU: its memory is for JAX.
        command = [sys.executable, "-P", "-W", "ignore", __file__, task, name, str(folder), temporary]
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
        if refusal.is_file():
            kind, message = json.loads(refusal.read_text("utf-8"))
            raise next(error for error in ERRORS if error.__name__ == kind)(message)
        if done.returncode:
            said = done.stderr.strip()[-2000:]
            ended = f" (signal {-done.returncode} ended it)" if done.returncode < 0 else ""
            raise RuntimeError(f"tensorflow-datasets could not {task} {name!r} in {folder}{ended}:\n{said}")
        return dict(np.load(arrays, allow_pickle=False)) if arrays.is_file() else None


def perform(task: Task, name: str, folder: Path) -> Arrays | None:
    """The decoded arrays of a data set, or None where it is still to be prepared (by task "prepare")."""
    builder = find(name, folder)
    if not is_prepared(builder):
        check(name, builder, folder)
        if task == "decode":
            return None
        builder = build(name, folder)
    try:
        return decode(builder)
    except ERRORS:
        raise
    except Exception as error:  # damage can raise nearly anything
        raise ValueError(
            f"{builder.data_dir} holds no whole data set ({type(error).__name__}: {error}); delete this "
            "folder and prepare it again"
        ) from error


def find(name: str, folder: Path) -> Any:
    """The tensorflow-datasets builder of a name, without TensorFlow and without the network.

    ``name`` may include a configuration and a version: "emnist/balanced", "mnist:3.0.1".
    Raises ValueError for a name, configuration or version that tensorflow-datasets does not have.
    """
    if not re.fullmatch(r"\w+(/[\w.+-]+)?(:[\w.*]+)?", name):
        raise ValueError(
            f"name must be one of tensorflow-datasets, such as {', '.join(KNOWN)}, "
            f"or 'name/configuration:version', got {name!r}"
        )
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=str(folder))
    except tfds.core.DatasetNotFoundError:
        known = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(name, known, n=3) or KNOWN
        raise ValueError(
            f"name must be known to tensorflow-datasets, for example {', '.join(close)}, "
            f"or be a set prepared in {folder}, got {name!r}"
        ) from None
    except (ModuleNotFoundError, PermissionError):
        raise
    except Exception as error:  # damage to a prepared set can raise nearly anything
        prepared = folder / re.split("[/:]", name)[0]
        cure = f". If {prepared} is damaged, delete it and prepare it again" if prepared.is_dir() else ""
        raise ValueError(f"name is {name!r}, which is not available: {error}{cure}") from error


def is_prepared(builder: Any) -> bool:
    """True where the builder's folder holds a whole data set: its description is written last."""
    return (Path(builder.data_dir) / "dataset_info.json").is_file()


def check(name: str, builder: Any, folder: Path) -> None:
    """See that TensorFlow and the download servers are there, in seconds instead of minutes of retries.

    Raises ModuleNotFoundError without TensorFlow, ConnectionError without the servers.
    """
    elsewhere = (
        "or, on a machine with a network, run\n"
        f"    python -m minmax_jax.data {name} --data-dir FOLDER\n"
        f"and copy FOLDER here: to {folder}, or anywhere and call "
        f"load({name!r}, data_dir=FOLDER) or set TFDS_DATA_DIR=FOLDER"
    )
    if find_spec("tensorflow") is None:
        raise ModuleNotFoundError(
            f"{name!r} is not prepared in {folder}, and preparing it needs TensorFlow. "
            f"Install it by\n    pip install 'minmax_jax[prepare]'\n{elsewhere}"
        )
    servers = {urlsplit(url).netloc: url for url in to_download(builder, folder)}
    for server, url in servers.items():
        if problem := unreachable(url):
            raise ConnectionError(
                f"{name!r} is not prepared in {folder}, and its download server {server} cannot be reached "
                f"({problem}). Try again with a network, {elsewhere}"
            )


def to_download(builder: Any, folder: Path) -> list[str]:
    """The recorded addresses whose files are not among tensorflow-datasets' downloads yet."""
    from tensorflow_datasets.core.download import resource

    downloads = folder / "downloads"

    def have(url: str, info: Any) -> bool:
        file = resource.get_dl_fname(url, info.checksum)
        kept = resource.is_locally_cached
        by_hand = downloads / "manual" / (info.filename or file)
        return kept(downloads / file) or kept(downloads / builder.name / file) or by_hand.exists()

    return [url for url, info in (builder.url_infos or {}).items() if not have(url, info)]


def unreachable(url: str, patience: float = PATIENCE) -> str | None:
    """Why a server gives no answer within ``patience`` seconds, or None where it answers.

    Asked as the download itself does, through a proxy where the environment names one. Any answer counts but
    a gateway's: whether it is the file is for the download to find out.
    """
    import requests  # which tensorflow-datasets downloads with

    answers: list[str | None] = []

    def ask() -> None:
        try:
            status = requests.head(url, timeout=patience, allow_redirects=True).status_code
            answers.append(f"HTTP status {status}" if status in GATEWAY else None)
        except Exception as error:  # of requests, urllib3, sockets and encodings
            answers.append(_cause(error))

    # In a thread, since looking up a host's name has no time limit of its own.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(patience)
    return answers[0] if answers else f"no answer in {patience:g} seconds"


def _cause(error: BaseException) -> str:
    """What lies at the bottom of an error: "Name or service not known", without all that wraps it."""
    return _cause(error.__context__) if error.__context__ else str(error) or type(error).__name__


def build(name: str, folder: Path) -> Any:
    """Download and prepare, in a format that is read without TensorFlow; returns the builder.

    Raises RuntimeError, with what tensorflow-datasets said, where it fails.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

    downloader.MAX_RETRIES = min(RETRIES, downloader.MAX_RETRIES)
    # array_record has no wheels for Windows; records of either format are read without TensorFlow.
    file_format = "array_record" if find_spec("array_record") else "tfrecord"
    try:
        builder = tfds.builder(name, data_dir=str(folder), file_format=file_format)
        config = tfds.download.DownloadConfig(try_download_gcs=False)
        builder.download_and_prepare(download_config=config)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise RuntimeError(f"tensorflow-datasets could not prepare {name!r} in {folder}:\n{said}") from error
    return builder


def decode(builder: Any) -> Arrays:
    """All images and labels of a prepared data set, in tensorflow-datasets' order, and a description (JSON).

    The test images are those of the split "test", or "validation" where there is none. Raises
    ValueError for a set that is not one of byte images of one size with one class label each.
    """
    name, splits, folder = builder.info.full_name, builder.info.splits, Path(builder.data_dir)
    test = next((split for split in ("test", "validation") if split in splits), None)
    if "train" not in splits or test is None:
        raise ValueError(
            f"{name} must have the splits 'train', and 'test' or 'validation', got {sorted(splits)}. "
            "Splits of your own make a Dataset too: Dataset(name, train, test)"
        )
    image, label = _features(builder.info)
    description = {
        "folder": str(folder),
        "fingerprint": fingerprint(folder),
        "class_names": builder.info.features[label].names,
        "provenance": f"tensorflow-datasets' {name} (splits train and {test}), prepared in {folder}",
    }
    arrays: Arrays = {}
    for part, split in (("train", "train"), ("test", test)):
        arrays[f"{part}_images"], arrays[f"{part}_labels"] = _stack(builder, split, image, label)
    return arrays | {"description": np.frombuffer(json.dumps(description).encode(), np.uint8)}


def fingerprint(folder: Path) -> str:
    """A digest of names, sizes and times of a folder's files, to see whether they changed."""
    files = sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in folder.iterdir())
    return hashlib.sha256(repr(files).encode()).hexdigest()


def _features(info: Any) -> tuple[str, str]:
    """The names of the image and of its label among a data set's features."""
    import tensorflow_datasets as tfds

    keys = info.supervised_keys or ("image", "label")
    names = list(info.features)
    features: list[Any] = [info.features[key] if key in names else None for key in keys]
    learnable = [type(feature) for feature in features] == [tfds.features.Image, tfds.features.ClassLabel]
    if not learnable or features[0].np_dtype != np.uint8:
        raise ValueError(
            f"{info.full_name} must have an image of bytes (uint8) with one class label, got the features "
            f"{dict(info.features.items())}, labelled by {keys}"
        )
    image, label = keys
    return image, label


def _stack(builder: Any, split: str, image: str, label: str) -> tuple[np.ndarray, np.ndarray]:
    count, examples = builder.info.splits[split].num_examples, _examples(builder, split)
    first = next(examples, None)
    if first is None and not count:
        raise ValueError(f"{builder.info.full_name} has no examples in its split {split!r}")
    shape = () if first is None else first[image].shape
    images, labels = np.empty((count, *shape), np.uint8), np.empty(count, np.int32)
    found = 0
    for found, example in enumerate(examples if first is None else chain([first], examples), 1):
        if found > count:
            break
        if example[image].shape != shape:
            raise ValueError(
                f"{builder.info.full_name} must have images of one size, got {shape} and "
                f"{example[image].shape}. Resize them yourself and make a Dataset of the arrays"
            )
        images[found - 1], labels[found - 1] = example[image], example[label]
    if found != count:
        raise ValueError(
            f"{builder.data_dir} holds {'more than' if found > count else f'{found} of'} {count} examples of "
            f"the split {split!r}; delete this folder and prepare it again"
        )
    return images, labels


def _examples(builder: Any, split: str) -> Iterator[dict[str, Any]]:
    info, kind = builder.info, getattr(builder.info.file_format, "value", None)
    file = Path(builder.data_dir)
    try:
        if kind in READERS:
            for file in map(Path, info.splits[split].filepaths):
                yield from map(info.features.deserialize_example_np, READERS[kind](file))
        else:
            source = builder.as_data_source(split=split)
            positions = iter(range(len(source)))
            while batch := list(islice(positions, BATCH)):
                yield from source.__getitems__(batch)
    except (ModuleNotFoundError, PermissionError):
        raise
    except Exception as error:  # damage can raise nearly anything in a reader
        raise ValueError(
            f"{file} cannot be read whole ({type(error).__name__}: {error}); delete {builder.data_dir} and "
            "prepare it again"
        ) from error


def array_records(file: Path) -> Iterator[bytes]:
    """The records of an ArrayRecord file, which are checked by its reader."""
    from array_record.python.array_record_module import ArrayRecordReader

    reader = ArrayRecordReader(str(file))
    count = reader.num_records()
    for start in range(0, count, BATCH):
        yield from reader.read(start, min(start + BATCH, count))
    reader.close()


def tfrecords(file: Path) -> Iterator[bytes]:
    """The records of a TFRecord file, each checked by its CRC-32C.

    Raises ValueError where the file ends within a record, or holds another one than was written.
    """
    framed = _framed(file)
    while batch := list(islice(framed, BATCH)):
        lengths, length_sums, records, record_sums = zip(*batch, strict=True)
        for contents, sums in ((lengths, length_sums), (records, record_sums)):
            found = crc32c(contents)
            masked = (found >> 15 | found << 17) + np.uint32(0xA282EAD8)  # as the format asks for
            if (masked != np.frombuffer(b"".join(sums), "<u4")).any():
                raise ValueError("a record differs from its checksum")
        yield from records


def _framed(file: Path) -> Iterator[tuple[bytes, bytes, bytes, bytes]]:
    """Of each record: its length (8 bytes), the checksum of that (4), itself, its checksum (4)."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        while head := stream.read(12):
            length = int.from_bytes(head[:8], "little")
            if len(head) < 12 or stream.tell() + length + 4 > size:
                raise ValueError("it ends within a record")
            yield head[:8], head[8:], stream.read(length), stream.read(4)


READERS = {"array_record": array_records, "tfrecord": tfrecords}


def crc32c(contents: Sequence[bytes]) -> np.ndarray:
    """The CRC-32C of each of some texts, all side by side and two bytes at a time."""
    width = max(map(len, contents)) + len(START)
    width += width % 2
    if len(contents) > 1 and len(contents) * width > MEMORY:
        half = len(contents) // 2
        return np.concatenate([crc32c(contents[:half]), crc32c(contents[half:])])
    table, sums = _table(), np.zeros(len(contents), np.uint32)
    # Zeros in front leave a sum of 0 as it is, so that all texts get one length.
    padded = b"".join((START + content).rjust(width, b"\0") for content in contents)
    for words in np.frombuffer(padded, "<u2").reshape(len(contents), -1).T.copy():
        sums = table[(sums ^ words).astype(np.uint16)] ^ sums >> 16
    return ~sums


@cache
def _table() -> np.ndarray:
    """What two bytes do to a sum, by its last two."""
    found: np.ndarray = np.arange(2**16, dtype=np.uint32)
    for _ in range(16):
        found = found >> 1 ^ found % 2 * np.uint32(POLYNOMIAL)
    return found


def main(task: Task, name: str, folder: str, outcome: str) -> None:
    """What the process does: ``perform``, with its arrays or its error written to the folder ``outcome``."""
    try:
        arrays = perform(task, name, Path(folder))
    except ERRORS as error:
        kind = next(kind.__name__ for kind in ERRORS if isinstance(error, kind))
        (Path(outcome) / "refusal.json").write_text(json.dumps([kind, str(error)]), "utf-8")
        return
    if arrays is not None:
        np.savez(Path(outcome) / "arrays.npz", **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
