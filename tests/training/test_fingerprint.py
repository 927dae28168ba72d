"""What counts as the same run."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import minmax_jax as mm
from helpers.refusal import unchecked
from helpers.small import Norm, digits
from minmax_jax.storage.digests import difference
from minmax_jax.train_step import initial_state
from minmax_jax.training.fingerprint import fingerprint


def of(model, optimiser=None, **counts):
    optimiser = optimiser or optax.adam(1e-3)
    definition, start = initial_state(model, optimiser, 3)
    return fingerprint(definition, start, digits(), mm.Objective(), optimiser, counts)


def test_it_is_plain_and_says_the_same_twice():
    one, other = (of(Norm(nnx.Rngs(0)), seed=np.int64(3)) for _ in range(2))
    assert difference(one, other) is None
    assert json.loads(json.dumps(one)) == one
    assert (
        one["seed"] == 3 and one["model.dropout.rate"] == "0.5" and one["version of jax"] == jax.__version__
    )


def test_modules_and_functions_count_by_name_and_not_by_address():
    def model(activation):
        conv = nnx.Conv(1, 2, (3, 3), rngs=nnx.Rngs(0))
        return nnx.Sequential(conv, activation, lambda x: x.mean((1, 2)))

    assert difference(of(model(jnp.tanh)), of(model(jnp.tanh))) is None
    assert not any(" at 0x" in str(value) for value in of(model(jnp.tanh)).values())
    assert difference(of(model(nnx.relu)), of(model(nnx.sigmoid)))[0].startswith("model.layers")


def test_random_keys_and_rates_count():
    other = Norm(nnx.Rngs(0))
    other.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(1))
    name, *_ = difference(of(Norm(nnx.Rngs(0))), of(other))
    assert name == "model at the start.dropout.rngs.key"
    other = Norm(nnx.Rngs(0))
    other.dropout.rate = 0.4
    assert difference(of(Norm(nnx.Rngs(0))), of(other)) == ("model.dropout.rate", "0.5", "0.4")


def test_optimisers_count_by_what_they_do_first():
    model = Norm(nnx.Rngs(0))
    plain = of(model, optax.sgd(0.1))
    assert difference(plain, of(model, optax.sgd(0.1, nesterov=True))) is None  # without momentum the same
    for other in (optax.sgd(0.2), optax.sgd(optax.piecewise_constant_schedule(0.1, {1: 0.5}))):
        assert difference(plain, of(model, other)) is not None


@unchecked()
def test_numbers_of_numpy_count_as_pythons_own():
    one, other = Norm(nnx.Rngs(0)), Norm(nnx.Rngs(0))
    one.width, other.width = 3, np.int64(3)
    one.sizes, other.sizes = (3, 4), (np.int64(3), np.int16(4))
    assert difference(of(one, seed=3), of(other, seed=np.int8(3))) is None
