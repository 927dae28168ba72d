"""What our side times is the work that it says it is."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from helpers import small
from helpers.peers import NEEDED
from helpers.small import digits, lenet, same_weights, train
from minmax_jax.benchmark import jax_attacks, jax_side, target
from minmax_jax.benchmark.rows import EPS, Size
from minmax_jax.defences import recipe

pytestmark = pytest.mark.slow

SIZE = Size(runs=1, images=256, epochs=2, repeats=1)


@pytest.fixture(scope="module")
def model():
    return train(epochs=6).model


def test_two_convolutions_have_so_many_times_the_channels():
    model = jax_side.Plain(2, rngs=nnx.Rngs(0))
    shapes = {name: kernel.shape for name, kernel in mm.kernels(model).items()}
    assert shapes == {"conv1": (5, 5, 1, 12), "conv2": (5, 5, 12, 32)}
    assert model(jnp.zeros((3, 28, 28, 1))).shape == (3, 10)


@pytest.mark.parametrize(("name", "case"), [("evaluation", 300), ("pgd", 16)])
def test_calls_take_some_time_and_the_first_takes_more(name, case):
    result = jax_side.MEASURES[name](case, SIZE)
    assert np.isfinite(result.seconds) and result.seconds > 0 and result.first > 0


# Whole attacks


@pytest.mark.parametrize("batch", [20, 7])
def test_what_withstands_is_counted_over_all_batches(model, batch):
    def harmless(model, images, labels, eps, key):
        assert np.shape(images)[1:] == (28, 28, 1)
        return images

    def blackened(model, images, labels, eps, key):
        return jnp.clip(images - eps, 0, 1)

    data = mm.load("mnist").test[:20]
    right = np.asarray(model(data.images).argmax(-1)) == data.labels
    assert jax_attacks.withstood(harmless, model, data, batch) == right.sum()
    darker = np.asarray(model(jnp.clip(data.images - EPS, 0, 1)).argmax(-1)) == data.labels
    assert jax_attacks.withstood(blackened, model, data, batch) == (right & darker).sum()


def test_an_attack_is_timed_with_the_count_of_what_withstands(model):
    data = jax_side.as_predicted(model, 20)
    assert len(data) == 20 and (model(data.images).argmax(-1) == data.labels).all()
    result = jax_attacks.timed(mm.attacks.pgd, model, data, (20, 10), 1)
    batch, left = result.choice.removeprefix("batch ").split("; ")
    assert int(batch) in (20, 10)
    assert left == f"{jax_attacks.withstood(mm.attacks.pgd, model, data, int(batch))} withstand"
    assert result.seconds > 0 and result.first > 0


@pytest.mark.parametrize(
    ("name", "attack", "calls"),
    [("pgd40", "pgd", {(20, 40), (40, 40)}), ("autoattack", "autoattack", {(20, None)})],
)
def test_whole_attacks_are_ours_in_batches(tmp_path, monkeypatch, name, attack, calls):
    seen = []

    def harmless(model, images, labels, eps, norm="linf", key=None, steps=None):
        seen.append((len(model(images)), steps))
        return images

    monkeypatch.setattr(mm.attacks, attack, harmless)
    file, data = mm.save(lenet(3), tmp_path / "target.npz"), mm.load("mnist").test[:80]
    result = jax_attacks.MEASURES[name](80, replace(SIZE, target=str(file)))
    right = 80 if name == "pgd40" else (lenet(3)(data.images).argmax(-1) == data.labels).sum()
    assert {*seen} == calls and result.choice.endswith(f"; {right} withstand") and right > 0


# The model that is attacked


def test_the_target_is_trained_by_the_recipe(monkeypatch):
    """Which ``test_recipe`` tries out."""
    asked = []

    def fit(*given, **options):
        asked.append((*given, options))
        return small.run()

    monkeypatch.setattr(target, "fit", fit)
    assert target.trained(digits()) is small.run().model
    ((model, data, options),) = asked
    plan = recipe("adversarial", digits(), EPS, epochs=target.EPOCHS)
    assert same_weights(model, lenet()) and data is digits() and plan.items() <= options.items()


def test_the_target_is_written_and_described(model, tmp_path, monkeypatch):
    few, file = mm.Dataset("few", digits().train, digits().test[:50]), tmp_path / "target.npz"
    monkeypatch.setattr(target, "load", lambda name: few)
    monkeypatch.setattr(target, "trained", lambda data: model)
    cases = [(True, 0.5, 1), (True, float("nan"), 1), (True, 1e-4, 0), (False, 0.5, 0)]
    for torch, found, objections in cases:
        monkeypatch.setattr(target, "find_spec", lambda name, torch=torch: object() if torch else None)
        monkeypatch.setattr(target, "difference", lambda model, images, found=found: found)
        about = target.prepare(str(file))
        assert about["clean"] == pytest.approx(mm.accuracy(model, few.test))
        assert about["robust"] < about["clean"] and about["clean"] > 0.3
        assert [f"logits differ by {found:.2g}" in one for one in about["objections"]] == [True] * objections
        assert same_weights(mm.open(file), model)


@pytest.mark.parametrize("same", [pytest.param(same, marks=NEEDED) for same in (True, False)])
def test_logits_of_the_same_weights_agree_and_of_others_do_not(model, monkeypatch, same):
    from minmax_jax.benchmark import torch_models

    twin_of = torch_models.twin_of
    monkeypatch.setattr(torch_models, "twin_of", lambda one: twin_of(one if same else lenet(3)))
    assert (target.difference(model, digits().test.images) <= target.LIMIT) == same
