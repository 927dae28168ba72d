"""What is checked of arguments in general, and every bad argument that the core refuses."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import minmax_jax as mm
from helpers.filled import filled
from helpers.refusal import refuses, unchecked
from helpers.small import digits
from minmax_jax import (
    Conv,
    Interval,
    LeNet,
    Objective,
    convolve,
    degree,
    fuzziness,
    interval,
    kernels,
    patches,
)
from minmax_jax.checks import (
    as_array,
    as_ends,
    as_key,
    as_pair,
    check_count,
    check_flag,
    check_number,
    check_positive,
    check_type,
    is_known,
    one_of,
)
from minmax_jax.convolution import toeplitz
from minmax_jax.evaluation import map_batches, split_model
from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import MEMBERSHIPS, READINGS, memberships
from minmax_jax.minmax import near_zero, sign_test
from minmax_jax.objective import TRAINABLE_READINGS
from minmax_jax.theory import CLOSED, amplification, amplification_parts, amplifications, closed_form, descend
from minmax_jax.train_step import initial_state, train_steps
from minmax_jax.training import ADAM
from minmax_jax.units import margins, unit_bounds, unit_information, unit_memberships, unstable_share

pytestmark = pytest.mark.versions

NAN, INF = np.nan, np.inf


def test_what_is_in_range_passes():
    assert one_of("reading", "layer", ("layer", "filter")) == "layer"
    for got in (3, np.int64(3), np.uint8(3), np.array(3), jnp.int32(3)):
        count = check_count("epochs", got, most=3)
        assert count == 3 and type(count) is int
    for got in (0.5, np.float16(0.5), np.float64(0.5), np.array(0.5), jnp.bfloat16(0.5)):
        number = check_number("eps", got, "a number", lambda one: one < 1)
        assert number == 0.5 and type(number) is float
    check_type("model", 1, int)
    check_positive("p", 1e-9)


def test_arrays_come_in_as_they_are():
    for got in (K, np.ones(2, np.int8), 0.5, np.float16(1), nnx.Param(K), True * K):
        np.testing.assert_array_equal(as_array("x", got), np.asarray(got))
    assert jax.jit(lambda x: as_array("x", x, "n, h, w, c"))(K[:0]).shape == (0, 2, 1, 3)
    for key in (jax.random.key(3), jax.random.PRNGKey(3)):
        assert jax.random.bits(as_key(key)) == jax.random.bits(key)


def test_values_are_unknown_inside_a_transformation():
    seen = []
    jax.jit(lambda x: seen.append(is_known(x)) or check_positive("x", x))(-1.0)
    assert seen == [False] and is_known(1.0)


K = jnp.arange(12.0).reshape(2, 2, 1, 3)
FIXED = {"reading": "fixed"}
LAYERS = [K, K[:1]]
IMAGES, WINDOW = jnp.zeros((1, 4, 4, 1)), jnp.zeros((2, 2, 1, 1))
DENSE = {"dense": jnp.ones((2, 2))}


def keys():
    return nnx.Rngs(0)


@cache
def lenet():
    return filled(LeNet)


def train_without_a_course():
    objective = Objective(defence=mm.defences.IBP(eps=0.1))
    definition, state = initial_state(lenet(), ADAM, 1)
    empty = np.zeros((1, 1), np.int32)
    return train_steps(definition, ADAM, objective, state, IMAGES, empty[0], empty, empty[0])


def one_extreme_too_few():
    return fuzziness(LAYERS, reading="trajectory", extremes={"0": Interval(K, K)})


def pad(padding):
    return Conv(1, 1, (3, 3), padding=padding, rngs=keys())


PADDING = "padding must be 'SAME', 'VALID', an int, or ((top, bottom), (left, right))"
BAD_PADDINGS = ("same", "", [1, 2], ((0, 0),), ((0, 0, 0), (0, 0, 0)), None, 1.5, [(1, 1)] * 3)
TILED = (
    lambda tile: convolve(IMAGES, WINDOW, tile=tile),
    lambda tile: patches(IMAGES, (2, 2), tile=tile),
    lambda tile: toeplitz(WINDOW, tile),
)
REFUSALS = [
    # checks
    (lambda: one_of("reading", "row", ("a", "b")), "reading must be one of ('a', 'b'), got 'row'"),
    (lambda: check_count("epochs", 0), "epochs must be at least 1, got 0"),
    (lambda: check_count("seed", 7, 0, 6), "seed must be in [0, 6], got 7"),
    (lambda: check_positive("p", 0), "p must be a finite number > 0, got 0"),
    (lambda: check_positive("p", NAN), "p must be a finite number > 0, got nan"),
    (lambda: check_positive("p", INF), "p must be a finite number > 0, got inf"),
    (lambda: check_positive("p", np.ones(2)), "p must be a finite number > 0, got an array of shape (2,)"),
    (lambda: as_array("x", np.ones(2), "..., h, w"), "x must have shape (..., h, w), got (2,)"),
    (lambda: as_array("x", np.ones((0, 2)), "h, w"), "x must have shape (h, w), none 0, got (0, 2)"),
    (lambda: as_pair("tile", {1, 2, 3}, "rows, columns"), "tile must be (rows, columns), each >= 1, got"),
    (lambda: as_ends("span", (K, K[:, :1, :, :2]), K.shape), "span must have ends that broadcast to the"),
    (lambda: check_count("epochs", 10**30), "epochs must be in [1, 2147483647], got 1000"),
    (lambda: convolve(IMAGES, WINDOW, np.ones(2)), "bias must have shape (1,), one for each output channel"),
    (lambda: patches(IMAGES, (2, 2), ((0, 1.5), (0, 0))), PADDING),
    (lambda: patches(IMAGES, (2, 2), True), PADDING),
    (
        lambda: mm.robustness(lenet(), digits().test, eps=True, attacks=["fgsm"]),
        "eps must be one radius or more",
    ),
    # kernels
    (lambda: kernels(lenet(), ["conv3"]), "layers must be a sequence of names out of ['conv1', 'conv2']"),
    (lambda: kernels(lenet(), ["conv1", "dense1"]), "got ['conv1', 'dense1']"),
    (lambda: kernels(lenet(), []), "layers must be a sequence of names"),
    (lambda: kernels(lenet(), "conv1"), "layers must be a sequence of names"),
    (lambda: kernels(lenet(), rank=(3, 5)), "rank 3 or 5"),
    (lambda: kernels({}), "hold a convolution kernel, a floating-point array of rank 4, got shapes []"),
    (lambda: kernels(nnx.Linear(2, 3, rngs=keys())), "(2, 3)"),
    (lambda: kernels({"a.b": K, "a": {"b": K}}), "layers of different names, got two named 'a.b'"),
    # intervals
    (lambda: interval(K, "Layer"), f"reading must be one of {READINGS}, got 'Layer'"),
    (lambda: interval(K, "layer", None), f"membership must be one of {MEMBERSHIPS}, got None"),
    (lambda: memberships(K, interval(K), ""), f"membership must be one of {MEMBERSHIPS}, got ''"),
    (lambda: interval(K.at[0].set(NAN), "fixed"), "kernel must hold finite weights"),
    (lambda: interval(K.at[0].set(-INF)), "kernel must hold finite weights"),
    (lambda: interval(jnp.zeros((0, 3))), "kernel must hold at least one weight, got shape (0, 3)"),
    (lambda: interval(jnp.full((2, 2, 1, 1), 3.0)), "zero width by reading 'layer' and membership 'signed'"),
    (lambda: interval(0 * K, "layer", "magnitude"), "zero width by reading 'layer' and membership 'mag"),
    (lambda: interval(K.at[..., 1].set(5.0), "filter"), "kernel must hold weights that differ"),
    (lambda: interval(K.at[..., 0].set(0.0), "filter", "magnitude"), "kernel must hold weights that differ"),
    (lambda: interval(jnp.arange(3.0), "filter"), "kernel must have rank >= 2 with reading 'filter', got"),
    (lambda: interval(K, "fixed", bound=0.0), "bound must be a finite number > 0, got 0.0"),
    (lambda: jax.jit(lambda k: interval(k, "fixed", bound=NAN))(K), "bound must be a finite number > 0, got"),
    (lambda: interval(K, bound=2.0), "bound must be None unless reading is 'fixed', got 2.0 with 'layer'"),
    (lambda: interval(K, "trajectory"), "extremes must be an Interval(low, high), got a NoneType"),
    (lambda: interval(K, "trajectory", extremes=Interval(K + 9, K)), "extremes must have low <= high"),
    (lambda: interval(K, "trajectory", extremes=Interval(K * NAN, K)), "extremes must have low <= high"),
    # fuzziness
    (lambda: fuzziness(K, measure="Entropy"), f"measure must be one of {MEASURES}, got 'Entropy'"),
    (lambda: degree(jnp.float32(0.5), None), f"measure must be one of {MEASURES}, got None"),
    (lambda: fuzziness(K, measure="yager", p=0.0), "p must be a finite number > 0, got 0.0"),
    (lambda: degree(jnp.array([0.5, -1e-6])), "mu must be in [0, 1]"),
    (lambda: degree(jnp.array([0.5, 1.0001])), "mu must be in [0, 1]"),
    (lambda: degree(jnp.array([0.5, NAN])), "mu must be in [0, 1]"),
    (lambda: fuzziness([K, K * NAN]), "kernel must hold finite weights"),
    (lambda: fuzziness(DENSE), "weights must hold a convolution kernel"),
    (lambda: fuzziness(K, bound=1.0), "bound must be None unless reading is 'fixed'"),
    (lambda: fuzziness(LAYERS, reading="trajectory"), "extremes must be an Interval"),
    (one_extreme_too_few, "extremes must have an Interval for each of ['0', '1'], got ['0']"),
    (lambda: fuzziness(K, layers=["conv9"]), "layers must be None for a single kernel, got ['conv9']"),
    # convolution and LeNet
    *[(lambda padding=padding: pad(padding), f"{PADDING}, got {padding!r}") for padding in BAD_PADDINGS],
    (lambda: patches(IMAGES, (2, 2), -1), "padding must be numbers >= 0, got -1"),
    (lambda: patches(IMAGES, (2, 2), ((0, 0), (0, -2))), "padding must be numbers >= 0"),
    (lambda: patches(IMAGES, (5, 1)), "window must be at least 1x1 and at most the padded image, 4x4"),
    (lambda: patches(IMAGES, (2, 0)), "window must be (height, width), each >= 1, got (2, 0)"),
    (lambda: patches(IMAGES, (7, 6), 1), "at most the padded image, 6x6, got 7x6"),
    (lambda: convolve(IMAGES, jnp.zeros((2, 2, 3, 1))), "images must have the 3 channels of a kernel of"),
    (lambda: convolve(IMAGES[0], WINDOW), "images must have shape (n, h, w, cin), got (4, 4, 1)"),
    (lambda: convolve(IMAGES, WINDOW[0]), "kernel must have shape (kh, kw, cin, cout), got (2, 1, 1)"),
    (lambda: Conv(1, 1, (0, 3), rngs=keys()), "kernel_size must be (height, width), each >= 1, got (0, 3)"),
    (lambda: Conv(1, 1, (3,), rngs=keys()), "kernel_size must be (height, width)"),
    *[
        (lambda call=call, tile=tile: call(tile), f"tile must be (rows, columns), each >= 1, got {tile}")
        for tile in ((0, 1), (2, -1), (2,), (1, 2, 3))
        for call in TILED
    ],
    (lambda: LeNet(variant="relu", rngs=keys()), "variant must be one of ('modern', 'classic'), got 'relu'"),
    (lambda: LeNet(initialiser="he", rngs=keys()), "initialiser must be one of ('lecun', 'torch'), got 'he'"),
    *[
        (lambda shape=shape: LeNet(shape, rngs=keys()), f"of at least (12, 12, 1), got {shape}")
        for shape in ((11, 28, 1), (28, 11, 1), (28, 28, 0), (28, 28), (1, 28, 28, 1))
    ],
    (lambda: LeNet(classes=1, rngs=keys()), "classes must be at least 2, got 1"),
    (lambda: LeNet((1, 28, 28), rngs=keys()), "got (1, 28, 28); give images.transpose(0, 2, 3, 1)"),
    (lambda: lenet()(jnp.zeros((2, 28, 28, 3))), "images must have shape (n, 28, 28, 1), got (2, 28, 28, 3)"),
    (lambda: lenet()(jnp.zeros((28, 28, 1))), "images must have shape (n, 28, 28, 1), got (28, 28, 1)"),
    # objective
    (lambda: Objective(NAN), "strength must be a finite number, got nan"),
    (lambda: Objective(INF), "strength must be a finite number, got inf"),
    (lambda: Objective(l1=-1.0), "l1 must be a finite number >= 0, got -1.0"),
    (lambda: Objective(l2=NAN), "l2 must be a finite number >= 0, got nan"),
    (lambda: Objective(reading="trajectory"), f"reading must be one of {TRAINABLE_READINGS}, got"),
    (lambda: Objective(membership="sign"), f"membership must be one of {MEMBERSHIPS}, got 'sign'"),
    (lambda: Objective(measure="gini"), f"measure must be one of {MEASURES}, got 'gini'"),
    (lambda: Objective(p=0.0), "p must be a finite number > 0, got 0.0"),
    (lambda: Objective(bound=-1.0, **FIXED), "bound must be a finite number > 0, got -1.0"),
    (lambda: Objective(bound=1.0), "bound must be None unless reading is 'fixed', got 1.0 with 'layer'"),
    (lambda: Objective(layers=("c",)).penalty(LAYERS), "layers must be a sequence of names out of ['0'"),
    (lambda: Objective(layers=("c",)).check(LAYERS), "layers must be a sequence of names"),
    (lambda: Objective(0.1).check([0 * K]), "kernel must hold weights that differ"),
    (lambda: Objective(0.1).penalty([K * NAN]), "kernel must hold finite weights"),
    # statistics, theory, evaluation
    (lambda: near_zero(np.ones((1, 2)), within=1.0), "within must be in (0, 1), a share of"),
    (lambda: sign_test(3, -1), "towards must be at least 0, got -1"),
    (lambda: closed_form(np.array([0.3]), "entropy", 0.1), f"measure must be one of {CLOSED}"),
    (lambda: descend(np.array([0.3]), "linear", 0.1, -1), "steps must be at least 0, got -1"),
    (lambda: amplification(K, -0.1), "eps must be a finite number >= 0, got -0.1"),
    (lambda: amplification(K, INF), "eps must be a finite number >= 0, got inf"),
    (lambda: amplification_parts(K, "fixed"), "reading must be one of ('layer', 'filter'), got 'fixed'"),
    (lambda: amplification_parts(K.at[..., 2].set(0)), "kernel must hold weights that differ"),
    (lambda: amplifications(K, layers=["conv1"]), "layers must be None for a single kernel"),
    (lambda: amplifications(DENSE), "weights must hold a convolution kernel"),
    (lambda: margins(K, DENSE["dense"]), "outputs must have the channels of a kernel of shape (2, 2)"),
    (lambda: unit_memberships(K, K, 0), "tau must be a finite number > 0, got 0"),
    (lambda: unit_information(K), "mu must be in [0, 1], got values outside or NaN"),
    (lambda: unit_bounds(WINDOW, None, IMAGES, -0.1), "eps must be a finite number >= 0, got -0.1"),
    (
        lambda: unit_bounds(WINDOW, None, IMAGES + 9, 0.1),
        "images must be in [0, 1], got values outside or NaN",
    ),
    (lambda: unit_bounds(WINDOW, None, IMAGES + NAN, 0.1), "divide bytes by 255, or give boxed=False"),
    (lambda: unit_bounds(WINDOW, None, IMAGES, 0.1, padding="same"), PADDING),
    (lambda: unstable_share(K, K[:1]), "high must have the shape of low, (2, 2, 1, 3), got (1, 2, 1, 3)"),
    (lambda: map_batches(jnp.sin, 0, K), "batch_size must be at least 1, got 0"),
    (lambda: mm.accuracy(lenet(), digits().test, 0), "batch_size must be at least 1, got 0"),
]
TYPES = [
    (lambda: check_count("epochs", 1.0), "epochs must be an int, got 1.0"),
    *[
        (lambda got=got: as_array("x", got), f"x must be an array of NumPy or JAX, got {named}")
        for got, named in (
            ([1.0], "a list; give np.asarray(x)"),
            (None, "a NoneType"),
            (jnp.ndarray, "the class"),
        )
    ],
    *[
        (lambda got=got: as_array("x", got), "x must be an array of numbers, got")
        for got in (np.array(["a"]), np.array([None]), np.array(1j), jax.random.key(0))
    ],
    (
        lambda: as_key(3),
        "key must be one random key, such as jax.random.key(0), got 3; give jax.random.key(3)",
    ),
    (lambda: as_key(jax.random.split(jax.random.key(0))), "got key<fry> of shape (2,)"),
    (lambda: check_flag("progress", 1), "progress must be True or False, got 1"),
    (lambda: Conv(1, 1, (3, 3), rngs=0), "rngs must be a flax.nnx.rnglib.Rngs, got an int; give nnx.Rngs(0)"),
    (lambda: check_count("epochs", True), "epochs must be an int, got True"),
    *[
        (lambda got=got: check_count("epochs", got), "epochs must be an int, got")
        for got in (np.True_, np.array(True), np.float64(3), np.array([3]), "3")
    ],
    *[
        (lambda got=got: check_positive("p", got), "p must be a finite number > 0, got")
        for got in (True, np.True_, "3", 1j, None)
    ],
    (lambda: mm.accuracy(LeNet, digits().test), "got the class LeNet; make one, such as LeNet(rngs="),
    (lambda: kernels(LeNet), "weights must be a model, a state or a pytree, got the class LeNet"),
    (lambda: kernels(linen.Conv(2, (3, 3))), 'give its variables["params"]'),
    (lambda: fuzziness(linen.Conv(2, (3, 3))), 'give its variables["params"]'),
    (lambda: split_model(linen.Dense(2)), "give lambda x: module.apply(variables, x)"),
    (lambda: check_count("epochs", None), "epochs must be an int, got None"),
    (lambda: check_type("model", "x", int), "model must be an int, got a str"),
    (lambda: check_type("rngs", 1, nnx.Rngs), "rngs must be a flax.nnx.rnglib.Rngs, got an int"),
    (lambda: interval(np.arange(4, dtype=np.int32)), "kernel must be floating-point weights, got int32"),
    (lambda: Objective("0.1"), "strength must be a finite number, got '0.1'"),
    (lambda: Objective(layers="conv1"), "layers must be a sequence of names, got 'conv1'"),
    (lambda: Objective(defence=3), "defence must be one such as mm.defences.Adversarial(eps=0.3)"),
    (lambda: Objective(defence=mm.defences.IBP), "defence must be one such as"),
    (train_without_a_course, "course must be a Course for an objective with a defence or terms, got None"),
    (lambda: split_model(3), "model must be a callable, from images to logits, got a int"),
    (lambda: mm.accuracy(lenet(), digits()), "data must be a minmax_jax.data.split.Split, got a Dataset"),
]


@pytest.mark.parametrize(("call", "message"), REFUSALS, ids=[message for _, message in REFUSALS])
def test_a_value_out_of_range_is_refused(call, message):
    with refuses(message):
        call()


@pytest.mark.parametrize(("call", "message"), TYPES, ids=[message for _, message in TYPES])
def test_a_value_of_the_wrong_type_is_refused(call, message):
    with refuses(message, error=TypeError):
        call()


def same_definition(one, other):
    return nnx.graphdef(one) == nnx.graphdef(other)


@unchecked()
def test_counts_of_numpy_do_not_wrap_around():
    eight = np.uint8(5), np.uint8(5)
    conv = Conv(np.uint8(1), np.int16(2), eight, padding=np.int8(1), rngs=keys())
    assert same_definition(conv, Conv(1, 2, (5, 5), padding=1, rngs=keys())) and type(conv.padding) is int
    assert same_definition(LeNet(np.array([28, 28, 1]), np.int64(10), rngs=keys()), lenet())
    tile = np.uint8(2), np.uint8(2)
    np.testing.assert_array_equal(patches(IMAGES, tile, tile=tile), patches(IMAGES, (2, 2), tile=(2, 2)))
    np.testing.assert_array_equal(
        convolve(IMAGES, WINDOW, padding=np.array([[0, 1], [1, 0]]), tile=tile),
        convolve(IMAGES, WINDOW, padding=((0, 1), (1, 0)), tile=(2, 2)),
    )
    assert list(kernels(lenet(), rank=np.array([4, 2]))) == list(kernels(lenet(), rank=(4, 2)))
    assert sign_test(np.int8(100), np.int8(100)) == 1.0
    test = digits().test
    assert mm.accuracy(lenet(), test, np.uint8(100)) == mm.accuracy(lenet(), test, 100)


@unchecked()
def test_numbers_of_numpy_count_as_pythons_own():
    half = np.float16(0.1)
    mu = np.array([0.3, 0.8])
    np.testing.assert_array_equal(
        closed_form(mu, "quadratic", half), closed_form(mu, "quadratic", float(half))
    )
    for make in (Objective, lambda p, bound: Objective(0.1, p=p, bound=bound, **FIXED)):
        options = {"p": np.float32(2.5)} if make is Objective else {"p": np.int64(2), "bound": np.array(0.5)}
        assert repr(make(**options)) == repr(make(**{name: one.item() for name, one in options.items()}))
    np.testing.assert_array_equal(amplification(K, np.float16(0.1)), amplification(K, float(half)))
