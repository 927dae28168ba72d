"""Terms of the loss: each against values by hand, their sum, and what they do in training."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from helpers.refusal import unchecked
from helpers.small import digits, lenet, same_weights, train
from helpers.sweeping import Tiny, sweep
from minmax_jax import LeNet, Objective, fuzziness, terms

# memberships 0, 1/4, 1/2, 1: quadratic degrees 0, 3/4, 1, 0
FIRST = jnp.array([-1.0, 0.0, 1.0, 3.0]).reshape(2, 2, 1, 1)
SECOND = jnp.array([[-2.0, 0.0, 2.0], [1.0, 0.0, 0.0]]).reshape(1, 2, 1, 3)
MODEL = {"a": {"kernel": FIRST, "bias": jnp.full(1, 50.0)}, "b": {"kernel": SECOND}}
IMAGES = np.zeros((1, 2, 2, 1), np.float32)


class OneTap(nnx.Module):
    """A convolution of one weight, so that its units are ``scale * (x - threshold)``, and logits of it."""

    def __init__(self, scale=1.0, threshold=0.5):
        self.conv = nnx.Conv(1, 1, (1, 1), rngs=nnx.Rngs(0))
        self.conv.kernel[...] = jnp.full((1, 1, 1, 1), scale)
        self.conv.bias[...] = jnp.full(1, -scale * threshold)

    def __call__(self, images):
        outputs = nnx.tanh(self.conv(images)).sum((1, 2))
        return jnp.concatenate([outputs, -outputs], -1)


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (terms.L1(2.0), 2 * (5 + 5)),
        (terms.L1(2.0, ["b"]), 10),
        (terms.L2(0.5), (11 + 9) / 2),
        (terms.L1MinusL2(1.0), 5 - 11**0.5 + 5 - 3),
        (terms.EffectiveTaps(3.0, ["a"]), 3 * 5 / 3),
        (terms.EffectiveTaps(1.0), np.mean([5 / 3, 1.5, 0, 1])),
        (terms.Fuzziness(2.0, ["a"], measure="quadratic"), 2 * 1.75 / 4),
        (terms.Fuzziness(-1.0, ["a"], membership="magnitude", measure="quadratic"), -16 / 9 / 4),
    ],
)
def test_terms_of_weights_by_hand(term, expected):
    assert term(MODEL, IMAGES, 0.0) == pytest.approx(expected, rel=1e-6)


def test_the_gradient_of_each_is_finite_at_zero_weights():
    zeros = {"a": {"kernel": jnp.zeros((2, 2, 1, 3))}}
    for term in (terms.L1(1.0), terms.L2(1.0), terms.L1MinusL2(1.0), terms.EffectiveTaps(1.0)):
        assert np.isfinite(jax.grad(lambda w, term=term: term(w, IMAGES, 0.0))(zeros)["a"]["kernel"]).all()


def test_the_fuzziness_of_units_by_hand():
    images = jnp.array([0.0, 1.0, 0.9, 0.3]).reshape(1, 2, 2, 1)
    mu = 1 / (1 + np.exp(-(images.ravel() - 0.5) / 0.2))

    def h(p):
        return -p * np.log2(p) - (1 - p) * np.log2(1 - p)

    expected = h(mu).mean() - h(mu.mean())
    units = terms.UnitFuzziness(3.0, tau=0.2, start=0.2)
    for scale in (1.0, -7.0):  # of no importance without a temperature
        assert units(OneTap(scale), images, 0.0) == pytest.approx(3 * expected, rel=1e-4)
    warm = terms.UnitFuzziness(3.0, tau=0.1, start=0.1, temperature=0.4)  # 0.1 * 4 + 0.4 = 4 * 0.2
    assert warm(OneTap(4.0), images, 0.0) == pytest.approx(3 * expected, rel=1e-4)
    crisp = jnp.array([0.0, 1.0]).reshape(2, 1, 1, 1)
    sure = terms.UnitFuzziness(1.0, tau=0.01, start=0.01)
    assert sure(OneTap(), crisp, 0.0) == pytest.approx(-1, abs=1e-5)


def test_the_scale_of_the_noise_falls_geometrically():
    units = terms.UnitFuzziness(1.0, tau=0.1, start=0.4, anneal=0.5)
    np.testing.assert_allclose(
        [units.scale(p) for p in (0.0, 0.25, 0.5, 1.0)], [0.4, 0.2, 0.1, 0.1], rtol=1e-5
    )
    assert terms.UnitFuzziness(1.0, anneal=0.0).scale(0.0) == pytest.approx(0.1)


def test_units_of_the_layers_that_are_named_count():
    model, images = lenet(), digits().train.images[:8]
    one, other, both = (
        terms.UnitFuzziness(1.0, layers)(model, images, 1.0)
        for layers in (["conv1"], ["conv2"], ["conv1", "conv2"])
    )
    assert terms.UnitFuzziness(1.0)(model, images, 1.0) == one != other
    assert float(both) == pytest.approx(float(6 * one + 16 * other) / 22, rel=1e-5)  # a mean over channels


def test_an_objective_adds_up_its_terms():
    model, images = lenet(), digits().train.images[:8]
    parts = [terms.L1(1e-3), terms.UnitFuzziness(2.0), lambda model, x, progress: progress * x.mean()]
    got = Objective(terms=parts).added(model, images, 0.5)
    own = [part(model, images, 0.5) for part in parts]
    np.testing.assert_allclose(got, sum(own), rtol=1e-6)
    assert Objective().added(model, images, 0.5) == 0


def test_the_short_form_and_the_terms_train_alike():
    short = Objective(strength=0.5, membership="magnitude", l1=1e-3, l2=2e-3)
    added = Objective(terms=[terms.Fuzziness(0.5, membership="magnitude"), terms.L1(1e-3), terms.L2(2e-3)])
    runs = [train(objective=one) for one in (short, added)]
    np.testing.assert_allclose(runs[0].history.loss, runs[1].history.loss, rtol=1e-4)
    assert "L2(strength=0.002" in runs[1].history.attrs["objective_terms"]


def test_in_training_they_do_what_they_are_for():
    start = LeNet(variant="classic", rngs=nnx.Rngs(0))

    def before_and_after(term, chosen):
        trained = train(start, Objective(terms=[chosen]), optimiser=optax.adam(5e-3), epochs=4).model
        return [float(term(one, digits().test.images, 1.0)) for one in (start, trained)]

    taps = before_and_after(terms.EffectiveTaps(1.0, ["conv1"]), terms.EffectiveTaps(10.0, ["conv1"]))
    assert taps[1] < 0.8 * taps[0]
    units = terms.UnitFuzziness(1.0)
    told = before_and_after(units, terms.UnitFuzziness(100.0, start=0.1))
    assert told[1] < told[0] - 0.05  # bits


def test_progress_is_that_of_the_run_and_resuming_gives_the_same_bits(tmp_path):
    objective = Objective(terms=[terms.UnitFuzziness(10.0), lambda model, images, progress: 1000 * progress])
    whole = train(objective=objective)
    shares = np.arange(10) / 10
    np.testing.assert_allclose(whole.history.loss[1:] > 1000 * shares[1:], True)
    np.testing.assert_allclose(whole.history.loss, 1000 * shares, atol=20)
    options = {"objective": objective, "checkpoint": tmp_path / "run"}
    train(progress=lambda now: now.step == 5, **options)
    resumed = train(**options)
    np.testing.assert_array_equal(resumed.history.loss, whole.history.loss)
    assert same_weights(resumed.model, whole.model)


def test_a_sweep_over_terms_is_labelled_by_them_and_equals_fit():
    objectives = [Objective(terms=[terms.EffectiveTaps(s)]) for s in (0.1, 10.0)]
    swept = sweep(objectives=objectives, seeds=[0])
    texts = swept.results.objective_terms.values.tolist()
    assert ["strength=0.1" in texts[0], "strength=10.0" in texts[1]] == [True, True]
    alone = train(Tiny(nnx.Rngs(0)), objectives[1]).model
    got = swept.model(0, objective=1)
    np.testing.assert_allclose(got.conv.kernel[...], alone.conv.kernel[...], atol=1e-4)
    assert len({float(fuzziness(swept.model(0, objective=i))) for i in (0, 1)}) == 2


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: terms.L2(-1.0), ValueError, "strength must be a finite number >= 0, got -1"),
        (lambda: terms.L1(1.0, "conv1 "[:0]), TypeError, "layers must be a sequence of names"),
        (lambda: terms.UnitFuzziness(1.0, tau=0.0), ValueError, "tau must be"),
        (
            lambda: terms.UnitFuzziness(1.0, start=0.05),
            ValueError,
            "start must be at least tau, 0.1, got 0.05",
        ),
        (lambda: terms.UnitFuzziness(1.0, anneal=2.0), ValueError, r"anneal must be in \[0, 1\], got 2"),
        (lambda: terms.UnitFuzziness(1.0, temperature=-1.0), ValueError, "temperature must be"),
        (lambda: terms.Fuzziness(1.0, reading="trajectory"), ValueError, "reading must be"),
        (lambda: Objective(terms=terms.L2(1.0)), TypeError, "terms must be a sequence"),
        (lambda: Objective(terms=[terms.L2]), TypeError, "terms must be such as"),
        (lambda: Objective(terms=[3]), TypeError, "terms must be such as"),
    ],
)
def test_unfit_terms_are_refused(make, error, words):
    with unchecked(), pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("term", "error", "words"),
    [
        (terms.L2(1.0, ["conv3"]), ValueError, r"layers must be .*got \('conv3',\)"),
        (terms.UnitFuzziness(1.0, ["conv3"]), ValueError, "layers must be names out of"),
        (lambda model, images, progress: images, TypeError, "terms must give a number"),
    ],
)
def test_what_a_term_would_raise_in_training_comes_before_it(term, error, words):
    with pytest.raises(error, match=words):
        train(objective=Objective(terms=[term]))
