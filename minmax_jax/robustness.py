"""Robustness: accuracy under attack, by attack and radius."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.attacks import fgsm, pgd
from minmax_jax.data import Split
from minmax_jax.evaluation import Model, map_batches, merge_model, split_model

if TYPE_CHECKING:
    import xarray as xr

Attack = Callable[..., Float[Array, "n h w c"]]


def _fgsm(model: Model, images: Array, labels: Array, eps: Array, key: Array) -> Array:
    return fgsm(model, images, labels, eps)


def _pgd(model: Model, images: Array, labels: Array, eps: Array, key: Array) -> Array:
    return pgd(model, images, labels, eps, steps=40, restarts=2, key=key)


ATTACKS: Mapping[str, Attack] = {"fgsm": _fgsm, "pgd": _pgd}


@partial(jax.jit, static_argnames=("definition", "attack", "batch_size"))
def withstands(
    definition: Any,
    weights: Any,
    attack: Attack,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    eps: Float[Array, ""],
    key: Array,
    batch_size: int,
) -> Bool[Array, " n"]:
    """Whether each image is classified correctly both as it is and after the attack."""
    model = merge_model(definition, weights)
    keys = jax.random.split(key, len(images))

    def survive(x: Array, y: Array, batch_keys: Array) -> Array:
        attacked = attack(model, x, y, eps, batch_keys[0])
        return (model(x).argmax(-1) == y) & (model(attacked).argmax(-1) == y)

    return map_batches(survive, batch_size, images, labels, keys)


def robustness(
    model: Model,
    data: Split,
    eps: Sequence[float] = (0.0, 0.05, 0.1, 0.2, 0.3),
    *,
    attacks: Sequence[str] | Mapping[str, Attack] = tuple(ATTACKS),
    batch_size: int = 250,
    seed: int = 0,
    progress: bool = True,
) -> "xr.DataArray":
    """Robust accuracy of a model by attack and L-inf radius, labelled (attack, eps), in [0, 1].

    ``model`` is any jittable callable from images to logits, a Flax module among them (in evaluation mode).
    ``attacks`` names some of "fgsm" and "pgd" (40 steps, 2 restarts), or maps names to functions
    ``attack(model, images, labels, eps, key)`` of your own. An image counts if it is classified correctly
    both as it is and after the attack; all images of ``data`` count. The last attack, "worst", counts an
    image only if it withstands all of them: the figure to quote.

    Raises ValueError for an unknown attack or eps outside [0, 1].
    Identity: at eps = 0 every attack's accuracy is the clean accuracy.
    """
    import xarray as xr  # heavy to import, so only where it is used
    from tqdm.auto import tqdm

    radii = [float(radius) for radius in np.atleast_1d(eps)]
    if not radii or not all(0 <= radius <= 1 for radius in radii):
        raise ValueError(f"eps is {eps}; it takes radii in [0, 1], in pixel units of [0, 1]")
    chosen = attacks if isinstance(attacks, Mapping) else {name: ATTACKS.get(name) for name in attacks}
    unknown = [name for name, attack in chosen.items() if attack is None or name == "worst"]
    if unknown or not chosen or isinstance(attacks, str):
        raise ValueError(
            f"attacks is {attacks!r}; it takes names out of {list(ATTACKS)}, or a mapping from names "
            "(other than 'worst') to functions"
        )
    definition, weights = split_model(model)
    images, labels = jnp.asarray(data.images), jnp.asarray(data.labels)
    hits = np.zeros((len(chosen) + 1, len(radii), len(data)), bool)
    with tqdm(total=len(chosen) * len(radii), unit="attack", disable=not progress) as bar:
        for i, (name, attack) in enumerate(chosen.items()):
            for j, radius in enumerate(radii):
                bar.set_description(f"{name} at eps {radius:g}")
                key = jax.random.fold_in(jax.random.key(seed), i)
                hits[i, j] = withstands(
                    definition, weights, attack, images, labels, jnp.float32(radius), key, batch_size
                )
                bar.update()
    hits[-1] = hits[:-1].all(axis=0)
    return xr.DataArray(
        hits.mean(-1),
        {"attack": [*chosen, "worst"], "eps": radii},
        ("attack", "eps"),
        name="accuracy",
        attrs={"long_name": "accuracy under attack", "images": len(data), "seed": seed},
    )
