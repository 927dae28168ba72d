"""Trained LeNets in files: ``save`` one, ``open`` it again."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
from flax import nnx

from minmax_jax.checks import AnyArray
from minmax_jax.lenet import Initialiser, LeNet, Variant
from minmax_jax.storage import archive
from minmax_jax.storage.header import check_header, header
from minmax_jax.storage.names import as_path
from minmax_jax.storage.trees import from_arrays, named_leaves, to_array

FORMAT = "minmax_jax.LeNet"
VERSION = 1  # of the format; a program reads its own and older ones


def save(model: LeNet, path: str | os.PathLike[str]) -> Path:
    """Write a LeNet to one file, such as "lenet.npz", and return the file's path.

    The file has exactly this name and is written whole or not at all; until then, the old one stays. Links
    are followed, and permissions stay. Identity: ``open(path)`` has the same parameters, bit for bit. Raises
    TypeError for another kind of model, ValueError for a LeNet whose parameters were replaced by others or
    are not finite, OSError if the file cannot be written.
    """
    if type(model) is not LeNet:  # a subclass would come back without what it changed
        raise TypeError(f"model must be a minmax_jax.lenet.LeNet, got an instance of {type(model).__name__}")
    file = as_path("path", path)
    if file.is_dir():
        raise IsADirectoryError(f"path must be the name of a file, got the folder {file}")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"path must be in a folder that exists, got {file}: no folder {file.parent}")
    options = {
        "image_shape": tuple(int(size) for size in model.image_shape),
        "classes": int(model.dense3.out_features),
        "variant": model.variant,
        "initialiser": model.initialiser,
    }
    arrays = {name: to_array(leaf) for name, leaf in parameters(model).items()}
    if wrong := _mismatch(arrays, options):
        raise ValueError(f"model cannot be saved: {wrong}")
    archive.write(file, arrays, json.dumps(header(FORMAT, VERSION) | options))
    return file


def open(path: str | os.PathLike[str]) -> LeNet:
    """The LeNet that ``save`` wrote to a file, in evaluation mode.

    Raises FileNotFoundError if there is no file, and ValueError for one that is cut off, damaged, of another
    kind, of a newer format, or whose parameters are not those of the LeNet it describes.
    """
    file = as_path("path", path)
    arrays, text = archive.read(file)
    options = _options(file, text)
    if wrong := _mismatch(arrays, options):
        raise ValueError(f"{file} holds no whole LeNet: {wrong}")
    return with_parameters(_abstract(options), arrays)


def parameters(model: nnx.Module) -> dict[str, Any]:
    """Every parameter by its path in the model: "conv1.kernel"."""
    return named_leaves(nnx.state(model))


def with_parameters(model: LeNet, arrays: Mapping[str, AnyArray]) -> LeNet:
    """A copy of a LeNet, or of the shapes of one, with other parameters, in evaluation mode.

    Identity: ``with_parameters(model, parameters(model))`` has the parameters of the model.
    """
    definition, state = nnx.split(model)
    found = nnx.merge(definition, from_arrays(arrays, state))
    found.eval()
    return found


def _options(file: Path, text: str) -> dict[str, Any]:
    """The arguments of ``LeNet``, from the file's own description."""
    try:
        about = json.loads(text or "{}")
    except ValueError:
        about = None
    check_header(file, about, FORMAT, VERSION, "open reads files that save wrote")
    shape, classes, variant = (about.get(name) for name in ("image_shape", "classes", "variant"))
    initialiser = about.get("initialiser", LeNet.initialiser)  # files from before there was a choice lack it
    counts = [*shape, classes] if isinstance(shape, list) else [None]
    known = variant in get_args(Variant) and initialiser in get_args(Initialiser)
    if not (known and all(type(count) is int for count in counts)):
        raise ValueError(
            f"{file} describes no LeNet: image_shape {shape!r}, classes {classes!r}, variant {variant!r}, "
            f"initialiser {initialiser!r}"
        )
    options = {
        "image_shape": tuple(shape),
        "classes": classes,
        "variant": variant,
        "initialiser": initialiser,
    }
    try:
        _abstract(options)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} describes no LeNet: {error}") from error
    return options


def _abstract(options: dict[str, Any]) -> LeNet:
    """The LeNet of such options with shapes in place of numbers."""
    return nnx.eval_shape(lambda: LeNet(**options, rngs=nnx.Rngs(0)))


def _mismatch(arrays: dict[str, np.ndarray], options: dict[str, Any]) -> str | None:
    """In words, the first reason why ``arrays`` are not the parameters of such a LeNet; None if they are."""
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
