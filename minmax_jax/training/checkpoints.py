"""Checkpoints: the state of a run in a folder, so that a run that was cut short can go on."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_leaves_with_path

from minmax_jax.jobs.interrupts import uninterrupted
from minmax_jax.objective import Measured
from minmax_jax.training.fingerprint import as_bytes, difference, digest, fingerprint, is_key, plain_array
from minmax_jax.training.trainer import Trainer

FORMAT = "minmax_jax.fit"
VERSION = 1  # of the format; a program reads its own and older ones
KEPT = 2  # checkpoints: the newest, and the one before in case a disk damages that
UNFINISHED = ".orbax-checkpoint-tmp"  # in the names of folders that a killed save leaves behind


@contextmanager
def keeping(
    folder: str | os.PathLike[str] | None, trainer: Trainer, counts: dict[str, Any]
) -> Iterator[Callable[[], None]]:
    """A function that saves the trainer's state in ``folder``; before that, it is set to what is there.

    On leaving the body, however it ends, the state is saved too. A save counts wholly or not at all, and
    holds Ctrl-C off. Without a folder nothing is saved. Raises ValueError for a
    folder with anything but checkpoints of this very run, and TypeError for what is no folder's name.
    """
    if folder is None:
        yield lambda: None
        return
    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"checkpoint must be the name of a folder, or None, got {folder!r}")
    path = Path(folder).expanduser().resolve()
    _check_folder(path)
    run = fingerprint(
        trainer.definition, trainer.state, trainer.data, trainer.objective, trainer.optimiser, counts
    )
    with _manager(path) as manager:
        saved = manager.latest_step()
        if saved is not None:
            _resume(manager, path, saved, trainer, run)
        for unfinished in path.glob(f"*{UNFINISHED}*"):  # only now: the folder is known to be this run's
            shutil.rmtree(unfinished, ignore_errors=True)

        def save() -> None:
            nonlocal saved
            if trainer.steps not in (0, saved):
                with uninterrupted(later=True):
                    _save(manager, trainer, run)
                    saved = trainer.steps

        try:
            yield save
        finally:
            with uninterrupted():
                save()


def _check_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise ValueError(f"checkpoint is {path}, a file; it takes a folder")
    path.mkdir(parents=True, exist_ok=True)
    names = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
    if foreign := [name for name in names if not name.isdecimal() and UNFINISHED not in name]:
        raise ValueError(
            f"checkpoint is {path}, which holds {foreign[0]!r}; it takes a folder of checkpoints and "
            "nothing else, or a new one"
        )


@contextmanager
def _manager(path: Path) -> Iterator[Any]:
    import orbax.checkpoint as ocp  # heavy to import, so only where it is used

    options = ocp.CheckpointManagerOptions(max_to_keep=KEPT, enable_async_checkpointing=False)
    with ocp.CheckpointManager(path, options=options, item_names=("state", "about")) as manager:
        yield manager


def _save(manager: Any, trainer: Trainer, run: dict[str, Any]) -> None:
    from orbax.checkpoint import args

    arrays = _arrays(trainer)
    # As one vector: orbax reads many arrays at once, and stumbles over its own threads if a file is damaged.
    state = np.concatenate([as_bytes(array) for _, array in arrays])
    about = {
        "format": FORMAT,
        "version": VERSION,
        "minmax_jax": version("minmax_jax"),
        "run": run,
        "arrays": [{"name": name, "dtype": str(one.dtype), "shape": one.shape} for name, one in arrays],
        "digest": digest(state),
    }
    items = {"state": args.StandardSave([state]), "about": args.JsonSave(about)}
    manager.save(trainer.steps, args=args.Composite(**items))
    manager.wait_until_finished()


def _arrays(trainer: Trainer) -> list[tuple[str, np.ndarray]]:
    """All that a trainer holds, by name: the leaves of its state, then its measurements."""
    leaves = [(keystr(path), plain_array(leaf)) for path, leaf in tree_leaves_with_path(trainer.state)]
    measured = trainer.measured | {"test_accuracy": np.array(trainer.test_accuracy)}
    return leaves + list(measured.items())


def _resume(manager: Any, path: Path, step: int, trainer: Trainer, run: dict[str, Any]) -> None:
    """Set the trainer to the checkpoint of a step, if that is one of this run and whole."""
    from orbax.checkpoint import args

    def damaged(why: object) -> ValueError:
        return ValueError(
            f"checkpoint is {path}, whose newest checkpoint cannot be read ({why}). If {path / str(step)} "
            "is removed, the run goes on from the checkpoint before, or starts anew if there is none"
        )

    try:
        about = manager.restore(step, args=args.Composite(about=args.JsonRestore()))["about"]
        kind, written = about["format"], about["version"]
        if kind == FORMAT and written <= VERSION:
            before, described = about["run"], about["arrays"]
    except Exception as error:  # damage can raise nearly anything in a reader of checkpoints
        raise damaged(f"{type(error).__name__}: {str(error)[:200]}") from error
    if kind != FORMAT:
        raise ValueError(f"checkpoint is {path}, which holds checkpoints of {kind!r}; it takes those of fit")
    if written > VERSION:
        raise ValueError(
            f"checkpoint is {path}, written by minmax_jax {about.get('minmax_jax')} in format {written}, "
            f"newer than format {VERSION} of the installed minmax_jax {version('minmax_jax')}"
        )
    if differing := difference(before, run):
        name, there, here = differing
        raise ValueError(
            f"checkpoint is {path}, which holds another run: its {name} is {there!r}, and in this call it is "
            f"{here!r}. Call fit with what the folder has to go on with that run, or name another folder"
        )
    try:
        arrays = [np.zeros(one["shape"], one["dtype"]) for one in described]
        size = sum(array.nbytes for array in arrays)
        template = args.StandardRestore([np.zeros(size, np.uint8)])
        (state,) = manager.restore(step, args=args.Composite(state=template))["state"]
        if digest(state) != about["digest"]:
            raise ValueError("its checksum differs")
        _set(trainer, _cut(state, arrays))
        if trainer.steps != step:
            raise ValueError(f"it is of step {trainer.steps}")
    except Exception as error:
        raise damaged(f"{type(error).__name__}: {str(error)[:200]}") from error


def _cut(state: np.ndarray, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The parts of a vector of bytes, as arrays of the given types and shapes."""
    ends = np.cumsum([array.nbytes for array in arrays])[:-1]
    parts = zip(np.split(state, ends), arrays, strict=True)
    return [part.copy().view(array.dtype).reshape(array.shape) for part, array in parts]


def _set(trainer: Trainer, arrays: list[np.ndarray]) -> None:
    """The inverse of ``_arrays``."""
    leaves, structure = jax.tree.flatten(trainer.state)
    *parts, test_accuracy = arrays[len(leaves) :]
    state = [_leaf(array, like) for array, like in zip(arrays[: len(leaves)], leaves, strict=True)]
    measured = dict(zip(Measured._fields, parts, strict=True))
    trainer.resume(jax.tree.unflatten(structure, state), measured, test_accuracy.tolist())


def _leaf(array: np.ndarray, like: Any) -> jax.Array:
    if is_key(like):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(like))
    return jnp.asarray(array)
