"""LeNet equals an independent implementation, and takes any images that fit."""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax
from scipy import stats

from helpers import small
from helpers.filled import filled
from helpers.refusal import unchecked
from minmax_jax import LeNet, fuzziness
from minmax_jax.lenet import scaled_tanh
from minmax_jax.objective import cross_entropy

pytestmark = pytest.mark.versions

VARIANTS = ("modern", "classic")


def build(image_shape, classes=2, variant="modern"):
    """A LeNet as a function of its weights and images, and random weights."""
    definition, state = nnx.split(filled(partial(LeNet, image_shape, classes, variant)))
    return lambda state, images: nnx.merge(definition, state)(images), state


def reference(weights, images, variant):
    """LeNet written out with lax: convolutions, window reductions and products."""

    def activation(x):
        return jnp.where(x > 0, x, 0.0) if variant == "modern" else 1.7159 * jnp.tanh(x * (2.0 / 3.0))

    def pool(x):
        window = ((1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        if variant == "modern":
            return lax.reduce_window(x, -jnp.inf, lax.max, *window)
        return lax.reduce_window(x, 0.0, lax.add, *window) / 4

    hidden = images
    for name, padding in (("conv1", "SAME"), ("conv2", "VALID")):
        kernel, bias = weights[name]["kernel"], weights[name]["bias"]
        dimensions = ("NHWC", "HWIO", "NHWC")
        outputs = lax.conv_general_dilated(hidden, kernel, (1, 1), padding, dimension_numbers=dimensions)
        hidden = pool(activation(outputs + bias[None, None, None]))
    hidden = hidden.reshape(hidden.shape[0], hidden[0].size)
    for name in ("dense1", "dense2", "dense3"):
        kernel, bias = weights[name]["kernel"], weights[name]["bias"]
        hidden = hidden @ kernel + bias[None]
        hidden = hidden if name == "dense3" else activation(hidden)
    return hidden


def images_with_flat_areas(shape):
    """Random blots on flat grounds, as digits have: max-pool meets ties."""
    images = np.random.default_rng(1).uniform(size=shape).astype(np.float32)
    images[:, 6:] = 0.5
    images[:, :, :5] = 1
    images[-1] = 0
    return jnp.asarray(images)


def choose(patch, native):
    """As on a GPU, or as on a CPU; the list grows with each time that LeNet or a layer asks."""
    asked = []
    for module in ("lenet", "cpu.convolution"):
        patch.setattr(f"minmax_jax.{module}.is_native", lambda by=module: asked.append(by) or native)
    return asked


@pytest.mark.parametrize(
    ("image_shape", "variant"),
    [
        ((16, 18, 2), "modern"),
        ((12, 12, 1), "modern"),
        pytest.param((30, 27, 3), "modern", marks=pytest.mark.slow),
        pytest.param((13, 17, 2), "modern", marks=pytest.mark.slow),
        ((13, 17, 2), "classic"),
    ],
)
def test_both_forms_equal_an_independent_implementation_and_its_gradients(image_shape, variant, monkeypatch):
    model, state = build(image_shape, 3, variant)
    for layer in ("conv1", "conv2"):  # of few digits: both convolutions are exact with them, and so are ties
        state[layer] = jax.tree.map(lambda leaf: jnp.round(leaf * 16) / 16, state[layer])
    images = jnp.round(images_with_flat_areas((3, *image_shape)) * 4) / 4
    cotangent = jnp.asarray(np.random.default_rng(3).normal(size=(3, 3)), jnp.float32)

    @jax.jit
    def values_and_gradients(state, images):
        results = []
        for form in (True, False, None):
            if form is None:
                values, pull = jax.vjp(partial(reference, variant=variant), nnx.to_pure_dict(state), images)
                results.append((values, *pull(cotangent)))
            else:
                choose(monkeypatch, form)
                values, pull = jax.vjp(lambda state, images: model(state, images), state, images)
                of_weights, of_images = pull(cotangent)
                results.append((values, nnx.to_pure_dict(of_weights), of_images))
        return results

    def close(a, b):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)
        assert np.abs(b).max() > 0.01

    native, tiled, expected = values_and_gradients(state, images)
    jax.tree.map(close, native, expected)
    jax.tree.map(close, tiled, expected)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("native", [True, False])
def test_a_call_chooses_its_form_once(native, variant, monkeypatch):
    model, state = build((12, 12, 1), 2, variant)
    asked = choose(monkeypatch, native)
    program = str(jax.make_jaxpr(model)(state, jnp.zeros((2, 12, 12, 1))))
    assert asked.count("lenet") == 1
    assert asked.count("cpu.convolution") == (2 if native else 0)  # its layers are convolutions by themselves
    assert program.count("conv_general_dilated") == (2 if native else 0)


def test_a_tie_under_max_pool_gives_the_gradient_to_one_value():
    """On a flat image all values of a window tie: half of the rows and columns get no gradient."""
    model, state = build((12, 12, 1))
    flat = jnp.full((1, 12, 12, 1), 0.5)
    state["conv1"]["kernel"][...] = jnp.zeros((5, 5, 1, 6)).at[2, 2].set(1)
    state["conv1"]["bias"][...] = jnp.zeros(6)
    gradient = jax.jit(jax.grad(lambda x: model(state, x).sum()))(flat)[0, :, :, 0]
    assert (np.abs(gradient) > 0).reshape(6, 2, 6, 2).sum((1, 3)).max() == 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_there_are_61706_parameters(variant):
    model = nnx.eval_shape(lambda: LeNet(variant=variant, rngs=nnx.Rngs(0)))
    sizes = [leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]
    assert (sum(sizes), len(sizes)) == (61_706, 10)


@pytest.mark.parametrize(("image_shape", "classes"), [((28, 28, 1), 10), ((12, 12, 1), 2), ((32, 13, 4), 3)])
def test_takes_any_image_size_and_channel_count_that_fit(image_shape, classes):
    model, state = build(image_shape, classes)
    for count in (2, 0):
        logits = jax.eval_shape(model, state, jax.ShapeDtypeStruct((count, *image_shape), jnp.float32))
        assert logits.shape == (count, classes)


def test_the_seed_decides_the_weights():
    first, again, other = (LeNet((12, 12, 1), 2, rngs=nnx.Rngs(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.conv1.kernel[...], again.conv1.kernel[...])
    assert not np.array_equal(first.conv1.kernel[...], other.conv1.kernel[...])


LAYERS = {"conv1": 25, "conv2": 150, "dense1": 400, "dense2": 120, "dense3": 84}  # and their fan_in


def pooled(models, layer, leaf):
    """All weights of one kind in a layer of several networks, as shares of PyTorch's bound."""
    found = [np.asarray(getattr(getattr(one, layer), leaf)[...]).ravel() for one in models]
    return np.concatenate(found) * LAYERS[layer] ** 0.5


def check_uniform(shares):
    """In the bound, to its ends, and spread evenly by the Kolmogorov-Smirnov test."""
    assert np.abs(shares).max() <= 1 and np.ptp(shares) > 1.7
    assert stats.kstest(shares, stats.uniform(-1, 2).cdf).pvalue > 1e-3


@pytest.mark.parametrize("layer", LAYERS)
def test_the_initialiser_torch_is_uniform_in_pytorchs_bounds(layer):
    models = [LeNet(initialiser="torch", rngs=nnx.Rngs(seed)) for seed in range(4)]
    for leaf in ("kernel", "bias"):
        check_uniform(pooled(models, layer, leaf))
    assert models[0].initialiser == "torch" and LeNet.initialiser == "lecun"
    if layer.startswith("conv"):  # of an even spread, the mean of H2(mu) is 1 / (2 ln 2)
        kernel = jnp.concatenate([getattr(one, layer).kernel[...] for one in models], -1)
        f = fuzziness(kernel, reading="fixed", bound=LAYERS[layer] ** -0.5)
        assert float(f) == pytest.approx(0.5 / np.log(2), abs=0.04)


@pytest.mark.torch
def test_pytorch_draws_as_the_initialiser_torch_says():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    shapes = {"conv1": (1, 6, 5), "conv2": (6, 16, 5), "dense1": (400, 120)}
    for layer, shape in shapes.items():
        kind = torch.nn.Conv2d if layer.startswith("conv") else torch.nn.Linear
        for leaf in ("weight", "bias"):
            drawn = [getattr(kind(*shape), leaf).detach().numpy().ravel() for _ in range(8)]
            check_uniform(np.concatenate(drawn) * LAYERS[layer] ** 0.5)


@pytest.mark.parametrize(("shape", "classes"), [((12, 12, 1), 2), ((28, 28, 3), 10), ((16, 12, 1), 999)])
def test_the_default_initialiser_is_flaxs_own(shape, classes):
    model, rngs = LeNet(shape, classes, rngs=nnx.Rngs(0)), nnx.Rngs(0)
    sizes = (model.dense1.kernel.shape[0], 120, 84, classes)
    channels = (shape[2], 6, 16)
    plain = [nnx.Conv(*pair, (5, 5), use_bias=False, rngs=rngs) for pair in pairwise(channels)]
    plain += [nnx.Linear(*pair, rngs=rngs) for pair in pairwise(sizes)]
    for name, layer in zip(("conv1", "conv2", "dense1", "dense2", "dense3"), plain, strict=True):
        np.testing.assert_array_equal(getattr(model, name).kernel[...], layer.kernel[...])


def test_the_default_initialiser_leaves_no_trace():
    model = LeNet((12, 12, 1), 2, rngs=nnx.Rngs(0))
    named = LeNet((12, 12, 1), 2, initialiser="lecun", rngs=nnx.Rngs(0))
    assert nnx.graphdef(named) == nnx.graphdef(model) and "initialiser" not in vars(model)
    assert small.same_weights(named, model)


def test_the_scaled_tanh_maps_one_to_one():
    np.testing.assert_allclose(scaled_tanh(jnp.array([-1.0, 0.0, 1.0])), [-1, 0, 1], atol=1e-4)
    np.testing.assert_allclose(scaled_tanh(jnp.array([9.0, 99.0])), [1.7159, 1.7159], atol=1e-4)


def test_real_digits_meet_the_same_ties_as_in_the_native_form(monkeypatch):
    """Flat strokes and background make windows of equal values, whose gradient goes to the first."""
    digits, model = small.digits().test, small.lenet()
    images, labels = jnp.asarray(digits.images), jnp.asarray(digits.labels)

    def gradient(native):
        choose(monkeypatch, native)
        return np.asarray(jax.jit(jax.grad(lambda x: cross_entropy(model(x), labels)))(images))

    native = gradient(True)
    np.testing.assert_allclose(gradient(False), native, rtol=0, atol=1e-5 * abs(native).max())


@unchecked()
def test_all_weights_are_float32_whatever_the_default():
    with jax.enable_x64(True):
        model = LeNet(rngs=nnx.Rngs(0))
        images = jnp.asarray(small.digits().test.images[:2])
        assert model(images).dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))} == {np.dtype(np.float32)}
    assert small.same_weights(model, small.lenet())
