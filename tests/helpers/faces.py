"""A linear model of several classes, and how far its faces are, solved in float64 by other means."""

import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq, linprog

from helpers.linear import SHAPE

CLASSES = 5


def linear_classes(seed=0, classes=CLASSES):
    """The model ``z = <w_k, x - 1/2>``, and its kernels w of shape (classes, h, w, c)."""
    kernels = np.random.default_rng(seed).normal(size=(classes, *SHAPE)).astype(np.float32)
    matrix = jnp.asarray(kernels.reshape(classes, -1).T)

    def model(images):
        return (images - 0.5).reshape(len(images), -1) @ matrix

    return model, kernels


def least_change(x, w, rise, norm):
    """Size of the smallest d with ``<w, d> = rise`` and x + d in [0, 1]; infinite where there is none."""
    x, w = np.float64(x).ravel(), np.float64(w).ravel()
    room = np.where(w * np.sign(rise) > 0, 1 - x, x)
    if (np.abs(w) * room).sum() < abs(rise):
        return np.inf
    if norm == "l2":

        def amount(m):
            return np.minimum(m * np.abs(w), room)

        most = (room / np.maximum(np.abs(w), 1e-12)).max() + 1
        m = brentq(lambda m: (np.abs(w) * amount(m)).sum() - abs(rise), 0, most, xtol=1e-14)
        return np.linalg.norm(amount(m))
    return _program(x, w, rise, norm)


def _program(x, w, rise, norm):
    """The same by linear programming."""
    n = len(x)
    if norm == "l1":  # over what is added and what is taken away
        cost, equal, bounds = np.ones(2 * n), np.concatenate([w, -w]), [(0, r) for r in (*(1 - x), *x)]
        sides = None
    else:  # over d and the bound t on all of abs(d)
        cost, equal, bounds = np.eye(n + 1)[-1], np.append(w, 0), [*zip(-x, 1 - x, strict=True), (0, None)]
        sides = np.block([[np.eye(n), -np.ones((n, 1))], [-np.eye(n), -np.ones((n, 1))]])
    solution = linprog(cost, sides, None if sides is None else np.zeros(2 * n), equal[None], [rise], bounds)
    assert solution.success, solution.message
    return solution.fun


def nearest(images, labels, kernels, norm):
    """Size of the smallest change of each image, inside [0, 1], to any other class of the linear model."""
    out = []
    for x, label in zip(np.float64(images), np.asarray(labels), strict=True):
        normals = np.float64(kernels) - np.float64(kernels[label])
        rises = -(normals * (x - 0.5)[None]).sum((1, 2, 3))
        others = [k for k in range(len(kernels)) if k != label]
        out.append(min(least_change(x, normals[k], rises[k], norm) for k in others))
    return np.array(out)
