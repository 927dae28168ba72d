"""Accuracy under attack, by attack and radius."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from refusal import refuses
from small import Norm, digits, train


@pytest.fixture(scope="module")
def model():
    return train(epochs=6).model


@pytest.fixture(scope="module")
def accuracies(model):
    return mm.robustness(model, digits().test[:60], [0, 0.05, 0.2, 1], progress=False)


def test_the_array_is_labelled(accuracies):
    assert accuracies.dims == ("attack", "eps")
    assert accuracies.attack.values.tolist() == ["fgsm", "pgd", "worst"]
    assert accuracies.eps.values.tolist() == [0, 0.05, 0.2, 1]
    assert accuracies.attrs["images"] == 60


def test_without_radius_it_is_clean_accuracy(model, accuracies):
    clean = mm.accuracy(model, digits().test[:60])
    assert clean > 0.6  # it has learned something that an attack can take away
    np.testing.assert_allclose(accuracies.sel(eps=0), clean, atol=1e-6)


def test_worst_is_no_better_than_any_attack(accuracies):
    assert (accuracies.sel(attack="worst") <= accuracies).all()


def test_pgd_is_stronger_than_fgsm_and_breaks_everything_at_radius_one(accuracies):
    assert (accuracies.sel(attack="pgd") <= accuracies.sel(attack="fgsm") + 1e-9).all()
    assert float(accuracies.sel(attack="pgd", eps=0.2)) < 0.2
    assert float(accuracies.sel(attack="worst", eps=1)) == 0


def test_worst_is_by_example():
    """Two attacks that each break another half leave nothing standing."""

    def model(images):  # right on everything, unless the first pixel was marked
        marked = images[:, 0, 0, 0] > 0.5
        return jnp.eye(10)[jnp.where(marked, -1, 1) * images[:, 0, 1, 0].astype(int)]

    images = np.zeros((40, 28, 28, 1), np.float32)
    images[:, 0, 1, 0] = 1
    split = mm.Split(images, np.ones(40, np.int32))
    half = jnp.arange(40) < 20

    def mark(which):
        return lambda model, x, y, eps, key: x.at[:, 0, 0, 0].set(jnp.where(which, eps, 0))

    got = mm.robustness(
        model, split, [1.0], attacks={"first": mark(half), "second": mark(~half)}, progress=False
    )
    assert got.values[:, 0].tolist() == [0.5, 0.5, 0.0]


def test_an_image_misclassified_as_it_is_never_counts():
    """Even if an "attack" happens to mend it."""
    data = digits().test[:60]

    def mend(model, x, y, eps, key):
        return x * 0

    def answers_one_when_black(images):
        return jnp.where((images.sum((1, 2, 3)) == 0)[:, None], jnp.eye(10)[1], jnp.eye(10)[2])

    ones = mm.Split(data.images, np.ones(60, np.int32))
    got = mm.robustness(answers_one_when_black, ones, [0.5], attacks={"mend": mend}, progress=False)
    assert (got == 0).all()


def test_attacks_of_the_package_with_options_of_your_own(model):
    attacks = {
        "weak": partial(mm.attacks.pgd, steps=1, step_size=0.0, random_start=False),
        "fgsm": mm.attacks.fgsm,
    }
    got = mm.robustness(model, digits().test[:20], [0.1], attacks=attacks, progress=False)
    assert float(got.sel(attack="weak")[0]) == pytest.approx(mm.accuracy(model, digits().test[:20]))
    assert float(got.sel(attack="fgsm")[0]) < float(got.sel(attack="weak")[0])


def test_a_gradient_that_is_no_number_breaks_nothing():
    """The square root has no derivative at 0, where most pixels are."""

    def model(images):
        total = jnp.sqrt(images).sum((1, 2, 3))
        return jnp.stack([total - 1e6, -total], axis=1)  # class 1, and no small change can alter that

    ones = mm.Split(digits().test.images[:10], np.ones(10, np.int32))
    got = mm.robustness(model, ones, [0.001], progress=False)
    assert (got == 1).all()


def test_a_module_in_training_mode_is_attacked_in_evaluation_mode():
    model = Norm(nnx.Rngs(0))
    model.train()
    data = digits().test[:5]
    for attack in (mm.attacks.fgsm, partial(mm.attacks.pgd, steps=2)):
        first, second = (attack(model, data.images, data.labels, 0.1) for _ in range(2))
        np.testing.assert_array_equal(first, second)
    assert not model.dropout.deterministic


def test_logits_that_are_no_numbers_are_named():
    with refuses("model gives logits that are NaN or infinite"):
        mm.robustness(lambda x: x.sum((1, 2)) / 0 * jnp.ones((1, 10)), digits().test[:5], [0.1])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"eps": [0.1, 1.5]}, ["eps is [0.1, 1.5]", "in [0, 1]"]),
        ({"eps": [-0.1]}, ["eps is"]),
        ({"eps": []}, ["eps is"]),
        ({"attacks": ["magic"]}, ["attacks is", "magic", "fgsm"]),
        ({"attacks": []}, ["attacks is"]),
        ({"attacks": "pgd"}, ["attacks is 'pgd'"]),
        ({"attacks": {"worst": lambda *_: None}}, ["attacks is"]),
    ],
)
def test_unfit_arguments_are_named(model, options, words):
    with refuses(*words):
        mm.robustness(model, digits().test[:5], progress=False, **{"eps": [0.1]} | options)


def test_data_of_another_kind_is_named(model):
    with refuses("data is a Dataset; it takes a minmax_jax.split.Split", error=TypeError):
        mm.robustness(model, digits(), [0.1])
    with refuses("data is a Dataset; it takes a minmax_jax.split.Split", error=TypeError):
        mm.accuracy(model, digits())
    with refuses("batch_size is 0; it takes at least 1"):
        mm.accuracy(model, digits().test, batch_size=0)
