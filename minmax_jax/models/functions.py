"""Models that are functions: what may be one, and what may not."""

from collections.abc import Callable
from typing import Any

from minmax_jax.checks import is_linen, kind


def function_of(model: Any) -> Callable[..., Any]:
    """A model that is no module of Flax NNX, with a hash.

    Raises TypeError for what is no function from images to logits: a class, a module of Flax Linen or of
    PyTorch, or what cannot be called.
    """
    cure = ""
    if is_linen(model):
        cure = ", which holds no weights; give lambda x: module.apply(variables, x)"
    elif isinstance(model, type):
        cure = f"; make one, such as {model.__name__}(rngs=nnx.Rngs(0))"
    elif any(base.__module__.partition(".")[0] == "torch" for base in type(model).__mro__):
        cure = " of PyTorch; give a function of jax.numpy that computes the same"
    if cure or not callable(model):
        named = kind(model) if isinstance(model, type) else f"a {type(model).__name__}"
        raise TypeError(f"model must be a callable, from images to logits, got {named}{cure}")
    return hashable(model)


def hashable(function: Any) -> Callable[..., Any]:
    """``function``, or its bound ``__call__`` where it has no hash: functions are static under jit."""
    try:
        hash(function)
    except TypeError:  # such as a dataclass with arrays; its methods are hashed by its identity
        return function.__call__
    return function
