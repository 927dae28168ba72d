"""Models and images to attack, made once, and what attacked images are judged by."""

from functools import cache

import numpy as np

from helpers.filled import filled
from helpers.linear import Curved, batch
from minmax_jax.attacks.ball import size
from minmax_jax.attacks.losses import Aim


@cache
def curved(n=16):
    """The curved model, and images that it classifies as labelled, but for the last."""
    net = filled(Curved)
    images, _ = batch(0, 1, n=n, shape=(5, 5, 1))
    labels = net(images).argmax(-1)
    return net, images, labels.at[-1].set((labels[-1] + 1) % 4)


def right(model, low=0.0, high=1.0, n=6):
    """Images for a linear model with pixels in [low, high], and the classes that it gives them."""
    images, _ = batch(low, high, n=n)
    return images, model(images).argmax(-1)


def scores(model, images, labels, targets=None, loss="ce"):
    """What attacks choose points by: infinity where the aim is reached, else the loss."""
    return np.asarray(Aim(labels, targets).score(loss, model(images)))


def within(points, images, eps, norm):
    """Whether points are in [0, 1], and in the balls of images up to rounding."""
    in_ball = size(points - images, norm) <= eps * (1 + 1e-5) + 1e-6
    return bool((points.min() >= 0) & (points.max() <= 1) & in_ball.all())


def broken(model, images, labels):
    """Which images are misclassified."""
    return np.asarray(model(images).argmax(-1) != labels)
