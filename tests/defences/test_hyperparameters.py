"""Hyperparameters of defences: what is traced, how they read, and how they change during a run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minmax_jax as mm
from helpers.defending import KEY, straight
from helpers.refusal import unchecked
from minmax_jax.defences import IBP, TRADES, Adversarial
from minmax_jax.defences.hyperparameters import ramp

ALL = [
    Adversarial(0.1, warmup=0.5),
    Adversarial(0.1, stride=0.5, start=0.05),
    TRADES(0.1, beta=2.0),
    IBP(0.1, kappa=0.25),
]
shares = st.floats(0, 1, width=32)
jitted = jax.jit(ramp)


@pytest.mark.parametrize("defence", ALL)
def test_it_comes_back_whole_from_its_leaves(defence):
    leaves, structure = jax.tree.flatten(defence)
    assert all(isinstance(leaf, float) for leaf in leaves)
    assert jax.tree.unflatten(structure, leaves) == defence == eval(repr(defence))
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


def test_it_reads_as_it_was_written():
    """Folders of sweeps tell by an objective's text what they hold."""
    assert repr(mm.Objective(0.5, defence=ALL[0])).endswith(f"l2=0.0, defence={ALL[0]!r})")
    assert repr(mm.Objective(0.5)) == (
        "Objective(strength=0.5, reading='layer', membership='signed', measure='entropy', p=3.0, bound=None, "
        "layers=None, l1=0.0, l2=0.0)"
    )
    assert repr(TRADES(0.3, beta=2)) == (
        "TRADES(eps=0.3, beta=2.0, steps=10, stride=None, norm='linf', start=0.0, warmup=0.0)"
    )
    assert Adversarial(jnp.float32(0.5)) == Adversarial(0.5)
    assert Adversarial(3.0, norm="l2").eps == 3  # by another norm a radius may be large


@pytest.mark.parametrize(
    ("progress", "expected"), [(0.0, 0.1), (0.1, 0.15), (0.2, 0.2), (0.4, 0.3), (0.7, 0.3), (1.0, 0.3)]
)
def test_a_ramp_by_hand(progress, expected):
    assert float(jitted(0.1, 0.3, 0.4, progress)) == pytest.approx(expected)
    assert float(jitted(0.0, 0.3, 0.0, progress)) == np.float32(0.3)  # constant without a warm-up
    assert float(jitted(0.2, 0.2, 0.5, progress)) == np.float32(0.2)


@given(shares, shares, shares, shares)
@settings(max_examples=50)
def test_a_ramp_stays_between_its_ends_and_reaches_the_second_exactly(start, stop, over, progress):
    value = float(jitted(start, stop, over, progress))
    assert min(start, stop) - 1e-6 <= value <= max(start, stop) + 1e-6
    if progress >= over:
        assert value == np.float32(stop)
    if progress == 0 < over:
        assert value == np.float32(start)


@unchecked()
def test_numbers_of_numpy_count_as_pythons_own():
    numpys = TRADES(np.float16(0.1), beta=np.array(6), steps=np.int8(10), warmup=jnp.float32(0.5))
    assert repr(numpys) == repr(TRADES(float(np.float16(0.1)), beta=6.0, steps=10, warmup=0.5))
