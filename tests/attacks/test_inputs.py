"""What attacks accept, and what they refuse: one table for all of them (test_contract calls each)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from helpers.filled import filled
from helpers.linear import Curved
from helpers.refusal import refuses
from helpers.small import Norm
from minmax_jax.attacks.ball import NORMS
from minmax_jax.attacks.inputs import as_radii, attack_inputs, checked, count_classes

IMAGES, LABELS = jnp.full((2, 3, 3, 1), 0.5), jnp.zeros(2, jnp.int32)


def three(images):
    """A model of three classes."""
    return images[:, 0, :, 0]


def check(images=IMAGES, labels=LABELS, eps=0.1, norm="linf", model=three, **options):
    return checked(model, images, labels, eps, norm, **options)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("eps", [0, 0.0, 0.3, 1, np.float32(1), np.asarray(0.5), jnp.float32(0.5)])
def test_images_labels_and_eps_in_range_are_accepted_ends_included(norm, eps):
    for images in (jnp.zeros((2, 3, 3, 1)), jnp.ones((2, 3, 3, 1))):
        got, labels, classes = check(images, LABELS + 2, eps, norm)
        assert classes == 3
        np.testing.assert_array_equal(got, images)
        np.testing.assert_array_equal(labels, [2, 2])


def test_what_is_accepted_comes_back_as_jax_arrays():
    images, labels, _ = check(np.asarray(IMAGES), np.asarray(LABELS))
    assert isinstance(images, jax.Array) and isinstance(labels, jax.Array)
    for norm in ("l2", "l1"):
        check(eps=40.0, norm=norm)  # sizes, which may exceed 1
    assert check(eps=None, needs_eps=False)[2] == 3
    check(least_classes=3)


RNG = np.random.default_rng(0)


def random_logits(images):
    return three(images) + RNG.normal(size=(len(images), 3)).astype(np.float32)


BAD_IMAGES = [1.00001, 255.0, -1e-6, np.nan, np.inf]
BAD_SHAPES = [
    (IMAGES[0], LABELS),
    (IMAGES[..., 0], LABELS),
    (IMAGES[None], LABELS),
    (IMAGES, LABELS[:1]),
    (IMAGES, LABELS[:, None]),
    (IMAGES, jnp.int32(0)),
    (IMAGES[:0], LABELS[:0]),
]
BAD_LOGITS = [
    (lambda x: x, IMAGES.shape),
    (lambda x: x[:1, 0, :, 0], (1, 3)),
    (lambda x: x[:, 0, 0], (2, 1)),
    (lambda x: x[:, 0, 0, 0], (2,)),
]
REFUSED = [
    *[({"images": IMAGES.at[1, 2, 2, 0].set(x)}, ["images must be in [0, 1], got"]) for x in BAD_IMAGES],
    ({"images": 510 * IMAGES}, ["got values from 255 to 255; divide bytes by 255"]),
    *[
        ({"images": x, "labels": y}, ["images must have shape (n, h, w, c)", f"got {x.shape} and {y.shape}"])
        for x, y in BAD_SHAPES
    ],
    ({"labels": np.eye(3, dtype=np.float32)[[0, 1]]}, ["labels.argmax(-1) where they are"]),
    ({"labels": np.zeros((2, 1), int)}, ["labels[:, 0]"]),
    ({"images": np.ones((2, 3, 3), np.float32)}, ["give images[..., None] for grey images"]),
    *[({"labels": LABELS.at[1].set(n)}, ["labels must be classes", "from 0 to 2"]) for n in (-1, 3, 1000)],
    *[({"targets": LABELS.at[1].set(n)}, ["targets must be classes", "from 0 to 2"]) for n in (-1, 3)],
    *[
        ({"targets": targets}, ["targets must be integers of shape (2,)", f"of shape {targets.shape}"])
        for targets in (LABELS[:1], LABELS[:, None], jnp.zeros(2))
    ],
    *[
        ({"eps": eps, "norm": norm}, [f"eps must be one radius in {kind}", eps])
        for norm, kind in (("linf", "[0, 1]"), ("l2", "[0, inf)"), ("l1", "[0, inf)"))
        for eps in (-0.01, np.nan, np.inf, 1e39)
    ],
    ({"eps": 40.0}, ["eps must be one radius in [0, 1]", "got 40.0"]),
    ({"eps": np.array([0.1, 0.2])}, ["eps must be one radius"]),
    ({"norm": "l3"}, ["norm must be one of", *NORMS, "got 'l3'"]),
    *[
        ({"model": model}, ["logits of shape (2, two or more classes) for 2 images", f"got {shape}"])
        for model, shape in BAD_LOGITS
    ],
    ({"least_classes": 4}, ["model must have at least 4 classes", "got 3"]),
    *[
        ({"model": lambda x, n=n: three(x).at[1, 2].set(n)}, ["model must return finite logits"])
        for n in (np.nan, np.inf, -np.inf)
    ],
    ({"model": random_logits}, ["model returns different logits each time"]),
]
OTHER_TYPES = [
    *[({"eps": eps}, ["eps must be one radius", repr(eps)]) for eps in ("0.1", True, 1j, (0.1,), None)],
    ({"images": jnp.ones((2, 3, 3, 1), jnp.uint8)}, ["images must be floats", "got uint8 and int32"]),
    ({"images": np.ones((2, 3, 3, 1), np.uint8)}, ["give images / 255 for bytes"]),
    ({"images": np.array([None] * 2)}, ["images must be an array of numbers, got object"]),
    ({"labels": np.zeros(2)}, ["labels.astype(int)"]),
    ({"labels": np.full(2, "cat")}, ["np.unique(labels, return_inverse=True)[1]"]),
    ({"labels": [0] * 2}, ["labels must be an array of NumPy or JAX, got a list; give np.asarray("]),
    ({"labels": LABELS.astype(jnp.float32)}, ["labels integers", "got float32 and float32"]),
    ({"labels": LABELS.astype(bool)}, ["labels integers", "got float32 and bool"]),
]


@pytest.mark.parametrize(("bad", "words"), REFUSED)
def test_bad_values_are_refused(bad, words):
    with refuses(*words):
        check(**bad)


@pytest.mark.parametrize(("bad", "words"), OTHER_TYPES)
def test_other_types_are_refused(bad, words):
    with refuses(*words, error=TypeError):
        check(**bad)


class Noisy(nnx.Module):
    """Adds noise from a stream of its own, in evaluation mode too."""

    def __init__(self):
        self.rngs = nnx.Rngs(0)

    def __call__(self, images):
        return three(images) + jax.random.normal(self.rngs(), (len(images), 3))


def test_a_flax_model_that_draws_random_numbers_is_refused_also_under_jit():
    def attacked(images):
        return attack_inputs(Noisy(), images, LABELS, 0.1, "linf")[1]

    for attack in (attacked, jax.jit(attacked)):
        with refuses("model changes its own state when it is called"):
            attack(IMAGES)


def test_a_model_in_training_mode_is_evaluated_and_keeps_its_mode():
    model = Norm(nnx.Rngs(0))
    model.train()
    images = jnp.full((2, 28, 28, 1), 0.5)
    quiet, _, aim, classes = attack_inputs(model, images, LABELS, 0.1, "linf", targets=np.ones(2, int))
    np.testing.assert_array_equal(quiet(images), quiet(images))
    assert not model.dropout.deterministic
    assert classes == 10 and isinstance(aim.targets, jax.Array) and aim.labels.tolist() == [0, 0]


def test_a_callable_is_attacked_as_it_is_and_anything_else_refused():
    model, _, aim, _ = attack_inputs(three, IMAGES, LABELS, 0.1, "linf")
    assert model is three and aim.targets is None
    with refuses("model", "str", error=TypeError):
        attack_inputs("lenet", IMAGES, LABELS, 0.1, "linf")


def test_classes_are_counted_without_running_the_model():
    def model(images):
        assert isinstance(images, jax.core.Tracer)
        return jnp.zeros((len(images), 7))

    assert count_classes(model, IMAGES) == 7
    assert count_classes(filled(Curved), jnp.zeros((2, 5, 5, 1))) == 4


def test_under_jit_shapes_and_known_radii_are_checked_and_values_let_pass():
    checking = jax.jit(lambda x, y, eps: check(x, y, eps)[0])
    np.testing.assert_array_equal(checking(IMAGES + 9, LABELS + 9, 9.0), IMAGES + 9)
    with refuses("images must have shape"):
        checking(IMAGES[0], LABELS, 0.1)
    with refuses("eps must be one radius in [0, 1]"):
        jax.jit(lambda x: check(x, LABELS, -0.1)[0])(IMAGES)


def test_radii_come_as_a_list_in_their_order():
    assert as_radii(0.5) == [0.5] and as_radii((0.3, 0.1)) == [0.3, 0.1]
    assert as_radii("many") == []
