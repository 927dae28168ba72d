"""What is kept of a trained network to look at: its first filters, and one image attacked at each radius."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.pgd import pgd
from minmax_jax.evaluation import merge_model, split_model
from minmax_jax.lenet import LeNet
from minmax_jax.split import Split
from minmax_jax.study.experiment import Arrays

LEVELS = 255  # of a pixel's range: what a perturbation is counted in
DIMENSIONS: dict[str, tuple[str, ...]] = {
    "filters": ("row", "column", "filter"),
    "perturbation": ("eps", "height", "width"),
    "answer": ("eps",),
}
SHARED: dict[str, tuple[str, ...]] = {"image": ("height", "width"), "label": ()}  # by all arms of a seed
NOTES = {
    "filters": "weights of the first convolution",
    "perturbation": "what PGD of 40 steps did to the seed's image, in 1/255 of a pixel's range",
    "answer": "class that the network gives the image under that attack",
    "image": "the first attacked image of the seed, in 1/255 of a pixel's range",
    "label": "its class",
}


def specimen(model: LeNet, attacked: Split, radii: tuple[float, ...], seed: int) -> Arrays:
    """Everything in ``NOTES``, shaped by ``DIMENSIONS`` and ``SHARED``; the image is the first attacked one.

    Pixels are rounded to 1/255, so that ``image + perturbation`` is within 1/255 of the adversarial image.
    """
    definition, state = split_model(model)
    image, label = jnp.asarray(attacked.images[:1]), jnp.asarray(attacked.labels[:1])
    moved, answers = _attack(definition, state, image, label, jnp.array(radii), jax.random.key(seed))
    perturbation = np.asarray(moved - image)[..., 0]
    return {
        "filters": np.asarray(model.conv1.kernel[...], np.float32)[:, :, 0],
        "perturbation": np.rint(LEVELS * perturbation).astype(np.int8),
        "answer": np.asarray(answers, np.int8),
        "image": np.rint(LEVELS * np.asarray(image)[0, ..., 0]).astype(np.int16),
        "label": np.asarray(label[0], np.int8),
    }


@partial(jax.jit, static_argnames="definition")
def _attack(
    definition: Any,
    state: Any,
    image: Float[Array, "1 h w c"],
    label: Int[Array, " 1"],
    radii: Float[Array, " eps"],
    key: Array,
) -> tuple[Float[Array, "eps h w c"], Int[Array, " eps"]]:
    model = merge_model(definition, state)

    def one(eps: Array) -> tuple[Array, Array]:
        moved = pgd(model, image, label, eps, key=key)
        return moved[0], model(moved)[0].argmax()

    return jax.lax.map(one, radii)
