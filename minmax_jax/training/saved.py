"""Trained LeNets in files: ``save`` one, ``open`` it again."""

import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.tree_util import keystr, tree_leaves_with_path, tree_map_with_path

from minmax_jax.checks import AnyArray
from minmax_jax.lenet import LeNet, Variant
from minmax_jax.storage import archive

FORMAT = "minmax_jax.LeNet"
VERSION = 1  # of the format; a program reads its own and older ones


def save(model: LeNet, path: str | os.PathLike[str]) -> Path:
    """Write a LeNet to one file, such as "lenet.npz", and return the file's path.

    The file is written wholly or not at all; what it held before stays until then. Identity: ``open(path)``
    has the same parameters, bit for bit. Raises TypeError for another kind of model, ValueError for a LeNet
    whose parameters were replaced by others or are not finite, OSError where the file cannot be written.
    """
    if type(model) is not LeNet:  # a subclass would come back without what it changed
        raise TypeError(f"model is a {type(model).__name__}; save takes a minmax_jax.lenet.LeNet")
    file = _path(path)
    if file.is_dir():
        raise IsADirectoryError(f"path is {file}, a folder; it takes the name of a file")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"path is {file}, but there is no folder {file.parent}")
    options = {
        "image_shape": tuple(int(size) for size in model.image_shape),
        "classes": int(model.dense3.out_features),
        "variant": model.variant,
    }
    arrays = {name: np.asarray(value) for name, value in parameters(model).items()}
    if wrong := _mismatch(arrays, options):
        raise ValueError(f"model cannot be saved: {wrong}")
    about = {"format": FORMAT, "version": VERSION, "minmax_jax": version("minmax_jax")} | options
    archive.write(file, arrays, json.dumps(about))
    return file


def open(path: str | os.PathLike[str]) -> LeNet:
    """The LeNet that ``save`` wrote to a file, in evaluation mode.

    Raises FileNotFoundError where there is no file, and ValueError for one that is cut off, damaged, of
    another kind, of a newer format, or whose parameters are not those of the LeNet it describes.
    """
    file = _path(path)
    arrays, text = archive.read(file)
    options = _options(file, text)
    if wrong := _mismatch(arrays, options):
        raise ValueError(f"{file} holds no whole LeNet: {wrong}")
    return with_parameters(_abstract(options), arrays)


def parameters(model: nnx.Module) -> dict[str, Any]:
    """Every parameter by its path in the model: "conv1.kernel"."""
    nested = nnx.to_pure_dict(nnx.state(model))
    return {_name(path): leaf for path, leaf in tree_leaves_with_path(nested)}


def with_parameters(model: LeNet, arrays: Mapping[str, AnyArray]) -> LeNet:
    """A copy of a LeNet, or of the shapes of one, with other parameters, in evaluation mode.

    Identity: ``with_parameters(model, parameters(model))`` has the parameters of the model.
    """
    definition, state = nnx.split(model)
    filled = tree_map_with_path(lambda path, _: jnp.asarray(arrays[_name(path)]), nnx.to_pure_dict(state))
    nnx.replace_by_pure_dict(state, filled)
    found = nnx.merge(definition, state)
    found.eval()
    return found


def _path(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be the name of a file, got {path!r}")
    return Path(path).expanduser()


def _options(file: Path, text: str) -> dict[str, Any]:
    """What ``LeNet`` was called with, from the file's own description."""
    try:
        about = json.loads(text or "{}")
        kind = about.get("format")
    except (ValueError, AttributeError):
        kind = None
    if kind != FORMAT:
        found = f"a {kind}" if isinstance(kind, str) else "something else"
        raise ValueError(f"{file} holds {found}; open takes a file that save wrote")
    written = about.get("version")
    if not isinstance(written, int) or written > VERSION:
        raise ValueError(
            f"{file} was written by minmax_jax {about.get('minmax_jax')} in format {written}, newer "
            f"than format {VERSION} of the installed minmax_jax {version('minmax_jax')}"
        )
    shape, classes, variant = (about.get(name) for name in ("image_shape", "classes", "variant"))
    counts = [*shape, classes] if isinstance(shape, list) else [None]
    if not all(type(count) is int for count in counts) or variant not in get_args(Variant):
        raise ValueError(
            f"{file} describes no LeNet: image_shape {shape!r}, classes {classes!r}, variant {variant!r}"
        )
    options = {"image_shape": tuple(shape), "classes": classes, "variant": variant}
    try:
        _abstract(options)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} describes no LeNet: {error}") from error
    return options


def _abstract(options: dict[str, Any]) -> LeNet:
    """The LeNet of such options with shapes in place of numbers."""
    return nnx.eval_shape(lambda: LeNet(**options, rngs=nnx.Rngs(0)))


def _name(path: Any) -> str:
    return keystr(path, simple=True, separator=".")


def _mismatch(arrays: dict[str, np.ndarray], options: dict[str, Any]) -> str | None:
    """In words, the first thing that keeps ``arrays`` from being the parameters of such a LeNet."""
    wanted = parameters(_abstract(options))
    if missing := [name for name in wanted if name not in arrays]:
        return f"it lacks {', '.join(missing)}"
    if extra := [name for name in arrays if name not in wanted]:
        return f"a LeNet has no {', '.join(extra)}"
    for name, like in wanted.items():
        got = arrays[name]
        if (got.dtype, got.shape) != (like.dtype, like.shape):
            return f"{name} is {got.dtype} of shape {got.shape}, not {like.dtype} of shape {like.shape}"
        if not np.isfinite(got).all():
            return f"{name} has NaN or infinite values"
    return None
