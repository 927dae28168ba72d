"""Defences as pytrees: what is traced, what is refused, and how they read."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import minmax_jax as mm
from helpers.defending import KEY, curved, straight
from helpers.refusal import refuses
from minmax_jax.defences import IBP, TRADES, Adversarial, fast_adversarial

ALL = [
    Adversarial(0.1, warmup=0.5),
    Adversarial(0.1, stride=0.5, start=0.05),
    TRADES(0.1, beta=2.0),
    IBP(0.1, kappa=0.25),
]


@pytest.mark.parametrize("defence", ALL)
def test_it_comes_back_whole_from_its_leaves(defence):
    leaves, structure = jax.tree.flatten(defence)
    assert all(isinstance(leaf, float) for leaf in leaves)
    assert jax.tree.unflatten(structure, leaves) == defence
    objective = mm.Objective(0.5, defence=defence)
    leaves, structure = jax.tree.flatten(objective)
    assert jax.tree.unflatten(structure, leaves) == objective
    assert len(leaves) == 3 + len(jax.tree.leaves(defence))


def test_numbers_are_traced_and_counts_are_not():
    traces = []

    @jax.jit
    def loss(objective, images, labels):
        traces.append(1)
        return objective.measured(straight()[0], images, labels, (0.1, KEY)).loss

    _, images, labels = straight()
    first = loss(mm.Objective(defence=Adversarial(0.1, steps=2)), images, labels)
    for eps, start, warmup in [(0.2, 0.0, 0.0), (0.2, 0.1, 0.5)]:
        defence = Adversarial(eps, steps=2, start=start, warmup=warmup)
        assert loss(mm.Objective(defence=defence), images, labels) != first
    assert len(traces) == 1
    loss(mm.Objective(defence=Adversarial(0.1, steps=3)), images, labels)
    assert len(traces) == 2


def test_many_radii_at_once_by_vmap():
    model, images, labels = curved()
    one = TRADES(0.1, steps=2)
    several = [replace(one, eps=eps, beta=beta) for eps, beta in [(0.0, 1.0), (0.1, 2.0), (0.2, 3.0)]]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *several)
    got = jax.jit(jax.vmap(lambda defence: defence(model, images, labels, 0.0, KEY).loss))(stacked)
    alone = [float(defence(model, images, labels, 0.0, KEY).loss) for defence in several]
    np.testing.assert_allclose(got, alone, rtol=1e-4)


def test_it_reads_as_it_was_written():
    assert repr(TRADES(0.3, beta=2)) == (
        "TRADES(eps=0.3, beta=2.0, steps=10, stride=None, norm='linf', start=0.0, warmup=0.0)"
    )
    assert eval(repr(ALL[0])) == ALL[0]
    assert Adversarial(jnp.float32(0.5)) == Adversarial(0.5)


@pytest.mark.parametrize("make", [Adversarial, fast_adversarial, TRADES, IBP])
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"eps": -0.1}, ValueError, ["eps is -0.1", "[0, 1]"]),
        ({"eps": 1.5}, ValueError, ["eps is 1.5", "[0, 1]"]),
        ({"eps": np.nan}, ValueError, ["eps is nan"]),
        ({"eps": "0.3"}, TypeError, ["eps is '0.3'", "radius"]),
        ({"eps": True}, TypeError, ["eps is True"]),
        ({"eps": np.array([0.1, 0.2])}, ValueError, ["eps has shape (2,)"]),
        ({"start": 2.0}, ValueError, ["start is 2.0", "[0, 1]"]),
        ({"warmup": 1.1}, ValueError, ["warmup is 1.1", "share of the run in [0, 1]"]),
        ({"warmup": -0.1}, ValueError, ["warmup is -0.1"]),
    ],
)
def test_radii_and_schedules_out_of_range_are_refused(make, options, error, words):
    with refuses(*words, error=error):
        make(**{"eps": 0.1} | options)


@pytest.mark.parametrize(
    ("make", "options", "error", "words"),
    [
        (Adversarial, {"steps": 0}, ValueError, ["steps must be at least 1, got 0"]),
        (TRADES, {"steps": 1.5}, TypeError, ["steps must be an int, got 1.5"]),
        (Adversarial, {"stride": -1.0}, ValueError, ["stride is -1.0", "in units of eps", ">= 0"]),
        (fast_adversarial, {"stride": np.inf}, ValueError, ["stride is inf"]),
        (Adversarial, {"norm": "l3"}, ValueError, ["norm is 'l3'", "linf"]),
        (Adversarial, {"norm": "l2", "eps": -1.0}, ValueError, ["eps is -1.0", ">= 0"]),
        (TRADES, {"beta": -1.0}, ValueError, ["beta is -1.0", ">= 0"]),
        (TRADES, {"beta": None}, TypeError, ["beta is None"]),
        (IBP, {"kappa": 1.5}, ValueError, ["kappa is 1.5", "[0, 1]"]),
    ],
)
def test_other_fields_out_of_range_are_refused(make, options, error, words):
    with refuses(*words, error=error):
        make(**{"eps": 0.1} | options)


def test_a_radius_of_another_norm_may_be_large():
    assert Adversarial(3.0, norm="l2").eps == 3
