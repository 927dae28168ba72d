"""The losses that attacks maximise: worked out by hand, against the paper's formulas, their identities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.linear import batch, linear_model, margins
from minmax_jax.attacks.losses import (
    LOSSES,
    Aim,
    ascent,
    cross_entropy,
    dlr,
    least_classes,
    margin,
    pick,
    targeted_dlr,
    value_and_ascent,
)

LOGITS = jnp.array([[3.0, 1.0, 0.0, -1.0], [0.5, 2.0, 4.0, 1.0]])
LABELS, TARGETS = jnp.array([0, 1]), jnp.array([2, 3])

logits = hnp.arrays(
    np.float32, (5, 6), elements=st.floats(-20, 20, width=32, allow_subnormal=False), unique=True
)
classes = hnp.arrays(np.int32, 5, elements=st.integers(0, 5))


def test_numbers_worked_out_by_hand():
    np.testing.assert_allclose(pick(LOGITS, LABELS), [3, 2])
    np.testing.assert_allclose(margin(LOGITS, LABELS), [-2, 2])
    np.testing.assert_allclose(dlr(LOGITS, LABELS), [-2 / 3, 2 / 3], rtol=1e-6)
    # spans: 3 - (0 - 1) / 2 and 4 - (1 + 0.5) / 2
    np.testing.assert_allclose(targeted_dlr(LOGITS, LABELS, TARGETS), [-3 / 3.5, -1 / 3.25], rtol=1e-6)
    expected = [np.log(np.exp(row).sum()) - row[y] for row, y in zip(LOGITS, LABELS, strict=True)]
    np.testing.assert_allclose(cross_entropy(LOGITS, LABELS), expected, rtol=1e-6)


@given(logits, classes)
@settings(max_examples=30)
def test_the_margin_tells_misclassified_images(logits, labels):
    got = np.asarray(margin(jnp.asarray(logits), jnp.asarray(labels)))
    np.testing.assert_array_equal(got > 0, logits.argmax(1) != labels)


def reference_dlr(row, label):
    """Equation 6 of Croce and Hein 2020, for one image in plain Python."""
    ordered = sorted(row, reverse=True)
    other = max(z for i, z in enumerate(row) if i != label)
    return -(row[label] - other) / (ordered[0] - ordered[2])


def reference_targeted(row, label, target):
    """Equation 7, likewise."""
    ordered = sorted(row, reverse=True)
    return -(row[label] - row[target]) / (ordered[0] - (ordered[2] + ordered[3]) / 2)


@given(logits, classes, classes)
@settings(max_examples=30)
def test_the_ratios_are_those_of_the_paper(logits, labels, targets):
    spread = np.sort(logits, axis=1)
    close = (spread[:, -1] - spread[:, -3]) < 1e-3  # there rounding decides
    rows = [*zip(np.float64(logits), labels, targets, strict=True)]
    got = dlr(jnp.asarray(logits), jnp.asarray(labels))
    expected = [reference_dlr(z, y) for z, y, _ in rows]
    np.testing.assert_allclose(got[~close], np.asarray(expected)[~close], rtol=1e-3, atol=1e-3)
    got = targeted_dlr(jnp.asarray(logits), jnp.asarray(labels), jnp.asarray(targets))
    expected = [reference_targeted(z, y, t) for z, y, t in rows]
    np.testing.assert_allclose(got[~close], np.asarray(expected)[~close], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-3, 7.0, 1e4])
@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_the_ratios_do_not_depend_on_scale_or_shift(scale, shift):
    moved = scale * (LOGITS + shift)
    np.testing.assert_allclose(dlr(moved, LABELS), dlr(LOGITS, LABELS), rtol=1e-4)
    expected = targeted_dlr(LOGITS, LABELS, TARGETS)
    np.testing.assert_allclose(targeted_dlr(moved, LABELS, TARGETS), expected, rtol=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("targeted", [False, True])
def test_ascent_lowers_the_labels_logit_or_raises_the_targets(loss, targeted):
    """One small step up the gradient lowers the label's share, or raises the target's."""
    loss_of = Aim(LABELS, TARGETS if targeted else None).loss(loss)
    gradient = jax.grad(lambda z: loss_of(z).sum())(LOGITS)
    assert (pick(gradient, TARGETS) > 0).all() if targeted else (pick(gradient, LABELS) < 0).all()
    assert (loss_of(LOGITS + 1e-2 * gradient) > loss_of(LOGITS)).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_finite_for_as_few_classes_as_it_says(loss):
    labels = jnp.array([0, 1])
    for targets in (None, jnp.array([1, 0])):
        n = least_classes(loss, targets is not None)
        assert jnp.isfinite(Aim(labels, targets).loss(loss)(LOGITS[:, :n])).all()


def test_what_an_attack_wants_is_another_class_or_the_target():
    guesses = LOGITS.argmax(-1)
    assert guesses.tolist() == [0, 2]
    assert Aim(LABELS).is_reached(LOGITS).tolist() == [False, True]
    assert Aim(LABELS, jnp.array([0, 3])).is_reached(LOGITS).tolist() == [True, False]


def test_points_score_infinity_where_the_aim_is_reached_else_their_loss():
    np.testing.assert_array_equal(Aim(LABELS).score("margin", LOGITS), [-2, np.inf])
    np.testing.assert_array_equal(Aim(LABELS, TARGETS).score("margin", LOGITS), [-3, -3])


def test_the_ascent_is_the_gradient_of_each_images_own_loss():
    model, w = linear_model()
    images, labels = batch(0, 1)
    loss = Aim(labels).loss("ce")
    got = ascent(model, images, loss)
    (seen, more), same = value_and_ascent(model, images, lambda logits: (loss(logits), 2 * logits))
    np.testing.assert_array_equal(same, got)
    np.testing.assert_array_equal(seen, loss(model(images)))
    np.testing.assert_array_equal(more, 2 * model(images))
    wrong = 1 / (1 + np.exp(margins(images, labels, w)))  # the share of the other class
    sign = np.where(np.asarray(labels) == 1, -1, 1)
    np.testing.assert_allclose(got, (wrong * sign)[:, None, None, None] * w, rtol=1e-4, atol=1e-6)


def test_the_ascent_is_zero_at_pixels_that_the_loss_does_not_depend_on():
    def model(images):
        return images[:, 0, 0]

    images, labels = batch(0.2, 0.8, n=2)
    gradient = np.asarray(ascent(model, images, Aim(labels).loss("ce")))
    assert (gradient[:, 0, 0] != 0).all() and (gradient[:, 1:] == 0).all()
    assert (gradient[:, :, 1:] == 0).all()
