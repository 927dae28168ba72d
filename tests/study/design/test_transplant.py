"""The arms of the transplants: what they are called, and what their training leaves as it is."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.small import lenet, train
from minmax_jax.defences import TRADES, Adversarial
from minmax_jax.minmax import near_zero
from minmax_jax.study.design.ablation import ABLATIONS
from minmax_jax.study.design.transplant import (
    FASHION_ARMS,
    FLOOR,
    PARTS,
    PLAIN,
    Donor,
    Transplant,
    away_from_zero,
)

WEIGHTS = arrays(np.float32, (2, 2, 1, 2), elements=st.integers(-16, 16).map(lambda n: n / 16))


@given(WEIGHTS, WEIGHTS)
def test_small_weights_move_to_the_nearest_that_is_allowed(kernel, step):
    link = away_from_zero(["a"], 0.5)
    params, updates = ({"a": jnp.asarray(a), "b": jnp.asarray(a)} for a in (kernel, step))
    found, _ = link.update(updates, link.init(params), params)
    new, wanted = optax.apply_updates(params, found)["a"], kernel + step
    least = np.abs(wanted).max() / 2
    nearest = np.where(np.abs(wanted) < least, np.copysign(least, np.where(wanted < 0, -1, 1)), wanted)
    np.testing.assert_allclose(new, nearest, atol=1e-6)
    np.testing.assert_array_equal(found["b"], step)


def test_arms_are_named_apart_and_every_ablation_is_tried():
    for arms in (*PARTS.values(), FASHION_ARMS):
        assert len({arm.name for arm in arms}) == len(arms) and arms[0].name.startswith("none")
    assert [len(arms) for arms in PARTS.values()] == [17, 16, 4] and len(FASHION_ARMS) == 14
    names = {arm.name for arm in PARTS["ablations"]}
    assert {
        f"adversarial 0.3, {layers}, {one}"
        for layers in ("both", "conv1")
        for one in ABLATIONS
        if one != "none"
    } < names
    assert {"fresh, conv1", "trades 0.3, all"} < {arm.name for arm in PARTS["donors"]}
    assert {"plain, both, eps 0.3", "none, eps 0.3, no zeros"} < {arm.name for arm in PARTS["necessity"]}
    assert Transplant(PLAIN, "both").facts["donor"] == "plain"


def test_donors_and_arms_train_by_their_fields():
    defences = [Donor(kind, 0.3).training()["objective"].defence for kind in ("adversarial", "trades")]
    assert [type(one) for one in defences] == [Adversarial, TRADES]
    assert {(one.eps, one.steps, one.warmup) for one in defences} == {(0.3, 5, 0.3)}
    assert Donor("plain").training()["objective"].defence is None
    assert not Donor("fresh").is_trained and Donor("plain").is_trained
    assert Transplant(eps=0.2).training()["objective"].defence.eps == 0.2


@pytest.mark.slow
def test_what_is_transplanted_stays_and_what_is_forbidden_does_not_come():
    start = lenet()
    optimiser = Transplant(PLAIN, "both").training()["optimiser"]
    found = train(start, optimiser=optimiser).model
    for layer in ("conv1", "conv2"):
        for part in ("kernel", "bias"):
            pair = (getattr(getattr(model, layer), part)[...] for model in (start, found))
            np.testing.assert_array_equal(*pair)
    assert not np.array_equal(found.dense1.kernel[...], start.dense1.kernel[...])
    found = train(start, optimiser=Transplant(forbidden="zeros").training()["optimiser"]).model
    kernel = np.abs(found.conv1.kernel[...])
    assert near_zero(kernel[None])[0] == 0 and kernel.min() >= FLOOR * kernel.max() - 1e-6
    found = train(start, optimiser=Transplant(forbidden="biases").training()["optimiser"]).model
    assert (found.conv1.bias[...] == 0).all() and (found.conv2.bias[...] == 0).all()
    assert (found.dense1.bias[...] != 0).any()
