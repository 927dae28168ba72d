"""What bounds and verified accuracy refuse, and how they say so."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from certify.nets import net, photos
from helpers.filled import filled
from helpers.linear import Curved
from helpers.refusal import refuses
from minmax_jax.certify import interval_bounds, margin_bounds, verified
from minmax_jax.certify.network import layers_of
from minmax_jax.models.pixels import OnPixels, Standardised

IMAGES, LABELS = photos()
SPLIT = mm.Split(np.asarray(IMAGES), np.asarray(LABELS))
LENET = "model must be a minmax_jax.lenet.LeNet, got a"
SHAPE = "images must have shape (n, 14, 13, 2), got (3, 13, 13, 2)"
METHODS = "methods must be a sequence of different names out of ['ibp', 'crown-ibp', 'crown'], got"


class Doubled(mm.LeNet):
    """Its bounds would be those of another network."""

    def __init__(self, rngs):
        super().__init__((14, 13, 2), 4, rngs=rngs)

    def __call__(self, images):
        return super().__call__(2 * images)


def margins(model=None, images=IMAGES, labels=LABELS, eps=0.1, **options):
    margin_bounds(model or net(), images, labels, eps, **options)


def intervals(model=None, low=IMAGES, high=IMAGES):
    interval_bounds(model or net(), low, high)


def accuracy(model=None, data=SPLIT, eps=(0.1,), **options):
    verified(model or net(), data, eps, progress=False, **options)


@pytest.mark.parametrize(
    ("call", "options", "words"),
    [
        (margins, {"method": "magic"}, ["method must be one of", "crown-ibp", "got 'magic'"]),
        (margins, {"relaxation": "loose"}, ["relaxation must be one of ('joint', 'separate'), got 'loose'"]),
        (margins, {"eps": -0.1}, ["eps must be", "[0, 1]", "got -0.1"]),
        (margins, {"eps": np.nan}, ["eps must be", "[0, 1]", "got nan"]),
        (margins, {"images": IMAGES - 0.5}, ["images", "[0, 1]"]),
        (margins, {"labels": LABELS + 3}, ["labels", "3"]),
        (margins, {"images": IMAGES[:, 1:]}, [SHAPE]),
        (intervals, {"high": IMAGES[:2]}, ["low and high must have shape (n, 14, 13, 2), got high of"]),
        (intervals, {"low": IMAGES[..., :1], "high": IMAGES[..., :1]}, ["got low of (3, 14, 13, 1)"]),
        (intervals, {"low": IMAGES + 0.1}, ["low must be at most high in every pixel"]),
        (intervals, {"low": IMAGES.at[0, 0].set(jnp.nan)}, ["NaN"]),
        (accuracy, {"eps": [0.1, 1.5]}, ["eps must be", "[0, 1]", "got 1.5"]),
        (accuracy, {"eps": []}, ["eps must be one radius or more", "got []"]),
        (accuracy, {"methods": ["magic"]}, [f"{METHODS} ['magic']"]),
        (accuracy, {"methods": ["ibp", "ibp"]}, [METHODS]),
        (accuracy, {"methods": []}, [METHODS]),
        (accuracy, {"methods": "ibp"}, [f"{METHODS} 'ibp'"]),
        (accuracy, {"batch_size": 0}, ["batch_size must be at least 1, got 0"]),
        (accuracy, {"data": mm.Split(SPLIT.images[:, 1:], SPLIT.labels)}, [SHAPE]),
        (accuracy, {"data": mm.Split(SPLIT.images, SPLIT.labels + 3)}, ["labels", "3"]),
        (layers_of, {"model": net(), "relaxation": "tight"}, ["relaxation must be one of", "got 'tight'"]),
    ],
)
def test_arguments_out_of_range_are_refused(call, options, words):
    with refuses(*words):
        call(**options)


@pytest.mark.parametrize(
    ("call", "options", "words"),
    [
        (margins, {"model": filled(Curved)}, f"{LENET} Curved"),
        (intervals, {"model": lambda x: x}, f"{LENET} function"),
        (accuracy, {"model": lambda x: x}, f"{LENET} function"),
        (margins, {"model": OnPixels(net(), Standardised())}, f"{LENET} OnPixels"),
        (accuracy, {"model": filled(Doubled)}, "Doubled has a call of its own"),
        (accuracy, {"data": mm.Dataset("two", SPLIT, SPLIT)}, "data must be a minmax_jax.data"),
        (layers_of, {"model": nnx.Linear(3, 2, rngs=nnx.Rngs(0))}, f"{LENET} Linear"),
    ],
)
def test_arguments_of_another_kind_are_refused(call, options, words):
    with refuses(words, error=TypeError):
        call(**options)
