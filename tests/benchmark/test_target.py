"""The model that the benchmark attacks has learned something, and is the same on both sides."""

import jax.numpy as jnp
import numpy as np
import pytest

from helpers.peers import NEEDED
from helpers.small import digits, lenet
from minmax_jax.benchmark import target as victim
from minmax_jax.training import saved


@pytest.fixture(scope="module")
def trained():
    train = digits().train[:640]
    return victim.trained(train.images, train.labels, epochs=6)


def test_a_few_steps_teach_it_something_and_training_is_the_same_each_time(trained):
    test = digits().test
    right = np.mean(trained(jnp.asarray(test.images)).argmax(-1) == test.labels)
    assert right > 0.3  # a guess is right one time in ten
    train = digits().train[:640]
    again = victim.trained(train.images, train.labels, epochs=6)
    np.testing.assert_array_equal(again.conv1.kernel[...], trained.conv1.kernel[...])


@pytest.mark.parametrize("same", [pytest.param(True, marks=NEEDED), pytest.param(False, marks=NEEDED)])
def test_logits_of_the_same_weights_agree_and_of_others_do_not(trained, monkeypatch, same):
    from minmax_jax.benchmark import torch_models as twin

    if not same:
        twin_of = twin.twin_of
        monkeypatch.setattr(twin, "twin_of", lambda model: twin_of(lenet(3)))
    assert (victim.difference(trained, digits().test.images) <= victim.LIMIT) == same


@pytest.mark.parametrize("found", [0.5, float("nan")])
def test_it_is_written_and_described_and_logits_apart_are_an_objection(trained, tmp_path, monkeypatch, found):
    monkeypatch.setattr(victim, "trained", lambda images, labels: trained)
    monkeypatch.setattr(victim, "load", lambda name: digits())
    monkeypatch.setattr(victim, "find_spec", lambda name: object())
    monkeypatch.setattr(victim, "difference", lambda model, images: found)
    about = victim.prepare(str(tmp_path / "victim.npz"))
    assert about["robust"] <= about["clean"] <= 1 and about["clean"] > 0.3
    (objection,) = about["objections"]
    assert f"logits differ by {found:.2g}" in objection
    kept = saved.open(tmp_path / "victim.npz")
    np.testing.assert_array_equal(kept.dense3.kernel[...], trained.dense3.kernel[...])


def test_without_torch_there_is_nothing_to_compare_with(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(victim, "trained", lambda images, labels: trained)
    monkeypatch.setattr(victim, "load", lambda name: digits())
    monkeypatch.setattr(victim, "find_spec", lambda name: None)
    assert victim.prepare(str(tmp_path / "victim.npz"))["objections"] == []
