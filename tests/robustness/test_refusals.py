"""What robustness, masking, attacks on one image and the bootstrap refuse, and how they say so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.linear import batch, linear_model
from helpers.refusal import refuses
from minmax_jax.robustness import attack_one, bootstrap_interval

LINEAR, _ = linear_model()


def labelled(images):
    return mm.Split(images, LINEAR(images).argmax(-1))


IMAGES = batch(0, 1, n=50)[0]
SPLIT = labelled(IMAGES)
SEED = "seed must be in [0, 2147483647], got -1"
ONE_RADIUS = "eps must be one radius or more, in pixel units of [0, 1], got"


class Noisy(nnx.Module):
    """Random even in evaluation mode."""

    def __init__(self, rngs):
        self.rngs = rngs

    def __call__(self, images):
        return images[:, 0, 0] + jax.random.normal(self.rngs.noise(), (len(images), 2))


class Changing:
    """A callable that draws a new random key at every call."""

    def __init__(self):
        self.key = jax.random.key(0)

    def __call__(self, images):
        self.key, key = jax.random.split(self.key)
        return LINEAR(images) + jax.random.normal(key, (len(images), 2))


def drifting(images):
    return LINEAR(images) + np.random.default_rng().normal(size=(len(images), 2)).astype(np.float32)


def not_finite_at_the_end(images):
    """NaN for the last images: padding, which repeats one of them, must not be counted."""
    return jnp.where((images[:, 0, 0, :1] == IMAGES[-1, 0, 0, 0]), jnp.nan, LINEAR(images))


def not_finite_in_the_dark(images):
    return jnp.where(images.min((1, 2, 3))[:, None] < 0.4, jnp.nan, LINEAR(images))


def moved_by(shift):
    return {"mine": lambda model, x, y, eps, key: x + shift}


def report(model=LINEAR, data=SPLIT, eps=(0.1,), **options):
    mm.robustness(model, data, eps, progress=False, **options)


def masking(model=LINEAR, data=SPLIT, eps=0.1, **options):
    mm.masking(model, data, eps, progress=False, **options)


def one_image(image=IMAGES[0], label=0, eps=0.1, attack="fgsm"):
    attack_one(LINEAR, image, label, eps, attack)


def values(*arguments, **options):
    bootstrap_interval(*arguments, **options)


DARK, GREY = (labelled(batch(*ends, n=50)[0]) for ends in ((0, 0.2), (0.5, 0.6)))
FIVE = np.zeros((2, 5), bool)
OUTSIDE = "images of attack 'mine' must be in [0, 1], got others or NaN"


@pytest.mark.parametrize(
    ("call", "options", "words"),
    [
        (report, {"eps": [0.1, 1.5]}, ["eps must be", "in [0, 1]", "got 1.5"]),
        (report, {"eps": [np.nan]}, ["eps must be", "got nan"]),
        (report, {"eps": []}, [f"{ONE_RADIUS} []"]),
        (report, {"eps": ["a"]}, [f"{ONE_RADIUS} ['a']"]),
        (report, {"eps": [np.inf], "norm": "l2"}, ["eps must be", "[0, inf)", "got inf"]),
        (report, {"attacks": ["magic"]}, ["attacks", "magic", "fgsm"]),
        (report, {"attacks": [["pgd"]]}, ["attacks", "[['pgd']]"]),
        (report, {"norm": "l0"}, ["norm must be one of ('linf', 'l2', 'l1'), got 'l0'"]),
        (report, {"norm": "l1", "attacks": ["deepfool"]}, ["'deepfool'", "'l1'"]),
        (report, {"batch_size": 0}, ["batch_size must be at least 1, got 0"]),
        (report, {"resamples": 0}, ["resamples must be at least 1, got 0"]),
        (report, {"seed": -1}, [SEED]),
        (report, {"data": mm.Split(IMAGES, np.full(50, 2))}, ["labels"]),
        (report, {"model": Noisy(nnx.Rngs(0))}, ["model must be deterministic", "fix its random key"]),
        (report, {"model": Changing()}, ["model must be deterministic"]),
        (report, {"model": drifting}, ["model must be deterministic"]),
        (
            report,
            {"model": not_finite_at_the_end, "batch_size": 40},
            ["finite logits on all images, got NaN or infinite ones on 1 of 10 images"],
        ),
        (
            report,
            {"model": not_finite_in_the_dark, "data": GREY, "eps": [0.05, 0.3], "attacks": ["fgsm"]},
            ["got NaN or infinite ones on images that attack 'fgsm' found"],
        ),
        (
            report,
            {"attacks": moved_by(0.2), "data": DARK},
            ["images of attack 'mine' must be within eps 0.1 by norm 'linf', got one at a distance of 0.2"],
        ),
        (report, {"attacks": moved_by(np.nan), "data": DARK}, [OUTSIDE]),
        (report, {"attacks": moved_by(-0.1), "data": DARK}, [OUTSIDE]),
        (masking, {"eps": 0}, ["eps must be one radius above 0, got 0"]),
        (masking, {"eps": [0.1, 0.2]}, ["eps must be one radius above 0, got [0.1, 0.2]"]),
        (masking, {"norm": "l1"}, ["norm must be one of ('linf', 'l2'), got 'l1'"]),
        (masking, {"seed": -1}, [SEED]),
        (
            masking,
            {"data": mm.Split(IMAGES, 1 - SPLIT.labels)},
            ["model must classify at least one image as labelled, got none"],
        ),
        (one_image, {"attack": "magic"}, ["attacks", "['magic']"]),
        (one_image, {"eps": 2.0}, ["eps must be in [0, 1], got 2.0"]),
        (one_image, {"label": 2}, ["label must be in [0, 1], got 2"]),
        (one_image, {"image": IMAGES[0] * 255}, ["image must be in [0, 1] (divide by 255), got values from"]),
        (one_image, {"image": IMAGES[0] - 1}, ["image must be in [0, 1]", "got values from -"]),
        (values, {"values": FIVE, "resamples": 0}, ["resamples must be at least 1, got 0"]),
        (values, {"values": FIVE, "level": 1}, ["level must be in (0, 1), got 1"]),
        (values, {"values": FIVE[:, :0]}, ["values must not be empty, got shape (2, 0)"]),
    ],
)
def test_arguments_out_of_range_are_refused(call, options, words):
    with refuses(*words):
        call(**options)


@pytest.mark.parametrize(
    ("call", "options", "words"),
    [
        (report, {"data": (IMAGES, IMAGES)}, ["data must be a minmax_jax.data", "Split, got a tuple"]),
        (report, {"model": "lenet"}, ["model must be a callable, from images to logits, got a str"]),
        (
            masking,
            {"others": LINEAR},
            ["others must be a list of models for the same images, got a function"],
        ),
        (masking, {"others": [3]}, ["model must be a callable, from images to logits, got a int"]),
        (
            mm.accuracy,
            {"model": LINEAR, "data": mm.Dataset("d", SPLIT, SPLIT)},
            ["data must be", "a Dataset"],
        ),
    ],
)
def test_arguments_of_another_kind_are_refused(call, options, words):
    with refuses(*words, error=TypeError):
        call(**options)


def test_a_model_that_was_changed_since_it_was_compiled_is_refused():
    class Shifted:
        shift = 0.0

        def __call__(self, images):
            return LINEAR(images) + jnp.array([[self.shift, 0.0]])

    model = Shifted()
    report(model, attacks=["fgsm"])
    model.shift = 5.0
    with refuses("function of the images alone", "once it is compiled", "wrap it in a new function"):
        report(model, attacks=["fgsm"])
