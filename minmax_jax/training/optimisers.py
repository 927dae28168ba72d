"""Optimisers of the study and the playground, projection as a last link, and layers left as they are."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from minmax_jax.checks import as_names, check_positive, check_type
from minmax_jax.intervals import initial_bound
from minmax_jax.models.parameters import are_inside, are_kernels, as_ranks

ADAM = optax.adam(1e-3)  # one object, so that all runs with the default share one compilation

Optimiser = Literal["adam", "sgd", "adamw"]
OPTIMISERS: Mapping[Optimiser, optax.GradientTransformation] = {
    "adam": ADAM,
    "sgd": optax.sgd(0.02, momentum=0.9),
    "adamw": optax.adamw(1e-3, weight_decay=0.1),
}


def keep_in_interval(
    bound: float | None = None, rank: int | Sequence[int] = 4
) -> optax.GradientTransformation:
    """Clips every convolution weight to [-c, c] after each step: ``W <- clip(W + update, -c, c)``.

    It goes last: ``optax.chain(optax.adam(1e-3), mm.keep_in_interval())`` trains by projected steps, so that
    weights cannot leave the interval of the reading "fixed". c is ``bound``, by default the support of Flax's
    initialiser for the kernel's shape (``initial_bound``); give the objective's ``bound`` if it has one.
    ``rank`` is that of the kernels, as in ``mm.kernels`` of an ``nnx.State``: found by the name ``kernel``.
    Raises ValueError for a bound <= 0 or infinite, and where the optimiser is called without parameters.
    Source: this study. Identity: ``optax.projections.projection_box`` of the new weights, up to rounding.
    """
    if bound is not None:
        bound = check_positive("bound", bound)
    ranks = as_ranks(rank)

    def kept(update: Array, weights: Array, is_kernel: bool) -> Array:
        if not is_kernel:
            return update
        c = initial_bound(weights.shape) if bound is None else bound
        return jnp.clip(weights + update, -c, c) - weights

    def update(updates: Any, state: optax.EmptyState, params: Any = None) -> tuple[Any, optax.EmptyState]:
        if params is None:
            raise ValueError("params must be the weights, as optax.chain passes them on, got None")
        chosen = jax.tree.unflatten(jax.tree.structure(params), are_kernels(params, ranks))
        return jax.tree.map(kept, updates, params, chosen), state

    return optax.GradientTransformation(lambda _: optax.EmptyState(), update)


def frozen(
    optimiser: optax.GradientTransformation, layers: Sequence[str]
) -> optax.GradientTransformationExtraArgs:
    """``optimiser`` for all parameters but those of ``layers``, which stay as they are, bit for bit.

    ``mm.fit(model, data, optimiser=mm.frozen(optax.adam(1e-3), ["conv1"]))`` trains the rest. A name is that
    of a layer, kernel and bias, or of one parameter, such as "conv1.bias". Their gradient is 0 for the
    optimiser, so that they count in no norm, and what it would add to them, such as weight decay, is left
    out. The objective's penalty still counts them.
    Raises TypeError for another optimiser, and ValueError without names, and in ``init`` for a name that the
    parameters do not have. Source: as in transfer learning. Identity: ``optimiser`` of a model in which these
    parameters are constants.
    """
    check_type("optimiser", optimiser, optax.GradientTransformation, "give one such as optax.adam(1e-3)")
    names = as_names(layers)
    if not names:
        raise ValueError(f"layers must be names such as ['conv1'], got {layers!r}")
    inner = optax.with_extra_args_support(optimiser)

    def held(tree: Any, number: float) -> Any:
        """The tree with ``number`` for every parameter of the layers."""
        chosen = jax.tree.unflatten(jax.tree.structure(tree), are_inside(tree, names))
        return jax.tree.map(lambda leaf, one: jnp.full_like(leaf, number) if one else leaf, tree, chosen)

    def init(params: Any) -> Any:
        are_inside(params, names)  # a name that is not there is an error before the first step
        return inner.init(params)

    def update(grads: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        updates, state = inner.update(held(grads, 0.0), state, params, **extra)
        return held(updates, -0.0), state  # w + -0.0 is w, for w = -0.0 too

    return optax.GradientTransformationExtraArgs(init, update)
