"""What a model withstands, by attack, radius and image."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from flax import nnx

import minmax_jax as mm
from helpers.filled import filled
from helpers.linear import Curved, batch, linear_model, margins, worst_in_box
from helpers.refusal import refuses
from helpers.small import Norm, digits
from minmax_jax.attacks.deepfool import NUDGE
from minmax_jax.attacks.registry import NAMED
from minmax_jax.robustness import bootstrap
from minmax_jax.robustness.target import Victim

LINEAR, W = linear_model()
EPS = [0, 0.02, 0.1, 0.4, 1]
ATTACKS = ["fgsm", "noise", "pgd"]


def split(low=0.0, high=1.0, n=50):
    """Images of the linear model with its own answers as labels, but for every tenth."""
    images, _ = batch(low, high, n=n)
    labels = LINEAR(images).argmax(-1)
    return mm.Split(images, labels.at[::10].set(1 - labels[::10]))


def near_the_boundary():
    """Grey images moved to the boundary, give or take a little: far from the box, for its size."""
    noise, _ = batch(-0.01, 0.01, n=50)
    step = (0.5 - 0.5 * W.sum()) / np.abs(W).sum()
    images = 0.5 + step * np.sign(W) + np.asarray(noise)
    labels = LINEAR(images).argmax(-1)
    return mm.Split(images, labels.at[::10].set(1 - labels[::10]))


report_of = partial(mm.robustness, progress=False)


@pytest.fixture(scope="module")
def curved():
    """A curved model, and images that it classifies as labelled but for every tenth."""
    model = filled(Curved)
    images, _ = batch(0, 1, n=61, shape=(5, 5, 1))
    labels = model(images).argmax(-1)
    return model, mm.Split(images, labels.at[::10].set((labels[::10] + 1) % 4))


@pytest.fixture(scope="module")
def report(curved):
    return report_of(*curved, EPS, attacks=ATTACKS, batch_size=25)


def test_the_report_is_labelled_and_names_its_settings(report):
    assert report.accuracy.dims == ("attack", "eps") and report.accuracy.dtype == float
    assert report.withstood.dims == ("attack", "eps", "image") and report.withstood.dtype == bool
    assert report.minimal_eps.dims == ("attack", "image")
    assert report.interval.dims == ("end", "attack", "eps")
    assert report.attack.values.tolist() == [*ATTACKS, "worst"]
    assert report.eps.values.tolist() == EPS
    assert report.end.values.tolist() == ["low", "high"] and report.image.values.tolist() == [*range(61)]
    assert all(variable.attrs["long_name"] for variable in report.data_vars.values())
    assert report.attrs == {
        "dataset": "unnamed",
        "model": "Curved",
        "norm": "linf",
        "images": 61,
        "clean_accuracy": pytest.approx(54 / 61),
        "attacks": "fgsm: fgsm(); noise: noise(); pgd: pgd(restarts=2, steps=40)",
        "batch_size": 25,
        "seed": 0,
        "resamples": 1000,
        "level": 0.95,
    }


def test_without_radius_it_is_clean_accuracy(report, curved):
    model, data = curved
    np.testing.assert_allclose(report.accuracy.sel(eps=0), mm.accuracy(model, data), rtol=1e-6)
    right = np.asarray(model(data.images).argmax(-1)) == data.labels
    np.testing.assert_array_equal(report.withstood.sel(eps=0, attack="worst"), right)
    np.testing.assert_array_equal(report.answer == report.label, right)


def test_accuracy_is_the_share_withstood_and_worst_is_by_example(report):
    np.testing.assert_array_equal(report.accuracy, report.withstood.mean("image"))
    single = report.withstood.sel(attack=ATTACKS)
    np.testing.assert_array_equal(report.withstood.sel(attack="worst"), single.all("attack"))
    assert (report.accuracy.sel(attack="worst") <= report.accuracy).all()


def test_accuracy_never_rises_with_eps_and_falls_where_it_must(report):
    assert (report.withstood.astype(int).diff("eps") <= 0).all()
    assert report.accuracy.sel(attack="pgd", eps=0.02) > 0.5
    assert report.accuracy.sel(attack="pgd", eps=0.4) < 0.1
    assert report.accuracy.sel(attack="noise", eps=0.1) > report.accuracy.sel(attack="pgd", eps=0.1)


def test_what_is_withstood_is_what_has_a_larger_minimal_eps(report):
    np.testing.assert_array_equal(
        report.withstood, (report.minimal_eps > report.eps).transpose(*report.withstood.dims)
    )
    assert set(np.unique(report.minimal_eps)) <= {*EPS, np.inf}
    np.testing.assert_array_equal(
        report.minimal_eps.sel(attack="worst"), report.minimal_eps.sel(attack=ATTACKS).min("attack")
    )


def test_intervals_are_bootstrap_intervals_of_the_images(report, curved):
    np.testing.assert_array_equal(report.interval, bootstrap.interval(report.withstood.values))
    low, high = report.interval
    assert (low <= report.accuracy).all() and (report.accuracy <= high).all() and (low < high).any()
    other = report_of(*curved, [0.1], attacks=["fgsm"], seed=7, resamples=30)
    np.testing.assert_array_equal(other.interval, bootstrap.interval(other.withstood.values, 30, seed=7))


@pytest.mark.parametrize("batch_size", [7, 50, 200])
def test_by_linf_a_linear_model_withstands_what_its_worst_images_say(batch_size):
    """The worst images of the ball and the box are known; the batch size makes no difference."""
    data = split()
    got = report_of(LINEAR, data, EPS, attacks=["fgsm"], batch_size=batch_size)
    for eps in EPS:
        worst = worst_in_box(data.images, data.labels, W, eps)
        expected = (margins(data.images, data.labels, W) > 0) & (margins(worst, data.labels, W) > 0)
        np.testing.assert_array_equal(got.withstood.sel(attack="worst", eps=eps), expected)
    assert got.accuracy.sel(attack="worst", eps=1) == 0 < got.accuracy.sel(attack="worst", eps=0.02)


def test_by_l2_a_linear_model_breaks_at_its_distance():
    data = near_the_boundary()
    distance = margins(data.images, data.labels, W) / np.linalg.norm(W)
    radii = [0.002, 0.005, 0.01]
    got = report_of(LINEAR, data, radii, attacks=["fgsm", "pgd"], norm="l2")
    for eps in radii:
        np.testing.assert_array_equal(got.withstood.sel(attack="worst", eps=eps), distance > eps)
    assert got.attrs["norm"] == "l2"
    assert 0 < float(got.accuracy.sel(attack="worst", eps=0.005)) < 0.9


def test_an_attack_for_the_smallest_change_gives_the_distance_and_answers_for_every_eps():
    data = near_the_boundary()
    margin = margins(data.images, data.labels, W)
    distance = np.maximum(margin / np.linalg.norm(W), 0)
    got = report_of(LINEAR, data, [0.002, 0.005], attacks=["deepfool", "fgsm"], norm="l2")
    smallest = got.minimal_eps.sel(attack="deepfool")
    right = distance > 0
    assert (smallest >= distance * (1 - 1e-3)).all()
    assert (smallest[right] <= 1.02 * (distance[right] + NUDGE) * (1 + 1e-3)).all()  # it overshoots by 2 %
    assert (smallest[~right] == 0).all()
    np.testing.assert_array_equal(got.withstood.sel(attack="deepfool", eps=0.002), smallest > 0.002)
    both = got.minimal_eps.sel(attack=["deepfool", "fgsm"])
    np.testing.assert_array_equal(got.minimal_eps.sel(attack="worst"), both.min("attack"))
    assert set(np.unique(got.minimal_eps.sel(attack="fgsm"))) <= {0, 0.002, 0.005, np.inf}


def test_worst_is_by_example():
    """Two attacks that each break another half leave nothing standing."""

    def model(images):  # right on everything, unless the first pixel was marked
        marked = images[:, 0, 0, 0] > 0.5
        return jnp.eye(10)[jnp.where(marked, -1, 1) * images[:, 0, 1, 0].astype(int)]

    images = np.zeros((40, 28, 28, 1), np.float32)
    images[:, 0, 1, 0] = 1
    images[20:, 5, 5, 0] = 0.25  # tells the halves apart

    def mark(second):
        def attack(model, x, y, eps, key):
            half = (x[:, 5, 5, 0] > 0.2) == second
            return x.at[:, 0, 0, 0].set(jnp.where(half, eps, 0))

        return attack

    both = {"first": mark(False), "second": mark(True)}
    got = report_of(model, mm.Split(images, np.ones(40, np.int32)), [1.0], attacks=both)
    assert got.accuracy.values[:, 0].tolist() == [0.5, 0.5, 0.0]


def test_an_image_misclassified_as_it_is_never_counts():
    """Even if an "attack" happens to mend it."""

    def mend(model, x, y, eps, key):
        return x * 0

    def answers_one_when_black(images):
        return jnp.where((images.sum((1, 2, 3)) == 0)[:, None], jnp.eye(10)[1], jnp.eye(10)[2])

    ones = mm.Split(digits().test.images[:60], np.ones(60, np.int32))
    got = report_of(answers_one_when_black, ones, [1.0], attacks={"mend": mend})
    assert (got.accuracy == 0).all() and (got.minimal_eps == 0).all()


def test_an_image_broken_at_a_radius_is_broken_at_larger_ones_and_not_attacked_again(monkeypatch):
    """An attack that fails at large radii: what it found at small ones lies in the larger balls too."""
    data, rows, under = split(), {}, Victim.under

    def counted(self, name, attack, eps, given, *rest, **options):
        rows[eps] = len(given)
        return under(self, name, attack, eps, given, *rest, **options)

    def only_small(model, x, y, eps, key):
        return jnp.where(eps < 0.15, mm.attacks.fgsm(model, x, y, eps), x)

    monkeypatch.setattr(Victim, "under", counted)
    got = report_of(LINEAR, data, [0.4, 0.1, 0.0, 0.02], attacks={"small": only_small})
    expected = [
        float(report_of(LINEAR, data, [eps], attacks=["fgsm"]).accuracy[0, 0]) for eps in (0, 0.02, 0.1)
    ]
    rows_used = {eps: rows[eps] for eps in (0.02, 0.1, 0.4)}
    np.testing.assert_allclose(got.accuracy.sel(attack="small"), [*expected, expected[-1]])
    assert rows_used[0.4] == round(50 * expected[2]) < 45
    assert 0 not in rows  # the ball of radius 0 holds the image alone


def test_each_attack_is_compiled_once_whatever_the_radii_and_batches():
    traces = []

    def attack(model, x, y, eps, key):
        traces.append(1)
        return x

    report_of(LINEAR, split(n=7), [0.1], attacks={"one": attack}, batch_size=7)
    once = len(traces)
    report_of(LINEAR, split(n=40), [0.1, 0.2, 0.3], attacks={"one": attack}, batch_size=7)
    assert len(traces) == once


def test_an_attack_has_its_own_random_numbers_whatever_stands_beside_it(curved):
    alone = report_of(*curved, [0.1], attacks=["noise"], batch_size=25)
    beside = report_of(*curved, [0.1], attacks=["fgsm", "noise"], batch_size=25)
    np.testing.assert_array_equal(alone.withstood.sel(attack="noise"), beside.withstood.sel(attack="noise"))
    other = report_of(*curved, [0.1], attacks=["noise"], batch_size=25, seed=1)
    assert (alone.withstood != other.withstood).any()


def test_a_named_attack_is_the_attack_with_its_settings():
    data = split(n=20)
    got = report_of(LINEAR, data, [0.05], attacks=["pgd"])
    mine = report_of(LINEAR, data, [0.05], attacks={"pgd": NAMED["pgd"].function})
    assert got.identical(mine)
    found = mm.attacks.pgd(LINEAR, data.images, data.labels, 0.05, steps=40, restarts=2)
    withstood = np.asarray(LINEAR(found).argmax(-1)) == data.labels
    np.testing.assert_array_equal(got.withstood.sel(attack="pgd", eps=0.05), withstood)


def test_attacks_of_the_package_with_options_of_your_own():
    weak = partial(mm.attacks.pgd, steps=1, step_size=0.0, random_start=False)
    got = report_of(LINEAR, split(), [0.1], attacks={"weak": weak, "fgsm": mm.attacks.fgsm})
    assert float(got.accuracy.sel(attack="weak")[0]) == got.attrs["clean_accuracy"] == 0.9
    assert got.accuracy.sel(attack="fgsm")[0] < got.accuracy.sel(attack="weak")[0]
    assert "weak: pgd(random_start=False, step_size=0.0, steps=1)" in got.attrs["attacks"]


def test_a_data_set_is_its_test_images_by_name():
    def model(images):
        return jnp.eye(10)[jnp.full(len(images), 7)]

    got = report_of(model, digits(), [0.1], attacks=["fgsm"])
    assert got.attrs["dataset"] == "digits" and got.sizes["image"] == 203
    assert (got.accuracy == np.mean(digits().test.labels == 7)).all()  # nothing changes its mind


def test_a_report_can_be_stored_and_opened(report, tmp_path):
    report.to_netcdf(tmp_path / "report.nc")
    again = xr.load_dataset(tmp_path / "report.nc")
    xr.testing.assert_identical(again.assign_attrs(report.attrs), report)
    assert again.attrs["clean_accuracy"] == report.attrs["clean_accuracy"] and again.withstood.dtype == bool


def test_progress_names_the_attack_and_the_time_left(capsys):
    mm.robustness(LINEAR, split(), [0.1, 0.2], attacks=["fgsm", "deepfool"])
    shown = capsys.readouterr().err
    assert "fgsm at eps 0.1" in shown and "deepfool: 100%" in shown and "<00:00" in shown


def test_a_gradient_that_is_no_number_breaks_nothing():
    """The square root has no derivative at 0, where most pixels are."""

    def model(images):
        total = jnp.sqrt(images).sum((1, 2, 3))
        return jnp.stack([total - 1e6, -total], axis=1)  # class 1, and no small change can alter that

    ones = mm.Split(digits().test.images[:10], np.ones(10, np.int32))
    assert (report_of(model, ones, [0.001]).accuracy == 1).all()


def test_a_module_in_training_mode_is_attacked_in_evaluation_mode():
    model = Norm(nnx.Rngs(0))
    model.train()
    data = digits().test[:5]
    for attack in (mm.attacks.fgsm, partial(mm.attacks.pgd, steps=2)):
        first, second = (attack(model, data.images, data.labels, 0.1) for _ in range(2))
        np.testing.assert_array_equal(first, second)
    report_of(model, data, [0.1], attacks=["fgsm"])
    assert not model.dropout.deterministic


# What cannot be trusted is refused


class Noisy(nnx.Module):
    """Random even in evaluation mode."""

    def __init__(self, rngs):
        self.rngs = rngs

    def __call__(self, images):
        return images[:, 0, 0] + jax.random.normal(self.rngs.noise(), (len(images), 2))


class Changing:
    """A callable that draws a new random key at every call."""

    def __init__(self):
        self.key = jax.random.key(0)

    def __call__(self, images):
        self.key, key = jax.random.split(self.key)
        return LINEAR(images) + jax.random.normal(key, (len(images), 2))


def drifting(images):
    return LINEAR(images) + np.random.default_rng().normal(size=(len(images), 2)).astype(np.float32)


@pytest.mark.parametrize("model", [Noisy(nnx.Rngs(0)), Changing(), drifting])
def test_a_model_that_answers_at_random_is_refused(model):
    with refuses("model answers differently when asked twice", "without randomness"):
        report_of(model, split(), [0.1])


def test_logits_that_are_no_numbers_are_named():
    with refuses("model gives logits that are NaN or infinite on 5 of 5 images"):
        report_of(lambda x: jnp.zeros((len(x), 10)).at[:, 3].set(jnp.nan), digits().test[:5], [0.1])


def test_logits_that_are_no_numbers_in_the_ball_are_named():
    def model(images):
        return jnp.where(images.min((1, 2, 3))[:, None] < 0.4, jnp.nan, LINEAR(images))

    with refuses("NaN or infinite on images that attack 'fgsm' found"):
        report_of(model, split(0.5, 0.6), [0.05, 0.3], attacks=["fgsm"])


def test_labels_that_name_no_class_are_refused():
    with refuses("labels hold values outside 0 to 1, the classes of the model"):
        report_of(LINEAR, mm.Split(split().images, np.full(50, 2)), [0.1])


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (0.2, ["attack 'mine' changes an image by 0.2", "at eps 0.1", "by norm 'linf'"]),
        (np.nan, ["attack 'mine' gives images outside [0, 1] or NaN"]),
        (-0.1, ["attack 'mine' gives images outside [0, 1] or NaN"]),
    ],
)
def test_an_attack_that_leaves_the_ball_or_the_box_is_refused(shift, words):
    def attack(model, x, y, eps, key):
        return x + shift

    with refuses(*words):
        report_of(LINEAR, split(0.0, 0.2), [0.1], attacks={"mine": attack})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"eps": [0.1, 1.5]}, ["eps is 1.5", "in [0, 1]"]),
        ({"eps": [-0.1]}, ["eps is -0.1"]),
        ({"eps": [np.nan]}, ["eps is nan"]),
        ({"eps": []}, ["eps is []", "one radius or more"]),
        ({"eps": [np.inf], "norm": "l2"}, ["eps is inf", "[0, inf)"]),
        ({"attacks": ["magic"]}, ["attacks is", "magic", "fgsm"]),
        ({"attacks": "pgd"}, ["attacks is 'pgd'"]),
        ({"norm": "l0"}, ["norm is 'l0'"]),
        ({"norm": "l1", "attacks": ["deepfool"]}, ["attack 'deepfool' has no norm 'l1'"]),
        ({"batch_size": 0}, ["batch_size is 0"]),
        ({"resamples": 0}, ["resamples is 0"]),
        ({"seed": -1}, ["seed is -1", "0 to 2147483647"]),
        ({"eps": ["a"]}, ["eps is ['a']", "one radius or more"]),
        ({"attacks": None}, ["attacks is None"]),
        ({"attacks": [["pgd"]]}, ["attacks is [['pgd']]"]),
    ],
)
def test_unfit_arguments_are_named(options, words):
    with refuses(*words):
        report_of(LINEAR, split(), **{"eps": [0.1]} | options)


def test_a_model_that_was_changed_since_it_was_compiled_is_refused():
    class Shifted:
        shift = 0.0

        def __call__(self, images):
            return LINEAR(images) + jnp.array([[self.shift, 0.0]])

    model, data = Shifted(), split()
    report_of(model, data, [0.1])
    model.shift = 5.0
    with refuses("model answers differently once it is compiled", "wrap a changed model in a new function"):
        report_of(model, data, [0.1])


def test_data_of_another_kind_is_named():
    with refuses("data must be a minmax_jax.data.split.Split, got a tuple", error=TypeError):
        report_of(LINEAR, (split().images, split().labels), [0.1])
    with refuses("model must be a callable, got a str", error=TypeError):
        report_of("lenet", split(), [0.1])
    with refuses("data must be a minmax_jax.data.split.Split, got a Dataset", error=TypeError):
        mm.accuracy(LINEAR, digits())
    with refuses("batch_size must be at least 1, got 0"):
        mm.accuracy(LINEAR, split(), batch_size=0)
