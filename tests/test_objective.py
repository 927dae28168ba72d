"""The objective: cross-entropy, the fuzziness term, and the L1 and L2 controls."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jax import lax

from helpers.filled import filled
from helpers.refusal import refuses
from minmax_jax import LeNet, Objective, fuzziness
from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import MEMBERSHIPS
from minmax_jax.objective import TRAINABLE_READINGS, cross_entropy

# memberships 0, 1/4, 1/2, 1: quadratic degrees 0, 3/4, 1, 0
FIRST = jnp.array([-1.0, 0.0, 1.0, 3.0]).reshape(2, 2, 1, 1)
# memberships 0, 1/2, 1: quadratic degrees 0, 1, 0
SECOND = jnp.array([-2.0, 0.0, 2.0]).reshape(1, 3, 1, 1)
MODEL = {"a": {"kernel": FIRST, "bias": jnp.full(1, 50.0)}, "b": {"kernel": SECOND}}

logits = hnp.arrays(np.float32, (5, 3), elements=st.floats(-30, 30, width=32))
labels = hnp.arrays(np.int32, 5, elements=st.integers(0, 2))


def test_cross_entropy_by_hand():
    three_to_one = jnp.log(jnp.array([[3.0, 1.0], [3.0, 1.0]]))
    got = cross_entropy(three_to_one, jnp.array([0, 1]))
    assert got == pytest.approx((np.log(4 / 3) + np.log(4)) / 2)
    assert cross_entropy(jnp.array([[100.0, 0.0]]), jnp.array([1])) == pytest.approx(100)


@pytest.mark.parametrize("classes", [2, 10])
def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_classes(classes):
    got = cross_entropy(jnp.full((3, classes), 7.0), jnp.array([0, 1, 1]))
    assert got == pytest.approx(np.log(classes))


@given(logits, labels)
@settings(max_examples=30)
def test_cross_entropy_equals_its_definition_and_ignores_a_shift(logits, labels):
    wide = np.asarray(logits, np.float64)
    expected = (np.log(np.exp(wide).sum(1)) - wide[np.arange(5), labels]).mean()
    got = cross_entropy(jnp.asarray(logits), jnp.asarray(labels))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    shifted = cross_entropy(jnp.asarray(logits) + 4.0, jnp.asarray(labels))
    np.testing.assert_allclose(shifted, expected, rtol=1e-4, atol=1e-4)
    one_hot = jax.nn.one_hot(labels, 3)
    by_optax = optax.softmax_cross_entropy(jnp.asarray(logits), one_hot).mean()
    np.testing.assert_allclose(got, by_optax, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("settings_", "expected"),
    [
        ({}, 0),
        ({"l1": 1.0}, 5 + 4),
        ({"l2": 1.0}, 11 + 8),
        ({"l1": 1.0, "layers": ("b",)}, 4),
        ({"l2": 1.0, "layers": ("a",)}, 11),
        ({"strength": 1.0}, (0.75 + 1 + 1) / 7),
        ({"strength": -2.0}, -2 * 2.75 / 7),
        ({"strength": 1.0, "layers": ("a",)}, 1.75 / 4),
        ({"strength": 1.0, "layers": ("b",)}, 1 / 3),
        ({"strength": 2.0, "l1": 0.5, "l2": 0.25}, 2 * 2.75 / 7 + 4.5 + 4.75),
        # in [-4, 4]: 1 - w^2 / 16
        ({"strength": 1.0, "reading": "fixed", "bound": 4.0}, 1 - 19 / 16 / 7),
        # sizes 1/3, 0, 1/3, 1 and 1, 0, 1
        ({"strength": 1.0, "membership": "magnitude"}, 2 * 8 / 9 / 7),
        ({"strength": 1.0, "measure": "linear"}, (0.5 + 1 + 1) / 7),
        ({"strength": 1.0, "measure": "yager", "p": 4.0}, (1 - 1 / 16 + 1 + 1) / 7),
    ],
)
def test_the_penalty_by_hand(settings_, expected):
    objective = Objective(**{"measure": "quadratic", **settings_})
    assert objective.penalty(MODEL) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("membership", MEMBERSHIPS)
@pytest.mark.parametrize("reading", TRAINABLE_READINGS)
def test_its_fuzziness_is_that_of_the_weights_by_its_own_settings(reading, membership, measure):
    options = {"reading": reading, "membership": membership, "measure": measure}
    options |= {"p": 1.5, "bound": 2.5 if reading == "fixed" else None, "layers": ("a",)}
    got = Objective(**options).fuzziness(MODEL)
    np.testing.assert_allclose(got, fuzziness(MODEL, **options), rtol=1e-6)
    assert 0 < got < 1


def test_a_flax_model_and_a_single_kernel_have_a_penalty():
    model = filled(LeNet)
    kernels = [model.conv1.kernel[...], model.conv2.kernel[...]]
    objective = Objective(strength=0.3, l1=0.01)
    np.testing.assert_allclose(objective.penalty(model), objective.penalty(kernels), rtol=1e-6)
    assert objective.penalty(FIRST) == pytest.approx(objective.penalty([FIRST]))


def test_without_strength_and_penalties_nothing_is_added_and_nothing_moves():
    gradient = jax.grad(lambda m: Objective().penalty(m))(MODEL)
    for leaf in jax.tree.leaves(gradient):
        np.testing.assert_array_equal(leaf, np.zeros(leaf.shape))


def test_the_gradients_of_the_penalties():
    rest = {"measure": "quadratic", "layers": ("a",)}
    gradients = [jax.grad(Objective(**rest, **one).penalty)(MODEL) for one in ({"l1": 2.0}, {"l2": 3.0})]
    of_l1 = gradients[0]["a"]["kernel"].ravel()
    np.testing.assert_array_equal(of_l1[np.array([0, 2, 3])], [-2, 2, 2])
    assert -2 <= of_l1[1] <= 2  # of a weight at zero, any subgradient
    np.testing.assert_array_equal(gradients[1]["a"]["kernel"].ravel(), [-6, 0, 6, 18])
    for gradient in gradients:
        np.testing.assert_array_equal(gradient["b"]["kernel"], np.zeros(SECOND.shape))
        np.testing.assert_array_equal(gradient["a"]["bias"], [0])
    # dF/dw = (1/4) f'(mu) / 4 of the four weights, f' = 4 - 8 mu, zero at the ends
    fuzzy = jax.grad(Objective(strength=8.0, **rest).penalty)(MODEL)["a"]["kernel"]
    np.testing.assert_allclose(fuzzy.ravel(), [0, 1, 0, 0], atol=1e-6)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("membership", MEMBERSHIPS)
def test_steps_of_descent_lower_fuzziness_and_raise_it_with_negative_strength(membership, measure):
    rng = np.random.default_rng(1)
    sizes, signs = rng.uniform(0.15, 0.9, (2, 2, 3, 4)), rng.choice([-1, 1], (2, 2, 3, 4))
    start = jnp.asarray(sizes * signs, jnp.float32)
    up = Objective(0.2, "fixed", membership, measure, bound=1.0)

    @jax.jit
    def train(objective, kernel):
        def step(kernel, _):
            value, gradient = jax.value_and_grad(objective.fuzziness)(kernel)
            return kernel - 5 * objective.strength * gradient, value

        return lax.scan(step, kernel, length=6)[1]

    falling, rising = train(up, start), train(replace(up, strength=-0.2), start)
    assert falling[0] == rising[0]
    assert (np.diff(falling) < 0).all()
    assert (np.diff(rising) > 0).all()


def test_a_change_of_strength_l1_and_l2_compiles_nothing_anew():
    traces = []

    @jax.jit
    def penalty(objective, kernels):
        traces.append(1)
        return objective.penalty(kernels)

    for strength, l1, l2 in [(0.0, 0.0, 0.0), (0.1, 0.0, 2.0), (-3.0, 1.0, 0.5)]:
        objective = Objective(strength, l1=l1, l2=l2)
        np.testing.assert_allclose(penalty(objective, MODEL), objective.penalty(MODEL), rtol=1e-5, atol=1e-6)
    assert len(traces) == 1
    penalty(Objective(measure="linear"), MODEL)
    penalty(Objective(layers=["a"]), MODEL)  # a list is as good as a tuple
    penalty(Objective(layers=("a",)), MODEL)
    assert len(traces) == 3


def test_many_strengths_at_once_by_vmap():
    strengths = np.array([-1.0, 0.0, 0.5, 2.0], np.float32)
    many = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(Objective, strengths.tolist()))
    got = jax.vmap(lambda objective: objective.penalty(MODEL), in_axes=(0,))(many)
    np.testing.assert_allclose(got, strengths * Objective().fuzziness(MODEL), rtol=1e-6)


def test_equal_objectives_are_equal_and_cannot_be_changed():
    assert Objective(0.1, layers=["a"]) == Objective(0.1, layers=("a",)) != Objective(0.2)
    with pytest.raises(AttributeError):
        Objective().strength = 2.0


@pytest.mark.parametrize(
    ("settings_", "words"),
    [
        ({"strength": np.nan}, ["strength is nan", "finite number"]),
        ({"strength": np.inf}, ["strength is inf", "finite number"]),
        ({"l1": -1.0}, ["l1 is -1.0", ">= 0"]),
        ({"l2": -0.5}, ["l2 is -0.5", ">= 0"]),
        ({"l2": np.nan}, ["l2 is nan", ">= 0"]),
        ({"reading": "trajectory"}, ["reading is 'trajectory'", *TRAINABLE_READINGS]),
        ({"reading": "layers"}, ["reading is 'layers'", *TRAINABLE_READINGS]),
        ({"membership": "sign"}, ["membership is 'sign'", *MEMBERSHIPS]),
        ({"measure": "gini"}, ["measure is 'gini'", *MEASURES]),
        ({"measure": "yager", "p": 0.0}, ["p is 0.0", "> 0"]),
        ({"reading": "fixed", "bound": -1.0}, ["bound is -1.0", "> 0"]),
        ({"bound": 1.0}, ["bound is 1.0", "'layer'", "'fixed'"]),
    ],
)
def test_values_and_names_out_of_range_are_refused_at_once(settings_, words):
    with refuses(*words):
        Objective(**settings_)


def test_a_strength_may_be_negative():
    assert Objective(-5.0).strength == -5


def test_weights_that_have_no_penalty_are_refused():
    with refuses("layers is ('c',)", "['a', 'b']"):
        Objective(layers=("c",)).penalty(MODEL)
    with refuses("no convolution kernel", "rank 4"):
        Objective(0.1).penalty({"dense": jnp.ones((2, 2))})
    with refuses("NaN", "finite"):
        Objective(0.1).penalty([FIRST * jnp.nan])
