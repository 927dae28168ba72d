"""Whole attacks, as our side is timed on them, do the work that they say they do."""

import jax.numpy as jnp
import numpy as np
import pytest

import minmax_jax.attacks
from helpers.small import lenet, train
from minmax_jax import save
from minmax_jax.attacks import pgd
from minmax_jax.benchmark import whole
from minmax_jax.benchmark.rows import EPS, Size

SIZE = Size(runs=1, images=256, epochs=2, repeats=1)


@pytest.fixture(scope="module")
def model():
    return train(epochs=6).model


@pytest.mark.parametrize("batch", [20, 7])
def test_all_images_are_attacked_whatever_the_batch_and_those_left_are_counted(model, batch):
    def harmless(model, images, labels, eps, key):
        assert np.shape(images)[1:] == (28, 28, 1)
        return images

    def blackened(model, images, labels, eps, key):
        return jnp.clip(images - eps, 0, 1)

    data = minmax_jax.load("mnist").test[:20]
    guesses = model(jnp.asarray(data.images)).argmax(-1)
    assert whole.standing(harmless, model, data, batch) == (guesses == data.labels).sum()
    darker = model(jnp.clip(data.images - EPS, 0, 1)).argmax(-1)
    both = (guesses == data.labels) & (darker == data.labels)
    assert whole.standing(blackened, model, data, batch) == both.sum()


def test_all_answered_images_are_right(model):
    data = whole.answered(model, 20)
    assert len(data) == 20 and (model(data.images).argmax(-1) == data.labels).all()


def test_the_attack_is_ours_and_the_count_is_of_images_that_withstand(model):
    data = whole.answered(model, 20)
    result = whole.timed(pgd, model, data, (20, 10), 1)
    batch, left = result.choice.removeprefix("batch ").split("; ")
    assert int(batch) in (20, 10)
    assert left == f"{whole.standing(pgd, model, data, int(batch))} withstand"
    assert result.seconds > 0 and result.first > 0


def test_pgd_takes_forty_steps_on_all_images(monkeypatch):
    seen = []

    def timed(attack, model, data, batches, repeats):
        seen.append((attack.func, attack.keywords, len(data), batches, repeats))
        return whole.Result(1.0)

    monkeypatch.setattr(whole, "timed", timed)
    whole.pgd40(8, SIZE)
    assert seen == [(pgd, {"steps": 40}, 8, (2, 4), 1)]


def test_autoattack_meets_the_model_in_the_file(tmp_path, monkeypatch):
    seen = []

    def attack(model, images, labels, eps, norm="linf", key=None):
        seen.append(np.shape(model(images)))
        return images

    monkeypatch.setattr(minmax_jax.attacks, "autoattack", attack, raising=False)
    file = save(lenet(3), tmp_path / "victim.npz")
    result = whole.autoattack(80, Size(runs=1, images=1, epochs=2, repeats=1, victim=str(file)))
    assert {*seen} == {(20, 10)}
    data = minmax_jax.load("mnist").test[:80]
    right = (lenet(3)(jnp.asarray(data.images)).argmax(-1) == data.labels).sum()
    assert result.choice == f"batch 20; {right} withstand" and right > 0
