"""Robustness: accuracy under attack, by attack and radius."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.attacks.fgsm import fgsm
from minmax_jax.attacks.pgd import pgd
from minmax_jax.checks import check_type
from minmax_jax.data import Split
from minmax_jax.evaluation import Model, map_batches, merge_model, split_model

if TYPE_CHECKING:
    import xarray as xr

Attack = Callable[..., Float[Array, "n h w c"]]


ATTACKS: Mapping[str, Attack] = {"fgsm": fgsm, "pgd": partial(pgd, steps=40, restarts=2)}


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
        attacked = attack(model, x, y, eps, key=batch_keys[0])
        return (model(x).argmax(-1) == y) & (model(attacked).argmax(-1) == y)

    return map_batches(survive, batch_size, images, labels, keys)


@partial(jax.jit, static_argnames=("definition", "batch_size"))
def finite(
    definition: Any, weights: Any, images: Float[Array, "n h w c"], batch_size: int
) -> Bool[Array, " n"]:
    """Whether all logits of each image are finite."""
    model = merge_model(definition, weights)
    return map_batches(lambda x: jnp.isfinite(model(x)).all(-1), batch_size, images)


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
    ``attack(model, images, labels, eps, key=key)``, such as ``partial(mm.attacks.pgd, steps=100)``.
    An image counts if it is classified correctly both as it is and after the attack; all images of ``data``
    count. The last attack, "worst", counts an image only if it withstands all of them: the figure to quote.

    Random attacks draw anew for each batch, so their result depends a little on ``batch_size``.
    Raises ValueError for an unknown attack, eps outside [0, 1], or a model whose logits are not finite.
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
    check_type("data", data, Split)
    definition, weights = split_model(model)
    images, labels = jnp.asarray(data.images), jnp.asarray(data.labels)
    if not finite(definition, weights, images, batch_size).all():
        raise ValueError("model gives logits that are NaN or infinite; it takes finite ones on all images")
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
