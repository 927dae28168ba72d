"""FGSM, PGD and MI-FGSM: exact on linear models, and each other's special cases on curved ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from helpers.attacked import broken, curved, right, scores, within
from helpers.linear import batch, linear_model, margins, worst_in_box
from minmax_jax import attacks
from minmax_jax.attacks import momentum
from minmax_jax.attacks.ball import NORMS
from minmax_jax.attacks.losses import cross_entropy

LINEAR, W = linear_model()
fgsm = jax.jit(attacks.fgsm, static_argnames=("model", "norm"))
STATIC = ("model", "norm", "loss", "steps", "restarts", "random_start")
pgd = jax.jit(attacks.pgd, static_argnames=STATIC)
mi_fgsm = jax.jit(momentum, static_argnames=("model", "norm", "steps"))
SLOW = pytest.mark.slow
FROM_THE_IMAGE = {"steps": 5, "random_start": False}


def losses(model, images, labels):
    return cross_entropy(model(images), labels)


@pytest.mark.versions
@pytest.mark.parametrize(
    ("attack", "norm", "eps", "options"),
    [
        (fgsm, "linf", 0.05, {}),
        (fgsm, "linf", 0.2, {}),
        (fgsm, "l2", 0.25, {}),
        (fgsm, "l1", 0.25, {}),
        (pgd, "linf", 0.1, {"steps": 10}),
        (pgd, "linf", 0.1, FROM_THE_IMAGE),
        (pgd, "l2", 0.25, FROM_THE_IMAGE),
        (pgd, "l1", 0.25, FROM_THE_IMAGE),
        pytest.param(mi_fgsm, "l2", 0.25, {"steps": 3}, marks=SLOW),
    ],
)
def test_away_from_the_box_a_margin_falls_by_eps_times_the_dual_norm(attack, norm, eps, options):
    """By l1 along the largest weight alone. FGSM also where the image is misclassified."""
    images, labels = batch(0.3, 0.7) if attack is fgsm else right(LINEAR, 0.3, 0.7)
    got = attack(LINEAR, images, labels, eps, norm=norm, **options)
    dual = {"linf": 1, "l2": 2, "l1": np.inf}[norm]
    worst = margins(images, labels, W) - eps * np.linalg.norm(W.ravel(), dual)
    np.testing.assert_allclose(margins(got, labels, W), worst, atol=1e-4)
    np.testing.assert_allclose(losses(LINEAR, got, labels), np.log1p(np.exp(-worst)), rtol=1e-4)
    if norm == "l1":
        assert (np.count_nonzero(np.asarray(got - images), axis=(1, 2, 3)) == 1).all()


@pytest.mark.parametrize("eps", [0.2, 1.0])
@pytest.mark.parametrize("attack", [fgsm, pgd, pytest.param(mi_fgsm, marks=SLOW)])
def test_at_the_box_each_pixel_goes_as_far_as_it_can(attack, eps):
    images, labels = batch(0, 1) if attack is fgsm else right(LINEAR)
    got = attack(LINEAR, images, labels, eps, **{} if attack is fgsm else {"steps": 10})
    np.testing.assert_allclose(got, worst_in_box(images, labels, W, eps), atol=1e-6)


@pytest.mark.parametrize("eps", [0.1, 2.0, 7.5, 24.0])
def test_in_l1_the_largest_weights_with_room_come_first(eps):
    images, labels = batch(0, 1)
    got = fgsm(LINEAR, images, labels, eps, norm="l1")
    for i, sign in enumerate(2 * np.asarray(labels) - 1):
        x, w, left, fall = np.float64(images[i]).ravel(), sign * np.float64(W).ravel(), eps, 0.0
        for pixel in np.argsort(-np.abs(w)):
            moved = min(left, x[pixel] if w[pixel] > 0 else 1 - x[pixel])
            left, fall = left - moved, fall + moved * abs(w[pixel])
        before, after = (margins(one[i : i + 1], labels[i : i + 1], W)[0] for one in (images, got))
        np.testing.assert_allclose(after, before - fall, atol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
def test_of_two_classes_towards_the_target_is_away_from_the_label(norm):
    images, labels = batch(0, 1)
    away = fgsm(LINEAR, images, labels, 0.2, norm=norm)
    towards = fgsm(LINEAR, images, labels, 0.2, norm=norm, targets=1 - labels)
    np.testing.assert_allclose(towards, away, atol=1e-5)


def two_logits(first):
    """A model of two classes: a function of the mean pixel, and zero."""

    def model(images):
        logit = first(images.mean((1, 2, 3)))
        return jnp.stack([logit, jnp.zeros_like(logit)], axis=1)

    return model


def test_a_step_that_overshoots_is_not_taken():
    """In a narrow pit of confidence: the slope leads over the other side, where the loss is lower."""
    model = two_logits(lambda v: 1 - 50 * jnp.maximum(v - 0.5, 0) * (v < 0.55) + 5 * (v > 0.55))
    images, labels = jnp.full((1, 2, 2, 1), 0.51), jnp.zeros(1, jnp.int32)
    np.testing.assert_array_equal(fgsm(model, images, labels, 0.2), images)
    assert (fgsm(model, images, labels, 0.03) > images).all()


def test_a_misclassified_image_is_not_mended():
    model = two_logits(lambda v: jnp.where(v < 0.6, -1 - v, 3.0))  # its slope leads to where it is right
    images, labels = jnp.full((1, 2, 2, 1), 0.5), jnp.zeros(1, jnp.int32)
    assert model(images).argmax(-1) != labels == model(images + 0.2).argmax(-1)
    np.testing.assert_array_equal(fgsm(model, images, labels, 0.2), images)


def test_training_on_it_is_an_l1_penalty_on_a_linear_models_margin():
    """Identity 5 of the design: the gradient, too, is that of the closed form."""
    images, labels = batch(0.3, 0.7)
    sign, eps = jnp.where(labels == 1, 1.0, -1.0), 0.1
    w = jnp.asarray(np.random.default_rng(4).normal(size=images.shape[1:]), jnp.float32)

    def logits(w, images):
        y = (images * w[None]).sum((1, 2, 3))
        return jnp.stack([-y / 2, y / 2], axis=-1)

    def adversarial(w):
        fixed = jax.lax.stop_gradient(w)
        attacked = attacks.fgsm(lambda x: logits(fixed, x), images, labels, eps)
        return losses(lambda x: logits(w, x), attacked, labels).mean()

    def penalised(w):
        y = (images * w[None]).sum((1, 2, 3))
        return jax.nn.softplus(eps * jnp.abs(w).sum() - sign * y).mean()

    value, gradient = jax.value_and_grad(adversarial)(w)
    expected, expected_gradient = jax.value_and_grad(penalised)(w)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-6)


@SLOW
@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.integers(0, 9), st.sampled_from(NORMS))
@settings(max_examples=15)
def test_any_step_size_and_decay_stay_in_ball_and_box_and_do_no_harm(eps, step_size, seed, norm):
    images, labels = batch(0, 1, seed=seed)
    options = {"norm": norm, "steps": 3, "step_size": step_size}
    found = [pgd(LINEAR, images, labels, eps, restarts=2, key=jax.random.key(seed), **options)]
    if norm != "l1":
        found.append(mi_fgsm(LINEAR, images, labels, eps, decay=seed / 3, **options))
    for got in found:
        assert within(got, images, eps, norm)
        assert (scores(LINEAR, got, labels) >= scores(LINEAR, images, labels) - 1e-6).all()


def worst_by_l2(images, labels, eps):
    """The worst images of an l2 ball and the box: the share of w that fits, found by Brent's method."""
    found = []
    for x, sign in zip(np.float64(images), 2 * np.asarray(labels) - 1, strict=True):

        def change(share, x=x, sign=sign):
            return np.clip(x - share * sign * W, 0, 1) - x

        share = brentq(lambda share: np.linalg.norm(change(share)) - eps, 0, 1e3)
        found.append(x + change(share))
    return np.stack(found)


def worst_by_l1(images, labels, eps):
    return np.asarray(fgsm(LINEAR, images, labels, eps, norm="l1"))  # tested against the closed form


@pytest.mark.parametrize(("norm", "eps", "worst"), [("l2", 1.0, worst_by_l2), ("l1", 4.0, worst_by_l1)])
def test_at_the_box_the_margin_falls_to_the_worst_of_ball_and_box(norm, eps, worst):
    """From any start in the ball: by l2 the steps lead there, by l1 within a step of there."""
    images, labels = right(LINEAR)
    step_size = {"l2": eps, "l1": 0.01 * eps}[norm]
    got = pgd(LINEAR, images, labels, eps, norm=norm, steps=400, step_size=step_size)
    before, after, best = (margins(x, labels, W) for x in (images, got, worst(images, labels, eps)))
    assert (after >= best - 1e-4).all()
    np.testing.assert_allclose(before - after, before - best, rtol={"l2": 1e-3, "l1": 0.02}[norm])


@pytest.mark.parametrize("attack", [pgd, pytest.param(mi_fgsm, marks=SLOW)])
def test_one_step_from_the_image_is_fgsm_where_that_raises_the_loss(attack):
    net, images, labels = curved()
    eps, options = 0.3, {"random_start": False} if attack is pgd else {}
    one_step = attack(net, images, labels, eps, steps=1, step_size=eps, **options)
    sign = fgsm(net, images, labels, eps)
    raised = scores(net, sign, labels) > scores(net, images, labels)
    expected = np.where(raised[:, None, None, None], sign, images)
    assert np.mean(np.abs(one_step - expected) > 1e-6) < 0.01  # a slope near zero may change sign
    assert raised.any() and not raised[-1]


@SLOW
def test_more_steps_beat_fewer_and_all_beat_fgsm():
    net, images, labels = curved()
    attacked = pgd(net, images, labels, 0.1, steps=20, random_start=False)
    sign = fgsm(net, images, labels, 0.1)
    after, fgsm_after, before = (losses(net, x, labels)[:-1].mean() for x in (attacked, sign, images))
    assert after > fgsm_after > before
    fallen = [broken(net, pgd(net, images, labels, 0.03, steps=n, restarts=4), labels) for n in (1, 3, 10)]
    assert 1 < fallen[0].sum() <= fallen[1].sum() <= fallen[2].sum()


@SLOW
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("loss", ["ce", "dlr", "margin"])
@pytest.mark.parametrize("norm", NORMS)
def test_every_loss_is_raised_in_every_norm_and_fools_the_model(loss, norm, targeted):
    net, images, labels = curved()
    targets = (net(images).argmax(-1) + 1) % 4 if targeted else None
    eps = {"linf": 0.1, "l2": 0.4, "l1": 1.5}[norm] * (2 if targeted else 1)
    options = {"norm": norm, "loss": loss, "targets": targets, "steps": 10, "restarts": 4}
    got = pgd(net, images, labels, eps, **options)
    before, after = (scores(net, x, labels, targets, loss) for x in (images, got))
    assert (after >= before).all()
    assert ((after > before) | (after == np.inf)).mean() > 0.9
    assert (after[:-1] == np.inf).mean() > 0.5


def test_random_starts_are_drawn_evenly_from_the_ball():
    """Steps of size zero give the start away; a model without a gradient is never fooled."""
    images, labels = jnp.full((50, 8, 8, 1), 0.5), jnp.zeros(50, jnp.int32)

    def model(images):  # right everywhere, but less sure away from the centre of the ball
        distance = jnp.square(images - 0.5).sum((1, 2, 3))
        return jnp.stack([10 - distance, jnp.zeros_like(distance)], axis=-1)

    got = pgd(model, images, labels, 0.25, steps=1, step_size=0.0)
    noise = np.sort(np.asarray(got - images).ravel()) / 0.25
    assert np.abs(noise - np.linspace(-1, 1, noise.size)).max() < 0.06


def test_the_step_size_is_two_and_a_half_radii_over_the_steps_unless_told():
    """From the image, where the key does not matter."""
    images, labels = right(LINEAR, 0.3, 0.7)
    default = pgd(LINEAR, images, labels, 0.1, key=jax.random.key(1), **FROM_THE_IMAGE)
    told = pgd(LINEAR, images, labels, 0.1, step_size=0.05, **FROM_THE_IMAGE)
    np.testing.assert_array_equal(default, told)
    short = pgd(LINEAR, images, labels, 0.1, step_size=0.01, **FROM_THE_IMAGE)
    np.testing.assert_allclose(np.abs(short - images), 0.05, atol=1e-6)


def written_out(net, images, labels, eps, stride, decay, steps):
    """Algorithm 1 of the paper of MI-FGSM, image by image, in NumPy but for the gradient."""
    slope = jax.jit(jax.grad(lambda x, y: cross_entropy(net(x[None]), y[None]).sum()))
    found = []
    for x0, y in zip(np.asarray(images), np.asarray(labels), strict=True):
        x, memory = x0, np.zeros_like(x0)
        for _ in range(steps):
            gradient = np.asarray(slope(x, y))
            memory = decay * memory + gradient / np.abs(gradient).sum()
            x = np.clip(np.clip(x + stride * np.sign(memory), x0 - eps, x0 + eps), 0, 1)
        found.append(x)
    return np.stack(found)


@SLOW
@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_mi_fgsm_is_the_papers_algorithm_where_that_is_a_gain(decay):
    net, images, labels = curved()
    expected = written_out(net, images, labels, 0.1, 0.025, decay, steps=4)
    before, after = (scores(net, jnp.asarray(x), labels) for x in (images, expected))
    gained = after > before
    expected = np.where(gained[:, None, None, None], expected, images)
    got = mi_fgsm(net, images, labels, 0.1, steps=4, step_size=0.025, decay=decay)
    assert np.mean(np.abs(got - expected) > 1e-5) < 0.01  # a slope near zero may change sign
    assert gained.sum() > 8


@SLOW
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_without_memory_mi_fgsm_is_pgd_from_the_image_and_with_it_is_not(norm):
    net, images, labels = curved()
    none, some = (mi_fgsm(net, images, labels, 0.1, norm=norm, steps=4, decay=d) for d in (0.0, 1.0))
    options = {"norm": norm, "steps": 4, "step_size": 0.025, "random_start": False}
    assert np.mean(np.abs(none - pgd(net, images, labels, 0.1, **options)) > 1e-5) < 0.01
    assert np.abs(none - some).max() > {"linf": 0.01, "l2": 0.001}[norm]


@SLOW
@pytest.mark.parametrize("scale", [1e-3, 1.0])
def test_the_scale_of_the_gradient_does_not_matter_to_mi_fgsm(scale):
    """The paper divides by its size so that early and late gradients count alike."""
    images, labels = right(LINEAR)
    got = mi_fgsm(lambda x: scale * LINEAR(x), images, labels, 0.1, steps=3)
    np.testing.assert_allclose(got, worst_in_box(images, labels, W, 0.1), atol=1e-6)
