"""Arguments that are one of several names, or of a type."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import jax
import numpy as np
from flax import linen, nnx

Name = TypeVar("Name", bound=str)
AnyArray = jax.Array | np.ndarray  # what functions accept: JAX's arrays, and NumPy's


def one_of(argument: str, got: Any, takes: tuple[Name, ...]) -> Name:
    """``got`` if it is one of ``takes``, else a ValueError."""
    if not isinstance(got, str) or got not in takes:
        raise ValueError(f"{argument} must be one of {takes}, got {got!r}")
    return got


def as_names(got: Any) -> tuple[str, ...]:
    """Names in their order; none where ``got`` is no collection of texts."""
    names = items(got)
    return names if all(isinstance(name, str) for name in names) else ()


def items(got: Any) -> tuple[Any, ...]:
    """What a collection holds, in its order; nothing of a text, a mapping, or what is no collection."""
    is_row = not isinstance(got, AnyArray) or got.ndim == 1
    several = isinstance(got, Collection) and not isinstance(got, type | str | bytes | Mapping)
    return tuple(got) if is_row and several else ()


def check_flag(argument: str, got: Any) -> bool:
    """``got`` as Python's bool. Raises TypeError for what is none: 0 and 1 may be meant as numbers."""
    if not isinstance(got, bool | np.bool_):
        raise TypeError(f"{argument} must be True or False, got {got!r}")
    return bool(got)


def is_known(x: Any) -> bool:
    """True where values can be checked now; false inside a JAX transformation."""
    return not isinstance(x, jax.core.Tracer)


def check_type(argument: str, got: Any, takes: type, cure: str = "") -> None:
    """Raise TypeError unless ``got`` is an instance of ``takes``; ``cure`` says what to give instead."""
    if not isinstance(got, takes):
        named = takes.__name__ if takes.__module__ == "builtins" else f"{takes.__module__}.{takes.__name__}"
        cure = f"; {cure}" if cure else ""
        raise TypeError(f"{argument} must be {_with_article(named)}, got {kind(got)}{cure}")


def kind(got: Any) -> str:
    """What ``got`` is, for the end of an error message: an int, the class LeNet."""
    return f"the class {got.__name__}" if isinstance(got, type) else _with_article(type(got).__name__)


def check_module(argument: str, got: Any) -> None:
    """Raise TypeError unless ``got`` is a module of Flax NNX."""
    cure = ""
    if is_linen(got):
        cure = "give nnx.bridge.ToNNX(module, rngs=nnx.Rngs(0)).lazy_init(images[:1])"
    elif isinstance(got, type):
        cure = f"make one, such as {got.__name__}(rngs=nnx.Rngs(0))"
    check_type(argument, got, nnx.Module, cure)


def is_linen(got: Any) -> bool:
    """Whether ``got`` is a module of Flax Linen, which holds no weights, or a class of them."""
    return isinstance(got, linen.Module) or (isinstance(got, type) and issubclass(got, linen.Module))


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
