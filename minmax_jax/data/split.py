"""A split: labelled images, checked once and immutable from then on."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from minmax_jax.checks import instead_of_labels

CHUNK = 2000  # images converted at a time


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Split:
    """Images with their labels, checked and immutable.

    ``images`` are float32 in [0, 1], shape (n, height, width, channels); ``labels`` are class
    numbers from 0 on, shape (n,), of any integer type and kept as int32. Both are copied where the
    caller could still write to them. ``split[:100]`` or ``split[order]`` is a Split again, and so is what
    pickle makes of one. Raises TypeError or ValueError for anything else.
    """

    images: Float32[np.ndarray, "n h w c"]
    labels: Int32[np.ndarray, " n"]

    def __init__(self, images: Any, labels: Any) -> None:
        images, labels = _images(images), _labels(labels)
        _same_length(images, labels)
        self._set(images, labels)

    def _set(self, images: np.ndarray, labels: np.ndarray) -> "Split":
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "labels", labels)
        return self

    @classmethod
    def _trusted(cls, images: np.ndarray, labels: np.ndarray) -> "Split":
        """Without a check of every value, for arrays that are read-only and known to be valid."""
        return object.__new__(cls)._set(_freeze(images), _freeze(labels))

    @classmethod
    def from_bytes(cls, images: UInt8[np.ndarray, "n h w c"], labels: np.ndarray) -> "Split":
        """From images in 0 to 255: exactly ``images / 255`` in float32, without a check of each."""
        if images.dtype != np.uint8 or images.ndim != 4:
            raise TypeError(f"images must be uint8 (n, h, w, c), got {images.dtype} of shape {images.shape}")
        unit = _aligned(images.shape)

        def convert(start: int) -> None:
            part = slice(start, start + CHUNK)
            np.divide(images[part], np.float32(255), out=unit[part])

        with ThreadPoolExecutor() as pool:  # in parallel, as most of the time goes into touching new memory
            list(pool.map(convert, range(0, len(images), CHUNK)))
        _lock(unit)
        labels = _labels(labels)
        _same_length(unit, labels)
        return cls._trusted(unit, labels)

    def __setstate__(self, state: dict[str, np.ndarray]) -> None:
        """What pickle made is as immutable as what it was made of."""
        self._set(_freeze(state["images"]), _freeze(state["labels"]))

    def __copy__(self) -> "Split":
        return self  # as of a tuple of numbers: nobody can change it

    def __deepcopy__(self, known: Any) -> "Split":
        return self

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> "Split":
        labels = self.labels[index]
        if np.ndim(labels) != 1:
            raise TypeError(
                f"the index of a Split must be a slice or an array of indices, got {index!r}; "
                "single images are in split.images"
            )
        if not len(labels):
            raise ValueError(f"the index of a Split must select at least one of {len(self)}, got {index!r}")
        return self._trusted(self.images[index], labels)

    def __repr__(self) -> str:
        return f"Split({len(self)} images of {shape_text(self.images.shape[1:])}, float32 in [0, 1])"


def _aligned(shape: tuple[int, ...]) -> Float32[np.ndarray, "..."]:
    """New memory for floats that begins where jax can use it without a copy, at a multiple of 64 bytes."""
    size = 4 * int(np.prod(shape))
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(np.float32).reshape(shape)


def _lock(array: np.ndarray) -> None:
    """Make an array read-only together with the memory that it is a view of."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner.flags.writeable = False
        owner = owner.base


def _array(name: str, given: Any) -> np.ndarray:
    """What is given, as NumPy reads it."""
    try:
        return np.asarray(given)
    except Exception as error:  # rows of different lengths, or a tensor that needs a gradient
        raise TypeError(
            f"{name} must be one array, of NumPy or of a kind that NumPy reads, got {error}"
        ) from error


def _images(images: Any) -> np.ndarray:
    images = _array("images", images)
    if images.dtype != np.float32:
        cure = "give images.astype(np.float32)"
        if np.issubdtype(images.dtype, np.integer):
            cure = "convert bytes by images.astype(np.float32) / np.float32(255)"
        elif images.dtype == object:
            cure = "give np.stack(images) for a column of arrays"
        raise TypeError(f"images must be float32 in [0, 1], got {images.dtype}; {cure}")
    if images.ndim != 4 or not images.size:
        cures = {
            2: "; give images.reshape(-1, height, width, channels)",
            3: "; give grey images a channel axis by images[..., None], and a single one by images[None]",
        }
        raise ValueError(
            "images must have shape (n, height, width, channels), none 0, "
            f"got {images.shape}{cures.get(images.ndim, '')}"
        )
    images = _freeze(images)
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):  # NaN compares false, so this finds it too
        cure = "divide bytes by 255" + (", and normalise inside the model" if low < 0 else "")
        raise ValueError(f"images must be in [0, 1], got values from {low} to {high}; {cure}")
    return images


def _labels(labels: Any) -> np.ndarray:
    labels = _array("labels", labels)
    if not np.issubdtype(labels.dtype, np.integer):
        cure = instead_of_labels(labels)
        raise TypeError(f"labels must be integers, the class numbers, got {labels.dtype}{cure}")
    if labels.ndim != 1 or not labels.size:
        cure = instead_of_labels(labels)
        raise ValueError(f"labels must have shape (n,) with n at least 1, got {labels.shape}{cure}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > np.iinfo(np.int32).max:
        cure = instead_of_labels(labels)
        raise ValueError(f"labels must be class numbers from 0 on, got values from {low} to {high}{cure}")
    return _freeze(labels.astype(np.int32, copy=False))


def _same_length(images: np.ndarray, labels: np.ndarray) -> None:
    if len(images) != len(labels):
        raise ValueError(f"labels must have one entry for each of {len(images)} images, got {len(labels)}")


def _freeze(array: np.ndarray) -> np.ndarray:
    """A read-only array that nobody can write to: a copy, unless nobody could before."""
    owner: Any = array
    while isinstance(owner, np.ndarray) and not owner.flags.writeable:
        owner = owner.base
    if owner is not None:
        array = np.array(array, order="C")
        array.flags.writeable = False
    return array[...]  # a view of a read-only array cannot be made writeable again


def shape_text(shape: Sequence[int]) -> str:
    """A shape for reading: 28 x 28 x 1."""
    return " x ".join(map(str, shape))
