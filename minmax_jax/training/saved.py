"""Trained networks in files: ``save`` one, ``open`` it again.

A file holds numbers and a description, no pickle and so no code. The description of a LeNet is enough to make
one; any other module is made by its own code, and given to ``open`` as ``like``.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
from flax import nnx

from minmax_jax.checks import AnyArray, check_module, kind
from minmax_jax.lenet import Initialiser, LeNet, Variant
from minmax_jax.storage import archive
from minmax_jax.storage.header import check_header, header
from minmax_jax.storage.names import as_new_file, as_path
from minmax_jax.storage.trees import from_arrays, is_key, named_leaves, to_array, to_arrays

FORMAT = "minmax_jax.LeNet"
MODULE = "minmax_jax.Module"  # of any other module
VERSION = 1  # of either format; a program reads its own and older ones
TAKES = "open reads files that save wrote"

Net = TypeVar("Net", bound=nnx.Module)


def save(model: nnx.Module, path: str | os.PathLike[str]) -> Path:
    """Write a Flax NNX module to one file, such as "lenet.npz", and return the file's path.

    The file has exactly this name and is written whole or not at all; until then, the old one stays. Links
    are followed, and permissions stay. Of a LeNet it holds the parameters and its arguments; of another
    module all variables, such as batch statistics, by name. Identity: ``open(path)``, or for another module
    ``open(path, like=...)``, has the same variables, bit for bit. Raises TypeError for another kind of
    model, ValueError for a LeNet whose parameters were replaced by others or are not finite, OSError if the
    file cannot be written.
    """
    check_module("model", model)
    file = as_new_file("path", path)
    if type(model) is LeNet:  # a subclass would come back without what it changed
        about = {
            "image_shape": tuple(int(size) for size in model.image_shape),
            "classes": int(model.dense3.out_features),
            "variant": model.variant,
            "initialiser": model.initialiser,
        }
        arrays = {name: to_array(leaf) for name, leaf in parameters(model).items()}
        if wrong := _not_of_lenet(arrays, about):
            raise ValueError(f"model cannot be saved: {wrong}")
        archive.write(file, arrays, json.dumps(header(FORMAT, VERSION) | about))
    else:
        about = {"module": type(model).__name__, "types": _types(parameters(model))}
        archive.write(file, to_arrays(nnx.state(model)), json.dumps(header(MODULE, VERSION) | about))
    return file


def open(path: str | os.PathLike[str], like: nnx.Module | None = None) -> Any:
    """The network that ``save`` wrote to a file, in evaluation mode.

    Args:
        path: the file's name.
        like: for any module but a LeNet, one made by the same code with the same arguments, such as
            ``MyNet(rngs=nnx.Rngs(0))``; it stays as it is. What is no variable, such as the functions
            between layers, comes from it. None opens a LeNet.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: for one that is cut off, damaged, of another kind, of a newer format, or whose variables
            are not those of ``like``, or of the LeNet it describes.
        TypeError: for a ``like`` that is no module.
    """
    file = as_path("path", path)
    if like is not None:
        check_module("like", like)
    arrays, text = archive.read(file)
    try:
        about = json.loads(text or "{}")
    except ValueError:
        about = None
    if isinstance(about, dict) and about.get("format") == MODULE:
        check_header(file, about, MODULE, VERSION, TAKES)
        return _module(file, arrays, about, like)
    check_header(file, about, FORMAT, VERSION, TAKES)
    if like is not None:
        raise ValueError(
            f"like must be None for a file that holds a LeNet, got {kind(like)}; {file} says how it is made"
        )
    options = _options(file, about)
    if wrong := _not_of_lenet(arrays, options):
        raise ValueError(f"{file} holds no whole LeNet: {wrong}")
    return with_parameters(_abstract(options), arrays)


def parameters(model: nnx.Module) -> dict[str, Any]:
    """Every parameter by its path in the model: "conv1.kernel"."""
    return named_leaves(nnx.state(model))


def with_parameters(model: Net, arrays: Mapping[str, AnyArray]) -> Net:
    """A copy of a network, or of the shapes of one, with other parameters, in evaluation mode.

    Identity: ``with_parameters(model, parameters(model))`` has the parameters of the model.
    """
    definition, state = nnx.split(model)
    found = nnx.merge(definition, from_arrays(arrays, state))
    found.eval()
    return found


def _module(file: Path, arrays: dict[str, np.ndarray], about: Any, like: Any) -> nnx.Module:
    """A copy of ``like`` with the variables of a file."""
    named, types = about.get("module"), about.get("types")
    if not isinstance(types, dict):
        raise ValueError(f"{file} does not say of which types its arrays are, got {types!r}")
    if like is None:
        raise ValueError(
            f"like must be a module as it was saved, a {named}, made by its own code, got None; "
            f"give mm.open(..., like={named}(...))"
        )
    wanted = parameters(like)
    if wrong := _mismatch(arrays, types, wanted, type(like).__name__):
        raise ValueError(f"{file} holds a {named} whose variables are not those of like: {wrong}")
    return with_parameters(like, arrays)


def _options(file: Path, about: Any) -> dict[str, Any]:
    """The arguments of ``LeNet``, from the file's own description."""
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


def _not_of_lenet(arrays: dict[str, np.ndarray], options: dict[str, Any]) -> str | None:
    """In words, the first reason why ``arrays`` are not the parameters of such a LeNet; None if they are."""
    if wrong := _mismatch(arrays, _types(arrays), parameters(_abstract(options)), "LeNet"):
        return wrong
    broken = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    return f"{broken[0]} has NaN or infinite values" if broken else None


def _mismatch(
    arrays: dict[str, np.ndarray], types: dict[str, str], wanted: dict[str, Any], network: str
) -> str | None:
    """In words, the first difference between arrays of a file, of these types, and what a network holds."""
    if missing := [name for name in wanted if name not in arrays]:
        return f"it lacks {', '.join(missing)}"
    if extra := [name for name in arrays if name not in wanted]:
        return f"a {network} has no {', '.join(extra)}"
    for name, of in _types(wanted).items():
        got, shape = arrays[name].shape, _shape(wanted[name])
        if (types.get(name), got) != (of, shape):
            return f"{name} is {types.get(name)} of shape {got}, not {of} of shape {shape}"
    return None


def _types(leaves: Mapping[str, Any]) -> dict[str, str]:
    """The type of each leaf; a file widens narrow numbers, and holds random keys as what they consist of."""
    return {name: str(leaf.dtype if hasattr(leaf, "dtype") else type(leaf)) for name, leaf in leaves.items()}


def _shape(leaf: Any) -> tuple[int, ...]:
    """The shape of a leaf in a file."""
    return to_array(leaf).shape if is_key(leaf) else np.shape(leaf)
