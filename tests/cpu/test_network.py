"""A simplified network is the network, in outputs, gradients and state; only its speed differs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.errors import TraceContextError

from minmax_jax import LeNet, native
from minmax_jax.cpu.network import simplify

pytestmark = pytest.mark.versions


class Residual(nnx.Module):
    """Strides, groups, batch statistics, dropout, pooling, a jitted part and arguments of the call."""

    def __init__(self, rngs):
        self.stem = nnx.Conv(3, 8, (3, 3), padding="CIRCULAR", rngs=rngs)
        self.norm = nnx.BatchNorm(8, rngs=rngs)
        self.depthwise = nnx.Conv(8, 8, (3, 3), strides=2, feature_group_count=8, use_bias=False, rngs=rngs)
        self.point = nnx.Conv(8, 8, (1, 1), rngs=rngs)
        self.skip = nnx.Conv(8, 8, (1, 1), strides=2, rngs=rngs)
        self.shared = nnx.Conv(8, 8, (3, 3), kernel_dilation=2, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(8, 4, rngs=rngs)

    def __call__(self, images, scale=1.0):
        x = nnx.max_pool(nnx.relu(self.norm(self.stem(images))), (2, 2), (2, 2))
        x = jax.jit(nnx.gelu)(self.point(self.depthwise(x)) + self.skip(x))
        x = self.shared(self.shared(x))
        return {"logits": scale * self.head(self.dropout(x.mean((1, 2))))}


@pytest.fixture(scope="module")
def images():
    return jax.random.uniform(jax.random.key(0), (5, 12, 12, 3))


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_outputs_gradients_and_state_are_those_of_the_network(mode, images):
    model = Residual(nnx.Rngs(0))
    getattr(model, mode)()
    pair = model, simplify(nnx.clone(model))

    def loss(model, images):
        return (model(images, scale=2.0)["logits"] ** 2).mean()

    values = [nnx.value_and_grad(loss, argnums=(0, 1))(one, images) for one in pair]
    for got, right in zip(*(jax.tree.leaves(one) for one in values), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-4, atol=1e-6)
    states = [jax.tree.leaves(nnx.state(one, nnx.Not(nnx.RngKey))) for one in pair]
    for got, right in zip(*states, strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-5, atol=1e-6)
    if mode == "train":  # the call has changed batch statistics and the count of random numbers
        assert not np.allclose(pair[1].norm.mean[...], 0)
        assert pair[1].dropout.rngs.count[...] == 1


def test_convolutions_are_exchanged_wherever_they_stand(images):
    model = simplify(Residual(nnx.Rngs(0)))
    model.eval()
    program = str(jax.make_jaxpr(jax.grad(lambda x: model(x)["logits"].sum()))(images))
    assert "select_and_scatter" not in program
    assert "feature_group_count=8" not in program


def test_a_module_without_such_convolutions_stays_as_it_is():
    lenet = LeNet(rngs=nnx.Rngs(0))
    assert type(simplify(lenet)) is LeNet


def test_the_class_is_one_derived_from_the_modules_own():
    model = simplify(Residual(nnx.Rngs(0)))
    assert isinstance(model, Residual)
    assert type(model) is type(simplify(Residual(nnx.Rngs(1))))  # one class: jit compiles once


def test_a_native_copy_keeps_the_convolutions_of_jax_wherever_it_goes(images):
    model = Residual(nnx.Rngs(0))
    copy = native(model)
    assert type(simplify(nnx.merge(*nnx.split(copy)))) is Residual
    np.testing.assert_array_equal(copy(images)["logits"], model(images)["logits"])


def test_off_the_cpu_nothing_is_exchanged(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert type(simplify(Residual(nnx.Rngs(0)))) is Residual


class Keeping(nnx.Module):
    """Makes a new variable when it is called."""

    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 2, (3, 3), rngs=rngs)

    def __call__(self, images):
        found = self.conv(images)
        self.seen = nnx.Intermediate(found)
        return found.mean((1, 2))


def test_new_variables_of_a_call_are_kept(images):
    model = Keeping(nnx.Rngs(0))
    simple = simplify(nnx.clone(model))
    np.testing.assert_allclose(simple(images), model(images), rtol=1e-5)
    np.testing.assert_allclose(simple.seen[...], model.seen[...], rtol=1e-5)


def test_state_that_may_not_change_is_refused_as_by_flax(images):
    model = Residual(nnx.Rngs(0))
    model.train()
    for one in (model, simplify(nnx.clone(model))):
        with pytest.raises(TraceContextError):
            jax.eval_shape(lambda x, one=one: one(x), jnp.zeros_like(images))
