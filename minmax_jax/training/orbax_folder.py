"""Checkpoints as earlier versions of this package wrote them, by orbax: they are read, never written."""

from pathlib import Path
from typing import Any

import numpy as np

from minmax_jax.storage.digests import digest

UNFINISHED = ".orbax-checkpoint-tmp"  # in the names of folders that a killed save left behind


def holds_orbax(folder: Path) -> bool:
    """True for a folder of orbax's, which holds one folder for each checkpoint, named by its step.

    It may have been claimed since, and hold the note of the run.
    """
    names = {path.name for path in folder.glob("*") if path.suffix != ".tmp"} - {"run.json"}
    return bool(names) and all(name.isdecimal() or UNFINISHED in name for name in names)


def read_orbax(folder: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The settings of the run, and the arrays of its newest checkpoint; ValueError if that is damaged."""
    from orbax.checkpoint import CheckpointManager, args  # heavy to import, so only where it is used

    try:
        with CheckpointManager(folder, item_names=("state", "about")) as manager:
            step = manager.latest_step()
            about = manager.restore(step, args=args.Composite(about=args.JsonRestore()))["about"]
            if about["format"] != "minmax_jax.fit":
                raise ValueError(f"it is of {about['format']!r}")
            arrays = [np.zeros(one["shape"], one["dtype"]) for one in about["arrays"]]
            size = sum(array.nbytes for array in arrays)
            template = args.StandardRestore([np.zeros(size, np.uint8)])
            (state,) = manager.restore(step, args=args.Composite(state=template))["state"]
        if digest(state) != about["digest"]:
            raise ValueError("its checksum differs")
        ends = np.cumsum([array.nbytes for array in arrays])[:-1]
        parts = zip(np.split(state, ends), arrays, strict=True)
        return about["run"], [part.copy().view(like.dtype).reshape(like.shape) for part, like in parts]
    except Exception as error:  # damage can raise nearly anything in a reader of checkpoints
        raise ValueError(
            f"checkpoint {folder} holds checkpoints of an earlier version; the newest cannot be read "
            f"({type(error).__name__}: {str(error)[:200]}); remove that one, or name another folder"
        ) from error
