"""What a model may be, what is refused and how, and its logits in float32."""

from dataclasses import dataclass
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import minmax_jax as mm
from helpers.refusal import refuses
from helpers.small import Norm, digits, lenet
from minmax_jax.models.logits import abstract_logits, logits_of


@dataclass
class Unhashable:
    shift: np.ndarray

    def __call__(self, images):
        return lenet()(images) + self.shift


class Drawing(nnx.Module):
    """Draws random numbers when it is called, in evaluation mode too."""

    def __init__(self, rngs):
        self.inner, self.rngs = lenet(), rngs

    def __call__(self, images):
        return self.inner(images) + jax.random.normal(self.rngs.noise(), (len(images), 10))


MODELS = {
    "jitted": lambda: jax.jit(lenet()),
    "partial": lambda: partial(lambda model, images: model(images), lenet()),
    "bound method": lambda: lenet().__call__,
    "without a hash": lambda: Unhashable(np.zeros((1, 10), np.float32)),
    "probabilities": lambda: lambda x: jax.nn.softmax(lenet()(x)),
}


@pytest.mark.parametrize("kind", MODELS)
def test_any_callable_is_a_model(kind):
    assert mm.accuracy(MODELS[kind](), digits().test) == mm.accuracy(lenet(), digits().test)


def test_a_network_that_draws_random_numbers_has_one_accuracy():
    test = digits().test
    found = [mm.accuracy(Drawing(nnx.Rngs(0)), test, batch_size=size) for size in (203, 203, 204)]
    assert len(set(found)) == 1  # whether or not the batch is full


LOGITS = "model must return one array of logits of shape (203, two or more classes) for 203 images, got"
SCALED = {"tuple": lambda x: (lenet()(x), x), "dict": lambda x: {"logits": lenet()(x)}}
NO_MODELS = [
    (SCALED["tuple"], TypeError, [f"{LOGITS} a tuple of 2; give lambda x: model(x)[0]"]),
    (SCALED["dict"], TypeError, [f"{LOGITS} a dict of ['logits']; give lambda x: model(x)['logits']"]),
    (lambda x: None, TypeError, [f"{LOGITS} a NoneType"]),
    (lambda x: lenet()(x).astype(int), TypeError, [f"{LOGITS} int32"]),
    (lambda x: lenet()(x).argmax(-1), ValueError, [f"{LOGITS} (203,)"]),
    (lambda x: lenet()(x)[:, :1], ValueError, [f"{LOGITS} (203, 1); give lambda x: jnp.pad("]),
    (
        lambda x: lenet()(x.transpose(0, 3, 1, 2)),
        ValueError,
        ["model must take images of shape", "got (203, 1,"],
    ),
    (lambda x: np.asarray(x).mean((1, 2)), ValueError, ["raised TracerArrayConversionError", "jax.numpy"]),
    (
        lambda x, *, scale: x,
        ValueError,
        ["model must take images of shape (203, 28, 28, 1)", "TypeError", "scale"],
    ),
    (
        lambda x: fresh()(x),
        ValueError,
        ["model changes its own state", "must be deterministic", "network.eval()"],
    ),
    (
        linen.Dense(2),
        TypeError,
        ["got a Dense, which holds no weights; give lambda x: module.apply(variables, x)"],
    ),
]


@cache
def fresh():
    """A network in training mode."""
    return Norm(nnx.Rngs(0))


CALLS = {
    "accuracy": lambda model, split: mm.accuracy(model, split),
    "robustness": lambda model, split: mm.robustness(model, split, [0.1], attacks=["fgsm"], progress=False),
    "masking": lambda model, split: mm.masking(model, split, progress=False),
    "attack": lambda model, split: mm.attacks.fgsm(model, split.images, split.labels, 0.1),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("model", "error", "words"), NO_MODELS)
def test_all_say_the_same_of_what_is_no_model(call, model, error, words):
    statistics = fresh().norm.mean[...]
    with refuses(*words, error=error):
        CALLS[call](model, digits().test)
    np.testing.assert_array_equal(fresh().norm.mean[...], statistics)


def test_images_whose_channels_come_first_are_told_so():
    split = digits().test
    turned = mm.Split(split.images.transpose(0, 3, 1, 2), split.labels)
    for call in (CALLS["accuracy"], CALLS["attack"]):
        with refuses("(203, 1, 28, 28)", "give images.transpose(0, 2, 3, 1) if their channels come first"):
            call(lenet(), turned)


def test_what_a_callable_object_keeps_holds_no_tracers():
    class Counting:
        calls = jnp.zeros(())

        def __call__(self, images):
            self.calls = self.calls + images.sum() * 0 + 1
            return lenet()(images)

    model = Counting()
    for called in (model, model.__call__):
        abstract_logits(called, digits().test.images[:2])
    assert float(model.calls) == 0


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_logits_come_out_in_float32(dtype):
    split = digits().test
    half = logits_of(lambda x: lenet()(x).astype(dtype), split.images)
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, lenet()(split.images), atol=0.01)
