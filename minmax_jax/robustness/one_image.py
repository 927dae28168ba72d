"""One image under attack, fast enough to follow a slider."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.registry import Attack, call, select
from minmax_jax.checks import SEEDS, AnyArray, check_count, check_number
from minmax_jax.evaluation import Model, merge_model, split_model
from minmax_jax.models.functions import hashable
from minmax_jax.models.logits import logits_of


def attack_one(
    model: Model,
    image: Float[AnyArray, "h w c"],
    label: int | None,
    eps: float,
    attack: str | Attack = "pgd",
    seed: int = 0,
) -> tuple[Float[np.ndarray, "h w c"], Float[np.ndarray, "2 classes"]]:
    """The adversarial image of one image in L-inf, and the logits of both: ``(moved, logits)``.

    Compiled once for a model's definition and attack.

    Args:
        model: a callable from images to logits.
        image: pixels in [0, 1].
        label: the image's class; None for the model's own prediction.
        eps: radius of the ball, in [0, 1].
        attack: a name from ``mm.attacks.NAMED``, with its usual settings, or a function like those of
            ``mm.attacks``.
        seed: of the attack's random numbers.

    Raises:
        ValueError: for an unknown attack, a label that names no class, an image or an eps out of [0, 1].

    Identity: ``mm.attacks.NAMED[attack].function`` on a batch of one.
    """
    (chosen,) = select([attack] if isinstance(attack, str) else {"own": attack}, "linf").values()
    seed = check_count("seed", seed, **SEEDS)
    definition, state = split_model(model)
    batch = jnp.asarray(image, jnp.float32)[None]
    before = _logits(definition, state, batch)
    if label is None:
        label = int(before.argmax())
    label = check_count("label", label, 0, before.shape[-1] - 1)
    eps = check_number("eps", eps, "in [0, 1]", lambda radius: 0 <= radius <= 1)
    if not bool(((batch >= 0) & (batch <= 1)).all()):
        raise ValueError(
            f"image must be in [0, 1] (divide by 255), got values from {batch.min()} to {batch.max()}"
        )
    labels, key = jnp.array([label]), jax.random.key(seed)
    moved = _attack(definition, state, batch, labels, jnp.float32(eps), key, hashable(chosen.function))
    after = _logits(definition, state, moved)
    return np.asarray(moved[0]), np.concatenate([before, after])


@partial(jax.jit, static_argnames="definition")
def _logits(definition: Any, state: Any, image: Float[Array, "1 h w c"]) -> Float[Array, "1 classes"]:
    return logits_of(merge_model(definition, state), image)


@partial(jax.jit, static_argnames=("definition", "attack"))
def _attack(
    definition: Any,
    state: Any,
    image: Float[Array, "1 h w c"],
    label: Int[Array, " 1"],
    eps: Float[Array, ""],
    key: Array,
    attack: Attack,
) -> Float[Array, "1 h w c"]:
    return call(attack, "linf", merge_model(definition, state), image, label, eps, key=key)
