"""What attacks refuse, and what they take."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.filled import filled
from helpers.linear import Curved
from helpers.refusal import refuses
from helpers.small import Norm
from minmax_jax.attacks.ball import NORMS
from minmax_jax.attacks.inputs import checked, count_classes, evaluated

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


def test_numpy_images_and_labels_are_handed_on_as_jax_arrays():
    images, labels, _ = check(np.asarray(IMAGES), np.asarray(LABELS))
    assert isinstance(images, jax.Array) and isinstance(labels, jax.Array)


def test_radii_beyond_one_are_sizes_by_l2_and_l1_but_not_by_linf():
    for norm in ("l2", "l1"):
        check(eps=40.0, norm=norm)
    with refuses("eps is 40.0", "[0, 1]"):
        check(eps=40.0)


@pytest.mark.parametrize("pixel", [-1e-6, 1.00001, 255.0, np.nan, np.inf])
def test_images_outside_zero_one_are_refused(pixel):
    with refuses("images hold values outside [0, 1] or NaN", "it takes images in [0, 1]"):
        check(IMAGES.at[1, 2, 2, 0].set(pixel))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("eps", [-0.01, np.nan, np.inf, 1e39])
def test_eps_out_of_range_is_refused_also_under_jit(eps, norm):
    kind = "[0, 1]" if norm == "linf" else "[0, inf)"
    with refuses("eps is", eps, kind):
        check(eps=eps, norm=norm)
    with refuses("eps is", eps, kind):
        jax.jit(lambda x: check(x, LABELS, eps, norm))(IMAGES)


@pytest.mark.parametrize("eps", ["0.1", True, 1j, (0.1,)])
def test_eps_of_another_kind_is_refused(eps):
    with refuses("eps is", repr(eps), "one radius", error=TypeError):
        check(eps=eps)
    with refuses("eps is", "one radius"):
        check(eps=np.array([0.1, 0.2]))


def test_only_attacks_for_the_smallest_change_do_without_eps():
    assert check(eps=None, needs_eps=False)[2] == 3
    for name, attack in mm.attacks.NAMED.items():
        if not attack.minimal and name not in ("apgd_targeted", "autoattack"):  # which take four classes
            with refuses("eps is None", "one radius", error=TypeError):
                attack.function(three, IMAGES, LABELS, None)


def test_an_unknown_norm_is_refused():
    with refuses("norm is 'l3'", *NORMS):
        check(norm="l3")


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (IMAGES[0], LABELS),
        (IMAGES[..., 0], LABELS),
        (IMAGES[None], LABELS),
        (IMAGES, LABELS[:1]),
        (IMAGES, LABELS[:, None]),
        (IMAGES, jnp.int32(0)),
        (IMAGES[:0], LABELS[:0]),
    ],
)
def test_shapes_that_do_not_match_are_refused(images, labels):
    with refuses(f"images have shape {images.shape}", f"labels {labels.shape}", "(n, h, w, c)"):
        check(images, labels)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (jnp.ones((2, 3, 3, 1), jnp.uint8), LABELS),
        (IMAGES, LABELS.astype(jnp.float32)),
        (IMAGES, LABELS.astype(bool)),
    ],
)
def test_numbers_of_another_kind_are_refused(images, labels):
    with refuses(f"images are {images.dtype} and labels {labels.dtype}", error=TypeError):
        check(images, labels)


@pytest.mark.parametrize("name", ["labels", "targets"])
@pytest.mark.parametrize("wrong", [-1, 3, 1000])
def test_labels_and_targets_that_name_no_class_are_refused(name, wrong):
    with refuses(f"{name} hold values outside 0 to 2"):
        check(**{name: LABELS.at[1].set(wrong)})


@pytest.mark.parametrize("targets", [LABELS[:1], LABELS[:, None], jnp.zeros(2)])
def test_targets_that_do_not_fit_are_refused(targets):
    with refuses("targets", targets.shape, "(2,)"):
        check(targets=targets)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (lambda x: x, IMAGES.shape),
        (lambda x: x[:1, 0, :, 0], (1, 3)),
        (lambda x: x[:, 0, 0], (2, 1)),
        (lambda x: x[:, 0, 0, 0], (2,)),
    ],
)
def test_what_are_no_logits_is_refused(model, shape):
    with refuses(f"logits of shape {shape} for 2 images", "two or more classes"):
        check(model=model)


def test_too_few_classes_for_an_attack_are_refused():
    check(least_classes=3)
    with refuses("model has 3 classes", "at least 4"):
        check(least_classes=4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_are_refused(value):
    with refuses("model gives logits that are NaN or infinite"):
        check(model=lambda images: three(images).at[1, 2].set(value))


def test_a_model_that_answers_otherwise_each_time_is_refused():
    rng = np.random.default_rng(0)
    with refuses("model gives other logits each time"):
        check(model=lambda images: three(images) + rng.normal(size=(len(images), 3)).astype(np.float32))


class Noisy(nnx.Module):
    """Adds noise from a stream of its own, in evaluation mode too."""

    def __init__(self):
        self.rngs = nnx.Rngs(0)

    def __call__(self, images):
        return three(images) + jax.random.normal(self.rngs(), (len(images), 3))


def test_a_flax_model_that_draws_random_numbers_is_refused_also_under_jit():
    model = evaluated(Noisy())
    with refuses("model changes its own state when it is called"):
        check(model=model)
    with refuses("model changes its own state when it is called"):
        jax.jit(lambda x: check(x, model=model))(IMAGES)


def test_a_model_in_training_mode_is_evaluated_and_keeps_its_mode():
    model = Norm(nnx.Rngs(0))
    model.train()
    images = jnp.full((2, 28, 28, 1), 0.5)
    checked(evaluated(model), images, LABELS, 0.1)
    quiet = evaluated(model)
    np.testing.assert_array_equal(quiet(images), quiet(images))
    assert not model.dropout.deterministic


def test_a_callable_is_evaluated_as_it_is_and_anything_else_refused():
    assert evaluated(three) is three
    with refuses("model is a str", error=TypeError):
        evaluated("lenet")


def test_classes_are_counted_without_running_the_model():
    def model(images):
        assert isinstance(images, jax.core.Tracer)
        return jnp.zeros((len(images), 7))

    assert count_classes(model, IMAGES) == 7
    assert count_classes(filled(Curved), jnp.zeros((2, 5, 5, 1))) == 4


def test_under_jit_shapes_are_checked_and_values_let_pass():
    checking = jax.jit(lambda x, y, eps: check(x, y, eps)[0])
    np.testing.assert_array_equal(checking(IMAGES + 9, LABELS + 9, 9.0), IMAGES + 9)
    with refuses("images have shape"):
        checking(IMAGES[0], LABELS, 0.1)
