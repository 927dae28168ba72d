"""Projection keeps weights in their interval and leaves what is inside; frozen layers stay as they are."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import minmax_jax as mm
from helpers.refusal import unchecked
from helpers.small import lenet, train
from minmax_jax.intervals import initial_bound
from minmax_jax.training.saved import parameters

pytestmark = pytest.mark.versions

KERNEL = arrays(np.float32, (2, 2, 1, 3), elements=st.floats(-3, 3, width=32))


@given(KERNEL, KERNEL, st.floats(0.1, 2))
def test_steps_are_optax_projections(kernel, update, bound):
    link = mm.keep_in_interval(bound)
    params = {"conv": {"kernel": jnp.clip(kernel, -bound, bound), "bias": jnp.ones(3)}}
    updates = {"conv": {"kernel": jnp.asarray(update), "bias": jnp.full(3, 9.0)}}
    params["position"], updates["position"] = jnp.zeros((1, 4, 4, 1)), jnp.full((1, 4, 4, 1), 5.0)
    found, _ = link.update(updates, link.init(params), params)
    new = optax.apply_updates(params, found)
    expected = optax.projections.projection_box(params["conv"]["kernel"] + update, -bound, bound)
    np.testing.assert_allclose(new["conv"]["kernel"], expected, atol=1e-6)
    assert (new["conv"]["bias"] == 10).all() and (new["position"] == 5).all()  # not a kernel


def test_the_default_is_the_support_of_the_initialiser():
    kernel = jnp.zeros((5, 5, 6, 16))
    link = mm.keep_in_interval()
    found, _ = link.update({"k": kernel + 5}, link.init({}), {"k": kernel})
    np.testing.assert_allclose(found["k"], initial_bound(kernel.shape))


@unchecked()
def test_other_ranks():
    dense = {"kernel": jnp.zeros((4, 3))}
    for rank, expected in ((4, 5.0), (np.int64(2), 0.5), ((2, 4), 0.5)):
        link = mm.keep_in_interval(np.float16(0.5), rank)
        found, _ = link.update({"kernel": jnp.full((4, 3), 5.0)}, link.init(dense), dense)
        assert (found["kernel"] == expected).all()


OPTIMISER = optax.chain(optax.adam(0.02), mm.keep_in_interval())


@pytest.mark.slow
def test_a_network_is_trained_inside():
    run = train(optimiser=OPTIMISER)
    for name, kernel in mm.kernels(run.model).items():
        bound = initial_bound(kernel.shape)
        assert float(jnp.abs(kernel).max()) == pytest.approx(bound, rel=1e-6), name  # reached, not left
    free = train(optimiser=optax.adam(0.02))
    assert any(
        float(jnp.abs(kernel).max()) > initial_bound(kernel.shape)
        for kernel in mm.kernels(free.model).values()
    )


@pytest.mark.parametrize(
    ("optimiser", "names", "held"),
    [
        (optax.adamw(0.01, weight_decay=1.0), ["conv1"], {"conv1.kernel", "conv1.bias"}),
        (optax.chain(optax.clip_by_global_norm(1e-3), optax.sgd(1.0)), ["conv2.kernel"], {"conv2.kernel"}),
        pytest.param(
            optax.lbfgs(),
            ("dense1", "conv1.bias"),
            {"dense1.kernel", "dense1.bias", "conv1.bias"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_frozen_layers_stay_bit_for_bit_and_the_rest_learns(optimiser, names, held):
    model = lenet()
    model.conv1.bias[...] = jnp.array([-0.0, 0.0, 1e-40, -1.0, 2.0, 3.0], jnp.float32)
    before = {name: np.asarray(leaf).tobytes() for name, leaf in parameters(model).items()}
    run = train(model, optimiser=mm.frozen(optimiser, names), epochs=1)
    after = {name: np.asarray(leaf).tobytes() for name, leaf in parameters(run.model).items()}
    assert {name for name in before if before[name] == after[name]} == held


def test_the_rest_moves_as_if_frozen_layers_were_constants():
    """Also where the optimiser looks at all gradients at once, as clipping by their norm does."""
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.1))
    rest = {"b": {"kernel": jnp.ones(3)}}
    params = rest | {"a": {"kernel": jnp.ones(2)}}
    grads = {"a": {"kernel": jnp.full(2, 1e3)}, "b": {"kernel": jnp.array([1.0, -2.0, 3.0])}}
    link = mm.frozen(optimiser, ["a"])
    found, _ = link.update(grads, link.init(params), params)
    expected, _ = optimiser.update({"b": grads["b"]}, optimiser.init(rest), rest)
    np.testing.assert_allclose(found["b"]["kernel"], expected["b"]["kernel"], rtol=1e-6)
    assert (found["a"]["kernel"] == 0).all()
