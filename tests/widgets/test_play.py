"""A choice of the playground, and what it trains."""

import jax
import numpy as np
import optax
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.refusal import refuses
from helpers.small import digits
from minmax_jax.widgets.play import Play


def test_the_name_tells_what_matters():
    assert Play().name == "mnist modern adam, 2 epochs, seed 0"
    told = Play(strength=-3.0, eps=0.1, epochs=1, seed=4, optimiser="sgd").name
    assert told == "mnist modern sgd, λ -3 layer signed entropy, eps 0.1, 1 epoch, seed 4"


def test_a_choice_becomes_arguments_of_fit():
    chosen = Play(strength=10.0, reading="fixed", membership="magnitude", measure="linear", eps=0.2, seed=3)
    training = chosen.training()
    objective = training["objective"]
    assert (objective.strength, objective.reading, objective.membership) == (10.0, "fixed", "magnitude")
    assert objective.measure == "linear" and objective.defence.eps == 0.2
    assert (training["epochs"], training["seed"]) == (2, 3)
    assert isinstance(training["optimiser"], optax.GradientTransformation)
    assert Play().training()["objective"] == mm.Objective()


def test_without_strength_the_reading_makes_no_difference():
    assert Play(reading="fixed", measure="yager").trained == Play()
    assert Play(reading="fixed", strength=1.0).trained != Play(strength=1.0).trained


def test_data_and_model_are_those_of_the_choice():
    chosen = Play(images=500, variant="classic", seed=2)
    data = chosen.data()
    assert (len(data.train), len(data.test), data.name) == (500, 10_000, "mnist-500")
    assert Play().data().name == "mnist"
    model, twin = chosen.model(data), mm.LeNet(variant="classic", rngs=nnx.Rngs(2))
    same = jax.tree.map(np.array_equal, nnx.state(model), nnx.state(twin))
    assert all(jax.tree.leaves(same)) and model.variant == "classic"


@pytest.mark.parametrize(
    ("field", "got", "words"),
    [
        ("variant", "large", "variant must be one of, got 'large'"),
        ("optimiser", "lion", "optimiser must be one of, got 'lion'"),
        ("reading", "whole", "reading must be one of, got 'whole'"),
        ("strength", float("nan"), "strength is nan"),
        ("eps", -0.1, "eps must be one radius in [0, 1], got -0.1"),
        ("epochs", 0, "epochs must be at least 1, got 0"),
        ("images", 0, "images must be at least 1, got 0"),
        ("seed", -1, "seed must be 0 to, got -1"),
    ],
)
def test_a_choice_that_cannot_be_trained_is_refused(field, got, words):
    with refuses(words):
        Play(**{field: got})


def test_a_data_set_goes_by_its_name():
    with refuses("dataset must be a str, got a Dataset", error=TypeError):
        Play(dataset=digits())


def test_a_rehearsal_ends_after_the_first_progress(monkeypatch):
    runs = []
    monkeypatch.setattr("minmax_jax.widgets.play.fit", lambda *a, **o: runs.append(mm.fit(*a, **o)))
    Play(epochs=3, images=640).rehearse(digits())
    (found,) = runs
    assert found.outcome == "stopped" and found.history.sizes["step"] < 3 * (len(digits().train) // 128)
