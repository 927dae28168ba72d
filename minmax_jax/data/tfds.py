"""Data sets of tensorflow-datasets: from the cache, or decoded in another process, prepared if need be."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from minmax_jax.data.tfds_process import Arrays, fingerprint, run_apart
from minmax_jax.storage import cache
from minmax_jax.storage.names import as_path

FORMAT = 1  # of a cache entry; another number leaves entries of older code alone
ENTRY = {"train_images", "train_labels", "test_images", "test_labels", "description"}


def load(name: str, data_dir: str | os.PathLike[str] | None = None) -> Arrays:
    """A cache entry: images and labels of a data set, and its description.

    Raises ValueError, ModuleNotFoundError, ConnectionError and RuntimeError as ``tfds_process`` does.
    """
    folder = data_folder(data_dir)
    key = f"{name} {FORMAT} in {folder}"
    if (kept := _from_cache(key)) is not None:
        return kept
    arrays = run_apart("decode", name, folder)
    if arrays is None:
        print(f"Preparing {name} in {folder}, once; this takes minutes.", file=sys.stderr, flush=True)
        arrays = run_apart("prepare", name, folder)
    assert arrays is not None
    cache.write(key, arrays)
    return arrays


def data_folder(data_dir: str | os.PathLike[str] | None) -> Path:
    """Where tensorflow-datasets keeps data: as given, or where it would itself."""
    default = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    chosen = default if data_dir is None else data_dir
    return as_path("data_dir", chosen, "folder").resolve()


def is_prepared(name: str, data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Whether ``load`` finds this data set without a download: its description is written last."""
    try:
        return any(data_folder(data_dir).glob(f"{name}/**/dataset_info.json"))
    except ValueError:  # no home folder
        return False


def description(arrays: Arrays) -> dict[str, Any]:
    """What an entry says of itself: ``class_names``, ``provenance``, and the files it was decoded from."""
    return json.loads(arrays["description"].tobytes())


def _from_cache(key: str) -> Arrays | None:
    """The cached arrays, if the prepared records that they were decoded from are still the same."""
    arrays = cache.read(key)
    if arrays is None or not arrays.keys() >= ENTRY:
        return None
    found = description(arrays)
    folder = Path(found["folder"])
    return arrays if folder.is_dir() and fingerprint(folder) == found["fingerprint"] else None
