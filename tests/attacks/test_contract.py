"""What all attacks keep, in every norm they support: ball and box, gain, key, targets, tracing, refusals."""

from functools import cache, partial
from inspect import signature

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.attacked import broken, curved, right, scores, within
from helpers.linear import batch
from helpers.refusal import refuses, unchecked
from minmax_jax import attacks
from minmax_jax.attacks.ball import NORMS, size
from minmax_jax.attacks.registry import NAMED

SETTINGS = {
    "fgsm": {},
    "pgd": {"steps": 4, "restarts": 2},
    "momentum": {"steps": 4},
    "noise": {"tries": 10},
    "apgd": {"steps": 6, "restarts": 2},
    "apgd_targeted": {"steps": 5, "target_classes": 2},
    "deepfool": {"steps": 8},
    "carlini_wagner": {"binary_search_steps": 4, "steps": 40, "learning_rate": 0.05, "initial_constant": 0.1},
    "fab": {"steps": 6, "restarts": 2},
    "fab_targeted": {"steps": 5},
    "square": {"queries": 60, "restarts": 2},
    "autoattack": {},
}
FUNCTIONS = {name: getattr(attacks, name) for name in SETTINGS}
MINIMAL = {name for name in SETTINGS if NAMED[name].minimal}
RANDOM = {"pgd", "noise", "apgd", "apgd_targeted", "square", "autoattack"}  # fab's restarts: see test_fab
AIMED = [name for name in SETTINGS if "targets" in signature(FUNCTIONS[name]).parameters]
ONE_SIDED = MINIMAL | {"apgd_targeted", "autoattack"}  # give the image back unless it is misclassified
LARGE = {"linf": 0.2, "l2": 0.8, "l1": 3.0}  # radii at which most images fall
LOSS = {"noise": "margin", "square": "margin"}  # others: cross-entropy
# Projections that sum up may give the image back with another last digit.
ROUNDING = {"apgd": 1e-7, "apgd_targeted": 1e-7, "square": 1e-6}


def cases(names, quick, norms=None):
    """Attacks with their norms, or the first of them: slow but for the first norm of those in ``quick``."""
    found = [(name, i, norm) for name in names for i, norm in enumerate(NAMED[name].norms[:norms])]
    marks = [() if name in quick and i == 0 else pytest.mark.slow for name, i, _ in found]
    values = [pytest.param(name, norm, marks=m) for (name, _, norm), m in zip(found, marks, strict=True)]
    return pytest.mark.parametrize(("name", "norm"), values)


CASES = cases(SETTINGS, SETTINGS.keys() - {"autoattack"})
ONCE = cases(SETTINGS, {"fgsm", "pgd"}, norms=1)
REFUSING = cases(SETTINGS, SETTINGS, norms=1)
TARGETED = cases(AIMED, {"fgsm", "pgd"})


@cache
def compiled(name, norm, targeted):
    """The attack on the curved model, compiled once for all tests, and how often it has been traced."""
    traces = []

    def attack(images, labels, eps, key, targets):
        traces.append(1)
        aim = {"targets": targets} if targeted else {}
        return FUNCTIONS[name](curved()[0], images, labels, eps, norm=norm, key=key, **aim, **SETTINGS[name])

    return jax.jit(attack), traces


def attacked(name, norm, images, labels, eps, seed=0, targets=None):
    attack, _ = compiled(name, norm, targeted=targets is not None)
    return attack(images, labels, jnp.float32(eps), jax.random.key(seed), targets)


@CASES
@given(share=st.floats(0, 1, width=32), seed=st.integers(0, 99))
@settings(max_examples=8)
def test_results_are_in_ball_and_box_and_no_worse_than_the_images(name, norm, share, seed):
    net = curved()[0]
    images, _ = batch(0, 1, n=16, seed=seed, shape=(5, 5, 1))
    labels = jnp.where(jnp.arange(16) < 12, net(images).argmax(-1), 0)
    eps = share * {"linf": 1, "l2": 5, "l1": 20}[norm]
    got = attacked(name, norm, images, labels, eps, seed)
    assert got.shape == images.shape and got.dtype == images.dtype
    assert within(got, images, eps, norm)
    before, after = (scores(net, x, labels, loss=LOSS.get(name, "ce")) for x in (images, got))
    changed = np.asarray((got != images).any((1, 2, 3)))
    if name in ONE_SIDED:
        np.testing.assert_array_equal(changed, (after == np.inf) & (before < np.inf))
    else:
        assert (after >= before - 1e-5).all()


@CASES
def test_without_radius_the_images_come_back_and_the_larger_it_is_the_more_fall(name, norm):
    """The last image is misclassified, and left alone."""
    net, images, labels = curved()
    radii = (0, 0.05 * LARGE[norm], 0.2 * LARGE[norm], LARGE[norm])
    points = [attacked(name, norm, images, labels, eps) for eps in radii]
    np.testing.assert_allclose(points[0], images, rtol=0, atol=ROUNDING.get(name, 0))
    found = [broken(net, got, labels) for got in points]
    assert found[0].sum() == 1 and found[-1][-1]
    assert found[-1][:-1].sum() >= {"noise": 1, "fgsm": 4}.get(name, 7)
    if name != "fgsm":  # whose step may be too long, and which raises the loss of the last image, too
        assert sorted(one.sum() for one in found) == [one.sum() for one in found]
        np.testing.assert_array_equal(points[-1][-1], images[-1])


@CASES
def test_the_key_decides_where_there_is_chance_and_neither_it_nor_the_radius_is_compiled(name, norm):
    _, images, labels = curved()
    zero, again, one = (attacked(name, norm, images, labels, 0.1 * LARGE[norm], seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(zero, again)
    if name != "fab":
        assert np.array_equal(zero, one) == (name not in RANDOM)
    attacked(name, norm, images, labels, 0.2)
    assert len(compiled(name, norm, targeted=False)[1]) == 1


@CASES
def test_an_image_fares_the_same_whatever_stands_beside_it(name, norm):
    """Other images, broken from the start here, are worked on in the same arrays."""
    _, images, labels = curved()
    others = ((labels + 1) % 4).at[::4].set(labels[::4])
    one, other = (attacked(name, norm, images, y, 0.2 * LARGE[norm]) for y in (labels, others))
    np.testing.assert_allclose(one[::4], other[::4], atol=1e-6)


@ONCE
def test_images_may_be_constants_and_the_key_is_that_of_seed_0(name, norm):
    """Images known outside the jitted function, where values are checked, and no key."""
    net, images, labels = curved()
    attack = partial(FUNCTIONS[name], net, images, labels, norm=norm, **SETTINGS[name])
    got, expected = jax.jit(attack)(0.1), attacked(name, norm, images, labels, 0.1)
    np.testing.assert_allclose(got, expected, atol=1e-3 if name in MINIMAL else 1e-5)


@TARGETED
def test_targets_are_reached_or_come_closer(name, norm):
    net, images, labels = curved()
    guesses = net(images).argmax(-1)
    targets = jnp.where(jnp.arange(16) % 4 == 0, guesses, (guesses + 2) % 4)
    loss = LOSS.get(name, "ce")
    got = attacked(name, norm, images, labels, 1.5 * LARGE[norm], targets=targets)
    before, after = (scores(net, x, labels, targets, loss) for x in (images, got))
    assert (after >= before - 1e-5).all()
    if name != "fgsm":
        np.testing.assert_array_equal(got[::4], images[::4])  # the target's already
    assert (after == np.inf)[targets != guesses].mean() > (0 if name in ("noise", "fgsm") else 0.5)


@ONCE
def test_every_attack_runs_on_one_small_image_of_two_channels(name, norm):
    kernels = np.random.default_rng(2).normal(size=(2, 3, 2, 4)).astype(np.float32)

    def model(images):
        return jnp.einsum("nhwc,hwck->nk", images - 0.5, kernels)

    images, _ = batch(0.3, 0.7, n=1, shape=(2, 3, 2))
    labels = model(images).argmax(-1)
    attack = partial(FUNCTIONS[name], model, images, labels, norm=norm, **SETTINGS[name])
    got = jax.jit(attack)(0.3)
    assert got.shape == images.shape and jnp.abs(got - images).max() <= 0.3 + 1e-6
    assert broken(model, got, labels).all()


def flat(images):
    """A model without a gradient."""
    return jnp.stack([1 + 0 * images.sum((1, 2, 3)), 0 * images.sum((1, 2, 3))], axis=-1)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MINIMAL))
def test_on_a_model_without_a_gradient_the_images_come_back(name):
    images, labels = batch(0, 1, n=4)[0], jnp.zeros(4, jnp.int32)
    got = FUNCTIONS[name](flat, images, labels, None, norm=NAMED[name].norms[0], **SETTINGS[name])
    np.testing.assert_array_equal(got, images)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "norm", "eps"),
    [("deepfool", "linf", 0.06), ("deepfool", "l2", 0.25), ("carlini_wagner", "l2", 0.25)],
)
def test_a_radius_only_sorts_out_what_an_attack_for_the_smallest_change_finds(name, norm, eps):
    """Some images are broken within it, some are not."""
    net, images, labels = curved()
    free, got = (
        FUNCTIONS[name](net, images, labels, one, norm=norm, **SETTINGS[name]) for one in (None, eps)
    )
    kept = np.asarray(size(free - images, norm) <= eps)
    assert broken(net, free, labels).mean() > 0.9 and 1 < kept.sum() < 15
    np.testing.assert_allclose(got, jnp.where(kept[:, None, None, None], free, images), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "eps", "loss", "options"),
    [
        ("pgd", 0.05, "ce", {"steps": 2}),
        ("apgd", 0.01, "ce", {"steps": 10}),
        ("square", 0.02, "margin", {"queries": 150}),
    ],
)
def test_more_restarts_are_never_worse_for_the_same_key(name, eps, loss, options):
    net, images, labels = curved()
    found = [FUNCTIONS[name](net, images, labels, eps, restarts=n, **options) for n in (1, 4)]
    few, many = (scores(net, got, labels, loss=loss) for got in found)
    assert (many >= few - 1e-5).all() and (many > few + 1e-5).any()


@REFUSING
def test_every_attack_checks_its_inputs_before_it_works(name, norm):
    net, images, labels = curved()
    bad = [
        ((images + 1, labels, 0.1), "images must be in [0, 1]"),
        ((images[0], labels, 0.1), "images must have shape (n, h, w, c)"),
        ((images, labels + 4, 0.1), "labels must be classes of the model, from 0 to 3"),
        ((images, labels, -0.1), "eps must be one radius"),
    ]
    for given_, words in bad:
        with refuses(words):
            FUNCTIONS[name](net, *given_, norm=norm)
    with refuses("norm must be one of", "'l0'"):
        FUNCTIONS[name](net, images, labels, 0.1, norm="l0")
    with refuses("model must return finite logits"):
        FUNCTIONS[name](lambda x: net(x) * jnp.nan, images, labels, 0.1, norm=norm)
    if name in AIMED:
        with refuses("targets must be classes of the model, from 0 to 3"):
            FUNCTIONS[name](net, images, labels, 0.1, norm=norm, targets=labels - 4)
    if name not in MINIMAL:
        with refuses("eps must be one radius", error=TypeError):
            FUNCTIONS[name](net, images, labels, None, norm=norm)
    for other in set(NORMS) - set(NAMED[name].norms):
        with refuses("norm must be one of", repr(other)):
            FUNCTIONS[name](net, images, labels, 0.1, norm=other)


NO_SETTING = [
    *[(n, {"steps": 0}, "steps must be at least 1") for n in ("pgd", "momentum", "apgd", "apgd_targeted")],
    *[(n, {"steps": -3}, "steps must be at least 1") for n in ("deepfool", "fab", "fab_targeted")],
    *[(n, {"restarts": 0}, "restarts must be at least 1") for n in ("pgd", "apgd", "fab", "square")],
    ("apgd_targeted", {"restarts": 0}, "restarts must be at least 1"),
    ("fab_targeted", {"restarts": 0}, "restarts must be at least 1"),
    ("pgd", {"step_size": -0.1}, "step_size must be a finite number >= 0, got -0.1"),
    ("pgd", {"loss": "hinge"}, "loss must be one of ('ce', 'dlr', 'margin'), got 'hinge'"),
    ("momentum", {"step_size": np.inf}, "step_size must be a finite number >= 0"),
    ("momentum", {"decay": -1.0}, "decay must be a finite number >= 0, got -1.0"),
    ("noise", {"tries": 0}, "tries must be at least 1, got 0"),
    ("apgd", {"loss": "mse"}, "loss must be one of"),
    ("apgd", {"rho": 1.5}, "rho must be a number in [0, 1]"),
    ("apgd_targeted", {"target_classes": 0}, "target_classes must be at least 1"),
    ("fab_targeted", {"target_classes": 0}, "target_classes must be at least 1"),
    ("deepfool", {"candidates": 1}, "candidates must be at least 2, got 1"),
    ("deepfool", {"overshoot": -0.1}, "overshoot must be a finite number >= 0"),
    ("fab", {"alpha_max": 1.1}, "alpha_max must be a number in [0, 1]"),
    ("fab_targeted", {"eta": 0.9}, "eta must be a finite number >= 1"),
    ("fab", {"beta": 1.0}, "beta must be a number in [0, 1)"),
    ("square", {"queries": 0}, "queries must be at least 1"),
    ("square", {"p_init": 0.0}, "p_init must be a share of the image in (0, 1], got 0.0"),
    ("square", {"loss": "dlr"}, "loss must be one of ('margin', 'ce'), got 'dlr'"),
    ("carlini_wagner", {"steps": 0}, "steps must be at least 1"),
    ("carlini_wagner", {"binary_search_steps": 0}, "binary_search_steps must be at least 1"),
    ("carlini_wagner", {"learning_rate": 0.0}, "learning_rate must be a finite number > 0, got 0.0"),
    ("carlini_wagner", {"initial_constant": np.inf}, "initial_constant must be a finite number > 0"),
    ("carlini_wagner", {"confidence": -1.0}, "confidence must be a finite number >= 0"),
]


@pytest.mark.parametrize(("name", "options", "words"), NO_SETTING)
def test_settings_out_of_range_are_refused(name, options, words):
    net, images, labels = curved()
    with refuses(words):
        FUNCTIONS[name](net, images, labels, 0.1, norm=NAMED[name].norms[0], **options)


@pytest.mark.parametrize(
    ("name", "options", "least"),
    [
        ("pgd", {"loss": "dlr"}, 3),
        ("pgd", {"loss": "dlr", "targets": jnp.zeros(6, int)}, 4),
        ("apgd", {"loss": "dlr"}, 3),
        ("apgd", {"loss": "dlr", "targets": jnp.zeros(6, int)}, 4),
        ("apgd_targeted", {}, 4),
        ("autoattack", {}, 4),
    ],
)
def test_losses_of_logits_ratios_need_more_than_two_classes(name, options, least):
    for classes in range(2, least):
        model = partial(lambda classes, images: images[:, 0, :classes, 0], classes)
        images, _ = right(model)
        with refuses(f"model must have at least {least} classes", f"got {classes}"):
            FUNCTIONS[name](model, images, jnp.zeros(6, int), 0.1, **options)


@ONCE
@unchecked()
def test_numbers_of_numpy_count_as_pythons_own(name, norm):
    """An int8 of 100 steps would wrap around in what is computed from it, a float16 would be rounded."""
    _, images, labels = curved()

    def as_numpy(value):
        return np.int8(value) if isinstance(value, int) else np.float16(value)

    settings = {one: as_numpy(value) for one, value in SETTINGS[name].items()}
    plain = {one: value.item() for one, value in settings.items()}
    attack = partial(FUNCTIONS[name], curved()[0], images, labels, norm=norm)
    got, expected = attack(np.float16(0.1), **settings), attack(float(np.float16(0.1)), **plain)
    np.testing.assert_array_equal(got, expected)


@cases(SETTINGS, {"fgsm", "apgd"}, norms=1)
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@unchecked()
def test_half_precision_is_attacked_in_float32(name, norm, dtype):
    net, images, labels = curved()

    def half(x):
        return net(x).astype(dtype)

    got = FUNCTIONS[name](half, images.astype(dtype), labels, LARGE[norm] / 2, norm=norm, **SETTINGS[name])
    assert got.dtype == jnp.float32 and got.min() >= 0 and got.max() <= 1
    assert broken(half, got, labels).sum() > broken(half, images, labels).sum()


@ONCE
@unchecked()
def test_double_precision_changes_nothing(name, norm):
    """``jax_enable_x64`` and float64 images: what is computed, and its random numbers, is float32."""
    net, images, labels = curved()
    with jax.enable_x64(True):
        wide = jnp.asarray(np.asarray(images, np.float64))
        got = FUNCTIONS[name](net, wide, np.asarray(labels, np.int64), 0.2, norm=norm, **SETTINGS[name])
        logits = FUNCTIONS[name](
            lambda x: net(x).astype(jnp.float64), images, labels, np.float64(0.2), norm=norm, **SETTINGS[name]
        )
    assert wide.dtype == jnp.float64 and got.dtype == logits.dtype == jnp.float32
    assert got.min() >= 0 and got.max() <= 1 and broken(net, got, labels).sum() >= 1
