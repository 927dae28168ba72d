"""The objective: cross-entropy, the fuzziness term, and the L1 and L2 controls."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jax import lax

from helpers.filled import filled
from minmax_jax import LeNet, Objective, defences, fuzziness
from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import MEMBERSHIPS
from minmax_jax.objective import TRAINABLE_READINGS, cross_entropy, register_pytree

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
    assert cross_entropy(jnp.full((3, 10), 7.0), jnp.array([0, 1, 1])) == pytest.approx(np.log(10))


@given(logits, labels)
@settings(max_examples=30)
def test_cross_entropy_equals_its_definition_and_ignores_a_shift(logits, labels):
    wide = np.asarray(logits, np.float64)
    expected = (np.log(np.exp(wide).sum(1)) - wide[np.arange(5), labels]).mean()
    got = cross_entropy(jnp.asarray(logits), jnp.asarray(labels))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    shifted = cross_entropy(jnp.asarray(logits) + 4.0, jnp.asarray(labels))
    np.testing.assert_allclose(shifted, expected, rtol=1e-4, atol=1e-4)


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


@pytest.mark.parametrize("reading", TRAINABLE_READINGS)
def test_its_fuzziness_is_that_of_the_weights_by_its_own_settings(reading):
    options = {"reading": reading, "membership": "magnitude", "measure": "yager"}
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


def test_the_gradients_of_the_penalties():
    for leaf in jax.tree.leaves(jax.grad(Objective().penalty)(MODEL)):  # none, unless asked for
        np.testing.assert_array_equal(leaf, np.zeros(leaf.shape))
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
    assert (np.diff(falling) < 0).all() and (np.diff(rising) > 0).all()


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


def test_equal_objectives_are_equal_and_cannot_be_changed():
    assert Objective(0.1, layers=["a"]) == Objective(0.1, layers=("a",)) != Objective(0.2)
    with pytest.raises(AttributeError):
        Objective().strength = 2.0


@dataclass(frozen=True)
class Weighted:
    """Hyperparameters, of which one is a function."""

    scale: float
    loss: object
    name: str = "one"


register_pytree(Weighted, ("scale", "loss"))


def test_a_registered_dataclass_traces_numbers_and_pytrees_but_not_functions():
    one, nested = Weighted(2.0, jnp.square), Weighted(2.0, Objective(0.5, l1=0.25))
    assert jax.tree.leaves(one) == [2.0]
    assert jax.tree.leaves(nested) == [2.0, 0.5, 0.25, 0.0]
    assert jax.tree.map(lambda leaf: 2 * leaf, nested) == Weighted(4.0, Objective(1.0, l1=0.5))
    assert jax.tree.map(lambda leaf: 2 * leaf, one) == Weighted(4.0, jnp.square)
    others = Weighted(2.0, jnp.cos), Weighted(2.0, jnp.square, "other")
    assert all(jax.tree.structure(one) != jax.tree.structure(other) for other in others)
    assert jax.jit(lambda it: it.loss(it.scale))(one) == 4


def test_facts_are_labels():
    class Own:
        def __call__(self):
            """Any defence."""

    assert Objective(0.5, layers=["a"]).facts()["layers"] == ("a",)
    facts = Objective(defence=defences.IBP(eps=0.25)).facts()
    assert facts["defence_eps"] == 0.25 and facts["defence"].startswith("IBP(")
    assert " at 0x" in repr(Own()) and " at 0x" not in Objective(defence=Own()).facts()["defence"]
    assert "defence" not in repr(Objective()) and "defence=IBP(" in repr(
        Objective(defence=defences.IBP(0.25))
    )
