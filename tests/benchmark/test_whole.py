"""Whole attacks, as our side is timed on them, do the work that they say they do."""

import jax.numpy as jnp
import numpy as np
import pytest

import minmax_jax.attacks
from minmax_jax import save
from minmax_jax.attacks import pgd
from minmax_jax.benchmark import whole
from minmax_jax.benchmark.row import EPS, Size
from small import lenet, train

SIZE = Size(runs=1, images=256, epochs=2, repeats=1)


@pytest.fixture(scope="module")
def model():
    return train(epochs=6).model


@pytest.mark.parametrize("batch", [20, 7])
def test_all_images_are_attacked_whatever_the_batch_and_those_left_are_counted(model, batch):
    def harmless(model, images, labels, eps):
        assert eps == EPS and len(images) in (20, 7, 6)
        return images

    def blackened(model, images, labels, eps):
        return 0 * images

    data = minmax_jax.load("mnist").test[:20]
    guesses = model(jnp.asarray(data.images)).argmax(-1)
    assert int(whole.standing(harmless, model, 20, batch)()) == (guesses == data.labels).sum()
    black = int(model(jnp.zeros((1, 28, 28, 1))).argmax())
    assert int(whole.standing(blackened, model, 20, batch)()) == (data.labels == black).sum()


def test_the_attack_is_ours_and_the_count_is_of_images_that_withstand(model):
    result = whole.timed(pgd, model, 20, (20, 10), 1)
    batch, left = result.choice.removeprefix("batch ").split("; ")
    assert int(batch) in (20, 10)
    call = whole.standing(pgd, model, 20, int(batch))
    assert left == f"{int(call())} withstand"
    assert result.seconds > 0 and result.first > 0


def test_pgd_takes_forty_steps(monkeypatch):
    seen = []

    def attack(model, images, labels, eps, steps):
        seen.append((len(images), eps, steps))
        return images

    monkeypatch.setattr(whole, "pgd", attack)
    whole.pgd40(8, SIZE)
    assert {*seen} == {(2, EPS, 40), (8, EPS, 40)}


def test_autoattack_meets_the_model_in_the_file(tmp_path, monkeypatch):
    seen = []

    def attack(model, images, labels, eps, norm="linf", key=None):
        seen.append((images.shape, eps, np.shape(model(images))))
        return images

    monkeypatch.setattr(minmax_jax.attacks, "autoattack", attack, raising=False)
    file = save(lenet(3), tmp_path / "victim.npz")
    result = whole.autoattack(8, Size(runs=1, images=1, epochs=2, repeats=1, victim=str(file)))
    assert {*seen} == {((8, 28, 28, 1), EPS, (8, 10))}
    data = minmax_jax.load("mnist").test[:8]
    right = (lenet(3)(jnp.asarray(data.images)).argmax(-1) == data.labels).sum()
    assert result.choice == f"batch 8; {right} withstand"
