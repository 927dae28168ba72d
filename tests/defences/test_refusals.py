"""What defences, recipes and objectives with a defence refuse, and how they say so."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.defending import KEY
from helpers.refusal import refuses
from helpers.small import digits
from helpers.sweeping import Tiny
from minmax_jax.defences import IBP, TRADES, Adversarial, fast_adversarial, recipe
from minmax_jax.objective import cross_entropy

GOOD = {"eps": 0.1}
RADIUS, SHARE = "must be a radius in [0, 1], got", "must be a share of the run in [0, 1], got"
fast = partial(recipe, **{"name": "fast", "data": digits()})


class Listed:
    __hash__ = None

    def __call__(self, *_):
        pass


@pytest.mark.parametrize("make", [Adversarial, fast_adversarial, TRADES, IBP])
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"eps": -0.1}, ValueError, f"eps {RADIUS} -0.1"),
        ({"eps": 1.5}, ValueError, f"eps {RADIUS} 1.5"),
        ({"eps": "0.3"}, TypeError, f"eps {RADIUS} '0.3'"),
        ({"eps": np.array([0.1, 0.2])}, ValueError, f"eps {RADIUS} an array of shape (2,)"),
        ({"start": 2.0}, ValueError, f"start {RADIUS} 2.0"),
        ({"warmup": 1.1}, ValueError, f"warmup {SHARE} 1.1"),
    ],
)
def test_radii_and_schedules_out_of_range_are_refused(make, options, error, words):
    with refuses(words, error=error):
        make(**GOOD | options)


@pytest.mark.parametrize(
    ("make", "options", "error", "words"),
    [
        (Adversarial, {"steps": 0}, ValueError, "steps must be at least 1, got 0"),
        (Adversarial, {"stride": -1.0}, ValueError, "stride must be a finite step length >= 0, got -1.0"),
        (fast_adversarial, {"stride": np.inf}, ValueError, "got inf"),
        (Adversarial, {"norm": "l3"}, ValueError, "norm must be one of ('linf', 'l2', 'l1'), got 'l3'"),
        (Adversarial, {"norm": "l2", "eps": -1.0}, ValueError, "eps must be a finite radius >= 0, got -1.0"),
        (TRADES, {"beta": -1.0}, ValueError, "beta must be a finite number >= 0, got -1.0"),
        (IBP, {"kappa": 1.5}, ValueError, "kappa must be a share of the clean images'"),
        (fast, {"name": "madry"}, ValueError, "name must be one of ('adversarial', 'fast', 'trades', 'ibp')"),
        (fast, {"data": 3}, TypeError, "data must be a minmax_jax.data"),
        (fast, {"eps": 2.0}, ValueError, f"eps {RADIUS} 2.0"),
        (fast, {"epochs": 0}, ValueError, "epochs must be at least 1, got 0"),
        (fast, {"batch_size": 651}, ValueError, "batch_size must be in [1, 650], got 651"),
        (fast, {"strength": np.nan}, ValueError, "strength must be a finite number, got nan"),
        (mm.Objective, {"defence": 0.3}, TypeError, "mm.defences.Adversarial(eps=0.3)"),
        (mm.Objective, {"defence": "pgd"}, TypeError, "'pgd'"),
        (mm.Objective, {"defence": Adversarial}, TypeError, "mm.defences.Adversarial(eps=0.3)"),
        (mm.Objective, {"defence": Listed()}, TypeError, "hash"),
    ],
)
def test_other_arguments_out_of_range_are_refused(make, options, error, words):
    with refuses(words, error=error):
        make(**(GOOD if make is not mm.Objective else {}) | options)


def test_a_defence_that_gives_no_three_numbers_is_refused():
    def two(model, images, labels, progress, key):
        loss = cross_entropy(model(images), labels)
        return loss, loss

    def rows(model, images, labels, progress, key):
        logits = model(images)
        return logits.sum(), logits.sum(), logits[:, 0]

    for defence in (two, rows):
        objective = mm.Objective(defence=defence)
        with refuses(defence.__name__, "three numbers", error=TypeError):
            mm.fit(Tiny(nnx.Rngs(0)), digits(), objective, progress=False)
        with refuses(defence.__name__, "three numbers", error=TypeError):
            mm.sweep(Tiny, digits(), [objective], [0], progress=False)


def test_a_model_that_bounds_cannot_go_through_is_refused_before_training():
    with refuses("model", "LeNet", error=TypeError):
        mm.fit(Tiny(nnx.Rngs(0)), digits(), mm.Objective(defence=IBP(0.1)), progress=False)
    with refuses("model", "LeNet", error=TypeError):
        model = nnx.Linear(1, 10, rngs=nnx.Rngs(0))
        IBP(0.1)(model, jnp.zeros((1, 12, 12, 1)), jnp.zeros(1, int), 0.0, KEY)
