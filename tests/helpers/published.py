"""The archives of MNIST and Fashion-MNIST as published, rebuilt from what is at hand offline."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np

# Debian's package dataset-fashion-mnist.
FASHION = Path("/usr/share/datasets/fashion-mnist")
FASHION_TIMES = {"train": 1504176606, "t10k": 1504176627}
# Published md5 sums of MNIST's files, unpacked.
MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
PREFIXES = {"train": "train", "test": "t10k"}


def order(count: int, split: str) -> np.ndarray:
    """tensorflow-datasets' order: by md5 of the split's name followed by the example's number."""
    digests = [hashlib.md5(f"{split}{number}".encode()).digest() for number in range(count)]
    return np.array(sorted(range(count), key=digests.__getitem__))


def unpack(content: bytes) -> np.ndarray:
    """The array of an idx file: a magic number, its sizes, its bytes."""
    rank = content[3]
    sizes = struct.unpack_from(f">{rank}i", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(sizes)


def pack(array: np.ndarray) -> bytes:
    """An array of bytes as idx file; the inverse of ``unpack``."""
    head = struct.pack(f">BBBB{array.ndim}i", 0, 0, 8, array.ndim, *array.shape)
    return head + array.tobytes()


def fashion_arrays() -> dict[str, np.ndarray]:
    """Fashion-MNIST read from Debian's idx files, and put in tensorflow-datasets' order."""
    arrays = {}
    for split, prefix in PREFIXES.items():
        for kind, rank in (("images", 3), ("labels", 1)):
            packed = (FASHION / f"{prefix}-{kind}-idx{rank}-ubyte.gz").read_bytes()
            array = unpack(gzip.decompress(packed))
            arrays[f"{split}_{kind}"] = array[order(len(array), split)]
    return arrays


def fashion_archive(name: str) -> bytes:
    """The published archive: Debian's, with the name and the time that Debian leaves out."""
    packed = (FASHION / name).read_bytes()
    time = FASHION_TIMES[name.split("-")[0]].to_bytes(4, "little")
    named = name.removesuffix(".gz").encode() + b"\0"
    return packed[:3] + b"\x08" + time + packed[8:10] + named + packed[10:]


def mnist_files(bundle: dict[str, np.ndarray]) -> dict[str, bytes]:
    """MNIST's idx files from the bundle, by undoing tensorflow-datasets' order."""
    files = {}
    for split, prefix in PREFIXES.items():
        images, labels = bundle[f"{split}_images"][..., 0], bundle[f"{split}_labels"]
        back = np.argsort(order(len(labels), split))
        files[f"{prefix}-images-idx3-ubyte"] = pack(images[back])
        files[f"{prefix}-labels-idx1-ubyte"] = pack(labels[back])
    return files
