"""Recipes: what they hold, that ``fit`` and ``sweep`` use them, and that LeNet learns by them."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.small import digits
from helpers.sweeping import Tiny
from minmax_jax.defences import IBP, TRADES, Adversarial, fast_adversarial, recipe


@pytest.mark.parametrize(
    ("name", "kind"), [("adversarial", Adversarial), ("fast", Adversarial), ("trades", TRADES), ("ibp", IBP)]
)
def test_a_recipe_holds_the_defence_that_it_names(name, kind):
    plan = recipe(name, digits(), 0.2, epochs=3, batch_size=64, strength=0.5)
    defence = plan["objective"].defence
    assert type(defence) is kind and defence.eps == 0.2 and 0 < defence.warmup <= 0.5
    assert (plan["objective"].strength, plan["epochs"], plan["batch_size"]) == (0.5, 3, 64)
    assert (defence == fast_adversarial(0.2, warmup=defence.warmup)) == (name == "fast")


def test_the_learning_rate_rises_and_falls_to_zero_over_the_run():
    plan = recipe("trades", digits(), epochs=20, batch_size=65)  # 200 steps
    optimiser, weights = plan["optimiser"], jnp.ones(3)
    memory, moves = optimiser.init(weights), []
    for _ in range(201):  # Adam's steps under a constant gradient are as long as its learning rate
        updates, memory = optimiser.update(jnp.ones(3), memory, weights)
        moves.append(-float(updates[0]))
    assert moves[0] == 0 and moves[200] == pytest.approx(0, abs=1e-9)
    assert int(np.argmax(moves)) == 10 and moves[10] == pytest.approx(6e-3, rel=1e-3)
    assert (np.diff(moves[:11]) > 0).all() and (np.diff(moves[10:]) < 0).all()
    assert recipe("ibp", digits(), 0.1, epochs=20, batch_size=65)["optimiser"] is optimiser  # is shared
    assert recipe("trades", digits(), epochs=3)["optimiser"] is not optimiser


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [128, 650])  # with the latter, a run of one step
def test_fit_and_sweep_use_it(batch_size):
    plan = recipe("fast", digits(), epochs=1, batch_size=batch_size)
    run = mm.fit(Tiny(nnx.Rngs(0)), digits(), **plan, progress=False)
    assert run.outcome == "finished"
    objective = plan.pop("objective")
    done = mm.sweep(Tiny, digits(), [objective], [0], **plan, progress=False)
    np.testing.assert_array_equal(done.results.train_accuracy[0, 0, 1:], run.history.train_accuracy)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "least"), [("adversarial", 0.55), ("fast", 0.3), ("trades", 0.55), ("ibp", 0.55)]
)
def test_a_lenet_does_not_collapse_and_withstands_pgd(name, least):
    """At eps 0.3 without a recipe it is right on 11 %: it gives every image the same class.

    In so short a run "fast" varies: seeds 0, 1 and 2 left 44, 39 and 72 % under PGD ("adversarial" 81 %).
    """
    whole = mm.load("mnist")
    part = mm.Dataset("part", whole.train[:20_000], whole.test[:1000], whole.class_names)
    run = mm.fit(mm.LeNet(rngs=nnx.Rngs(0)), part, **recipe(name, part, epochs=5), progress=False)
    report = mm.robustness(run.model, part, [0.0, 0.3], attacks=["pgd"], progress=False)
    clean, attacked = report.accuracy.sel(attack="pgd").values
    assert clean > 0.85 and attacked > least
