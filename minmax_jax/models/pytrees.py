"""Frozen dataclasses as pytrees: which of their fields jit traces."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import jax
from jax.tree_util import all_leaves


def register_pytree(cls: type, traced: Sequence[str]) -> None:
    """Make a frozen dataclass a pytree: the ``traced`` fields are its children, all others are static.

    A function in a traced field is static as well: what is compiled depends on it. Objects are rebuilt
    without ``__post_init__``, as jax fills them with tracers, batched arrays and placeholders.
    """
    static = [one.name for one in fields(cls) if one.name not in traced]

    def flatten(instance: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        values = [getattr(instance, name) for name in traced]
        functions = [value if callable(value) and all_leaves([value]) else None for value in values]
        children = [value if found is None else None for value, found in zip(values, functions, strict=True)]
        return tuple(children), (*functions, *(getattr(instance, name) for name in static))

    def unflatten(fixed: tuple[Any, ...], children: Any) -> Any:
        instance: Any = object.__new__(cls)
        functions, rest = fixed[: len(traced)], fixed[len(traced) :]
        values = [child if found is None else found for child, found in zip(children, functions, strict=True)]
        for name, value in zip((*traced, *static), (*values, *rest), strict=True):
            object.__setattr__(instance, name, value)
        return instance

    jax.tree_util.register_pytree_node(cls, flatten, unflatten)
