"""Checks of what ``fit`` and ``sweep`` are called with."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.tree_util import keystr, tree_leaves_with_path

from minmax_jax.checks import SEEDS, as_names, check_count, check_module, check_type
from minmax_jax.data import Dataset
from minmax_jax.kernels import RANKS, kernels
from minmax_jax.models.logits import logits_of
from minmax_jax.objective import Objective
from minmax_jax.training.fingerprint import first_updates

# What a seed may be: a number that every file format holds.
LIMITS = {"seed": SEEDS}


def check_arguments(model: nnx.Module, data: Dataset, counts: dict[str, Any]) -> dict[str, int]:
    """The counts as ints; a clear error for what ``fit`` cannot train, whatever the objective."""
    check_module("model", model)
    check_type("data", data, Dataset)
    numbers = {name: check_count(name, count, **LIMITS.get(name, {})) for name, count in counts.items()}
    images = len(data.train)
    if numbers["batch_size"] > images:
        raise ValueError(
            f"batch_size must be at most the {images} training images, got {numbers['batch_size']}"
        )
    check_logits(model, data)
    for path, leaf in tree_leaves_with_path(nnx.to_pure_dict(nnx.state(model, nnx.Param))):
        if not np.isfinite(np.asarray(leaf)).all():  # jax would compile this for each shape
            name = keystr(path, simple=True, separator=".")
            raise ValueError(f"model must have finite weights, got NaN or infinite ones in {name}")
    return numbers


def check_logits(model: nnx.Module, data: Dataset) -> None:
    """Raise an error unless the model gives a logit for each class, in training and in evaluation mode."""
    images = jnp.asarray(data.train.images[:1])
    for mode in ("train", "eval"):
        copy = nnx.clone(model)
        getattr(copy, mode)()
        logits = nnx.eval_shape(logits_of, copy, images)
        if logits.shape[1] != data.classes:
            raise ValueError(
                f"model must give one logit for each of the {data.classes} classes of data, "
                f"got logits of shape {logits.shape} for one image"
            )


def check_optimiser(model: nnx.Module, optimiser: Any) -> None:
    """Raise TypeError unless this is one of optax, whose update needs no more than ``updated`` gives."""
    cure = "give one such as optax.adam(1e-3)"
    if hasattr(optimiser, "tx"):  # of nnx, which holds weights as well
        cure = "give its .tx"
    elif hasattr(optimiser, "gradient_transformation"):  # optax.MultiSteps
        cure = "give its .gradient_transformation()"
    check_type("optimiser", optimiser, optax.GradientTransformation, cure)
    params = nnx.state(model, nnx.Param)
    try:
        jax.eval_shape(lambda: first_updates(optimiser, optimiser.init(params), params))
    except Exception as error:
        raise TypeError(
            "optimiser must update by gradients, weights, and value, grad and value_fn of the loss alone; "
            f"its update raised {type(error).__name__}: {str(error).partition(chr(10))[0][:300]}"
        ) from error


def check_objective(model: nnx.Module, data: Dataset, objective: Objective) -> None:
    """Raise the error that the objective would meet in training: an unfit interval, layer or defence."""
    check_type("objective", objective, Objective)
    objective.check(model)
    _check_defence(model, data, objective)
    _check_terms(model, data, objective)


def _check_defence(model: nnx.Module, data: Dataset, objective: Objective) -> None:
    """Raise the error that the defence would meet in training, or TypeError unless it gives three numbers.

    Only shapes are computed.
    """
    if objective.defence is None:
        return
    definition, state, images, labels = _in_training(model, data)

    def measure(objective: Any, state: nnx.State, progress: Any, key: Any) -> Any:
        return tuple(objective.defence(nnx.merge(definition, state), images, labels, progress, key))

    got = jax.eval_shape(measure, objective, state, jnp.float32(0), jax.random.key(0))
    shapes = [getattr(number, "shape", type(number).__name__) for number in got]
    if shapes != [()] * 3:
        raise TypeError(
            "defence must give three numbers (loss, cross-entropy and accuracy), "
            f"got {shapes} from {objective.defence!r}"
        )


def _check_terms(model: nnx.Module, data: Dataset, objective: Objective) -> None:
    """Raise the error that a term would meet in training, or TypeError unless it gives a number.

    Only shapes are computed.
    """
    definition, state, images, _ = _in_training(model, data)
    for term in objective.terms:

        def measure(term: Any, state: nnx.State, progress: Any) -> Any:
            return term(nnx.merge(definition, state), images, progress)

        got = jax.eval_shape(measure, term, state, jnp.float32(0))
        if getattr(got, "shape", None) != ():
            shape = getattr(got, "shape", type(got).__name__)
            raise TypeError(f"terms must give a number, got {shape} from {term!r}")


def _in_training(model: nnx.Module, data: Dataset) -> tuple[nnx.GraphDef, nnx.State, jax.Array, jax.Array]:
    """The model in training mode, and two images with their labels."""
    training = nnx.clone(model)
    training.train()
    images, labels = (jnp.asarray(array[:2]) for array in (data.train.images, data.train.labels))
    return *nnx.split(training), images, labels


def check_layers(model: nnx.Module, record: Sequence[str]) -> Sequence[str]:
    """``record`` if its names are layers of the model, each once, dense ones too; else a ValueError."""
    known = kernels(model, rank=RANKS)
    names = as_names(record)
    if not names or len(set(names)) < len(names) or set(names) - set(known):
        raise ValueError(f"record must be names out of {list(known)}, each once, or None, got {record!r}")
    return names
