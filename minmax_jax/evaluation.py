"""A model as a function from images to logits, and its accuracy over all images, in batches.

One policy for types of numbers. Weights are float32 unless a model is made with others, whatever
``jax_enable_x64`` says. Images are float32 when they enter a model, which may compute in any type. Its logits
come out by one door, ``logits_of``, in float32: so attacks, losses and accuracies compute in it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.errors import TraceContextError
from jax import lax
from jaxtyping import Array, Bool, Float, Float32, Int

from minmax_jax.checks import AnyArray, check_count, check_type, is_linen, kind
from minmax_jax.cpu.network import simplify
from minmax_jax.data import Split
from minmax_jax.jobs.parallel import side_by_side

BATCHES = 10  # of images handed over to a core at once
CHANGES = (
    "model changes its own state when it is called: a model must be deterministic (fix its random key, or "
    "average its noise), and a network that a function calls in evaluation mode (network.eval())"
)
COMPILED = "; a model is compiled by jax.jit, so it must compute with jax.numpy"

Model = Callable[[Float[Array, "n h w c"]], Float[Array, "n classes"]]


def split_model(model: Any) -> tuple[Any, Any]:
    """A model as (definition, weights): the definition is hashable, the weights are a pytree.

    For a Flax NNX module these are its graph definition in evaluation mode and its state; any other
    callable is its own definition, with no weights. Identity: ``merge_model(*split_model(m))(x) == m(x)``.
    Raises TypeError for anything else: a class, a module of Flax Linen or of PyTorch among them.
    """
    if isinstance(model, nnx.Module):
        quiet = nnx.clone(model)  # the caller's module keeps its own mode
        quiet.eval()
        return nnx.split(quiet)
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
    return hashable(model), ()


def hashable(function: Any) -> Callable[..., Any]:
    """``function``, or its bound ``__call__`` where it has no hash: functions are static under jit."""
    try:
        hash(function)
    except TypeError:  # such as a dataclass with arrays; its methods are hashed by its identity
        return function.__call__
    return function


def merge_model(definition: Any, weights: Any) -> Model:
    """The model that ``split_model`` took apart, with variables of its own, which a call may change.

    On CPUs, the convolutions of a module are those of ``cpu``.
    """
    if isinstance(definition, nnx.GraphDef):
        return simplify(nnx.merge(definition, weights, copy=True))
    return definition


def logits_of(model: Model, images: Float[AnyArray, "n h w c"]) -> Float32[Array, "n classes"]:
    """``model(images)`` in float32: the door by which all that a model computes comes in.

    Float64 and half precision are converted; booleans count as 0 and 1.

    Raises:
        ValueError: for a model that cannot be called on such images, that changes its own state (in a
            function, where the caller's network is called), or whose output has another shape.
        TypeError: for another output than one array of floating-point numbers.
    """
    try:
        found: Any = model(images)  # type: ignore[arg-type]
    except (TraceContextError, jax.errors.UnexpectedTracerError) as error:
        raise ValueError(CHANGES) from error
    except Exception as error:
        raise ValueError(
            f"model must take images of shape {images.shape}; called on them, it raised "
            f"{type(error).__name__}: {_first_line(error)}{_instead_of_images(images.shape, error)}"
        ) from error
    n = images.shape[0]
    wanted = f"model must return one array of logits of shape ({n}, two or more classes) for {n} images, got"
    if not isinstance(found, AnyArray):
        raise TypeError(f"{wanted} {_instead_of_logits(found)}")
    if found.ndim != 2 or found.shape[0] != n or found.shape[1] < 2:
        one = "; give lambda x: jnp.pad(model(x), ((0, 0), (1, 0))) for one logit of two classes"
        raise ValueError(f"{wanted} {found.shape}{one if found.shape == (n, 1) else ''}")
    if found.dtype != bool and not jnp.issubdtype(found.dtype, jnp.floating):
        raise TypeError(f"{wanted} {found.dtype}; give numbers that say how likely each class is")
    return jnp.asarray(found, jnp.float32)


def abstract_logits(model: Model, images: Float[AnyArray, "n h w c"]) -> jax.ShapeDtypeStruct:
    """Shape and type of ``logits_of(model, images)``, or its errors: nothing is computed.

    What a callable object keeps from one call to the next stays as it was, so that no tracer is left in it.
    """
    held = getattr(getattr(model, "__self__", model), "__dict__", {})
    before = dict(held)
    try:
        return jax.eval_shape(partial(logits_of, model), images)
    finally:
        if isinstance(held, dict):
            held.update(before)
            for name in held.keys() - before.keys():
                del held[name]


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]


def _instead_of_images(shape: tuple[int, ...], error: Exception) -> str:
    if isinstance(error, jax.errors.JAXTypeError):  # of a value that is not known, or NumPy in a function
        return COMPILED
    is_turned = len(shape) == 4 and shape[1] <= 4 < min(shape[2:])
    return "; give images.transpose(0, 2, 3, 1) if their channels come first" if is_turned else ""


def _instead_of_logits(found: Any) -> str:
    """What a model returned in place of logits, and what to give instead of the model."""
    named = kind(found)
    if hasattr(found, "logits"):
        return f"{named}; give lambda x: model(x).logits"
    if isinstance(found, Mapping):
        names = list(found)
        key = "logits" if "logits" in names or not names else names[0]
        return f"{named} of {names}; give lambda x: model(x)[{key!r}]"
    if isinstance(found, tuple | list):
        return f"{named} of {len(found)}; give lambda x: model(x)[0] if the logits come first"
    return named


def map_batches(function: Callable[..., Any], batch_size: int, *arrays: Array) -> Any:
    """``function(*arrays)`` computed in batches along the first axis, every row counted once.

    ``function`` returns arrays with the rows on the first axis. Identity: equal to one call on all rows,
    for any function that treats each row by itself.
    """
    batch_size = check_count("batch_size", batch_size)
    rows = len(arrays[0])
    full = rows // batch_size * batch_size
    parts = []
    if full:
        batches = [a[:full].reshape(-1, batch_size, *a.shape[1:]) for a in arrays]
        mapped = lax.map(lambda batch: function(*batch), tuple(batches))
        parts.append(jax.tree.map(lambda a: a.reshape(full, *a.shape[2:]), mapped))
    if full < rows:
        parts.append(function(*(a[full:] for a in arrays)))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


@partial(jax.jit, static_argnames=("definition", "batch_size"))
def correct(
    definition: Any,
    weights: Any,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    batch_size: int = 250,
) -> Bool[Array, " n"]:
    """Whether each image is classified as its label, by the largest logit.

    Args:
        definition: of ``split_model``; static.
        weights: of ``split_model``.
        images: in [0, 1].
        labels: class numbers.
        batch_size: images computed at a time.
    """

    def of_batch(x: Array, y: Array) -> Array:
        # Merged anew for every batch: what a call changes, such as the count of a random stream, stays here.
        return logits_of(merge_model(definition, weights), x).argmax(-1) == y

    return map_batches(of_batch, batch_size, images, labels)


def share(right: int | Int[np.ndarray, " models"], count: int) -> Any:
    """The share of ``count`` images that is right, for one model or many, in float32.

    Divided on the host, as devices differ in how they round a division.
    """
    return np.asarray(right, np.float32) / np.float32(count)


def accuracy(model: Model, data: Split, batch_size: int = 250) -> float:
    """Share of images classified correctly, in [0, 1], over all images of a split.

    ``model`` is any callable from images (n, h, w, c) to logits (n, classes); a Flax module is evaluated
    in evaluation mode (running statistics, no dropout). Any other callable is compiled at its first call, so
    weights changed in it later go unnoticed: it has to be a function of the images alone. A Flax module that
    draws random numbers all the same begins its streams anew with every batch. Raises the errors of
    ``split_model`` and ``logits_of``.
    """
    check_type("data", data, Split)
    size = check_count("batch_size", batch_size)
    definition, weights = split_model(model)

    def hits(part: Split) -> Array:
        return correct(definition, weights, jnp.asarray(part.images), jnp.asarray(part.labels), size)

    width = BATCHES * size
    parts = [data[start : start + width] for start in range(0, len(data), width)]
    right = sum(int(found.sum()) for found in side_by_side(hits, parts))
    return float(share(right, len(data)))
