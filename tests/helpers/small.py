"""Small data and models that several tests train on."""

from functools import cache

import numpy as np
from flax import nnx

import minmax_jax as mm


@cache
def digits() -> mm.Dataset:
    """The first digits of MNIST: 640 to train on, 203 to test on, no multiple of any batch size used."""
    data = mm.load("mnist")
    return mm.Dataset("digits", data.train[:650], data.test[:203], data.class_names)


def lenet(seed: int = 0) -> mm.LeNet:
    return mm.LeNet(rngs=nnx.Rngs(seed))


def train(model: nnx.Module | None = None, objective: mm.Objective | None = None, **options) -> mm.Run:
    """``fit`` on the digits. A step a scan and 11 snapshots, so that nearly all tests share a compilation."""
    chosen = {"data": digits(), "epochs": 2, "snapshots": 11, "segments": 5, "progress": False} | options
    return mm.fit(model or lenet(), objective=objective or mm.Objective(), **chosen)


@cache
def run() -> mm.Run:
    """Two epochs of five steps, every step recorded."""
    return train()


class Norm(nnx.Module):
    """A model with state that is no parameter: batch statistics, and dropout's random numbers."""

    def __init__(self, rngs: nnx.Rngs):
        self.conv = nnx.Conv(1, 4, (5, 5), strides=4, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.dense = nnx.Linear(196, 10, rngs=rngs)

    def __call__(self, images):
        hidden = nnx.relu(self.norm(self.conv(images)))
        return self.dense(self.dropout(hidden.reshape(len(hidden), -1)))


def same_weights(one: nnx.Module, other: nnx.Module) -> bool:
    """Whether two models hold the same parameters, bit for bit."""
    pairs = zip(
        nnx.to_flat_state(nnx.state(one, nnx.Param)),
        nnx.to_flat_state(nnx.state(other, nnx.Param)),
        strict=True,
    )
    return all(
        a[0] == b[0] and np.array_equal(np.asarray(a[1][...]), np.asarray(b[1][...])) for a, b in pairs
    )
