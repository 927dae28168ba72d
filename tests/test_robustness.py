"""Accuracy under attack, by attack and radius."""

import jax.numpy as jnp
import numpy as np
import pytest

import minmax_jax as mm
from small import digits, train


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
    data = digits().test[:40]
    labels = jnp.asarray(data.labels)

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
    assert len(labels) == 40


def test_an_image_misclassified_as_it_is_never_counts(model):
    """Even if an "attack" happens to mend it."""
    data = digits().test[:60]

    def mend(model, x, y, eps, key):
        return x * 0

    def answers_one_when_black(images):
        return jnp.where((images.sum((1, 2, 3)) == 0)[:, None], jnp.eye(10)[1], jnp.eye(10)[2])

    ones = mm.Split(data.images, np.ones(60, np.int32))
    got = mm.robustness(answers_one_when_black, ones, [0.5], attacks={"mend": mend}, progress=False)
    assert (got == 0).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"eps": [0.1, 1.5]}, "eps is .*1.5.*in \\[0, 1\\]"),
        ({"eps": [-0.1]}, "eps is"),
        ({"eps": []}, "eps is"),
        ({"attacks": ["magic"]}, "attacks is .*magic.*fgsm"),
        ({"attacks": []}, "attacks is"),
        ({"attacks": "pgd"}, "attacks is 'pgd'"),
        ({"attacks": {"worst": lambda *_: None}}, "attacks is"),
    ],
)
def test_unfit_arguments_are_named(model, options, words):
    with pytest.raises(ValueError, match=words):
        mm.robustness(model, digits().test[:5], progress=False, **{"eps": [0.1]} | options)
