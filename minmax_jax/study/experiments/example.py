"""What is kept of a trained network to look at: its first filters, and one image attacked at each radius."""

import numpy as np

from minmax_jax.attacks.pgd import pgd
from minmax_jax.data import Split
from minmax_jax.lenet import LeNet
from minmax_jax.robustness import attack_one
from minmax_jax.study.engine.experiment import Arrays
from minmax_jax.study.experiments.factorial import Variable

LEVELS = 255  # of a pixel's range: what a perturbation is counted in
BY_SEED = ("seed",)  # the same for all arms
VARIABLES = {
    "filters": Variable(("row", "column", "filter"), "weights of the first convolution"),
    "perturbation": Variable(
        ("eps", "height", "width"),
        "what PGD of 40 steps did to the seed's image, in 1/255 of a pixel's range",
    ),
    "answer": Variable(("eps",), "class that the network gives the image under that attack"),
    "image": Variable(
        ("height", "width"), "the first attacked image of the seed, in 1/255 of a pixel's range", BY_SEED
    ),
    "label": Variable((), "its class", BY_SEED),
}


def example(model: LeNet, attacked: Split, radii: tuple[float, ...], seed: int) -> Arrays:
    """The arrays of ``VARIABLES``; the image is the first attacked one.

    Pixels are rounded to 1/255, so that ``image + perturbation`` is within 1/255 of the adversarial image.
    """
    image, label = attacked.images[0], int(attacked.labels[0])
    found = [attack_one(model, image, label, eps, pgd, seed) for eps in radii]
    perturbation = np.stack([moved - image for moved, _ in found])[..., 0]
    return {
        "filters": np.asarray(model.conv1.kernel[...], np.float32)[:, :, 0],
        "perturbation": np.rint(LEVELS * perturbation).astype(np.int8),
        "answer": np.array([logits[1].argmax() for _, logits in found], np.int8),
        "image": np.rint(LEVELS * image[..., 0]).astype(np.int16),
        "label": np.array(label, np.int8),
    }
