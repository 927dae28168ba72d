"""What a model withstands, by attack, radius and image; and one image under attack."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

import minmax_jax as mm
from helpers.filled import filled
from helpers.linear import Curved, batch, linear_model, margins, worst_in_box
from helpers.refusal import refuses, unchecked
from helpers.small import digits
from helpers.victims import victim
from minmax_jax.attacks.deepfool import NUDGE
from minmax_jax.attacks.registry import NAMED, NamedAttack
from minmax_jax.jobs.progress import progress_bar
from minmax_jax.robustness import attack_one, bootstrap_interval
from minmax_jax.robustness.predictions import batches
from minmax_jax.robustness.report import eps_ladder
from minmax_jax.robustness.target import Target, prepare

LINEAR, W = linear_model()
EPS = [0, 0.02, 0.1, 0.4, 1]
ATTACKS = ["fgsm", "noise", "pgd"]
report_of = partial(mm.robustness, progress=False)


def labelled(images):
    """Images with the linear model's own predictions as labels, but for every tenth."""
    labels = LINEAR(images).argmax(-1)
    return mm.Split(images, labels.at[::10].set(1 - labels[::10]))


def split(low=0.0, high=1.0, n=50):
    return labelled(batch(low, high, n=n)[0])


def near_the_boundary():
    """Grey images moved to the boundary, give or take a little: far from the box, for its size."""
    noise, _ = batch(-0.01, 0.01, n=50)
    step = (0.5 - 0.5 * W.sum()) / np.abs(W).sum()
    return labelled(0.5 + step * np.sign(W) + np.asarray(noise))


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


def test_the_report_is_labelled_names_its_settings_and_can_be_stored(report, tmp_path):
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
    report.to_netcdf(tmp_path / "report.nc")
    again = xr.load_dataset(tmp_path / "report.nc")
    xr.testing.assert_identical(again.assign_attrs(report.attrs), report)
    assert again.attrs["clean_accuracy"] == report.attrs["clean_accuracy"] and again.withstood.dtype == bool


def test_accuracy_withstood_and_minimal_eps_say_the_same(report, curved):
    model, data = curved
    right = np.asarray(model(data.images).argmax(-1)) == data.labels
    np.testing.assert_array_equal(report.withstood.sel(eps=0, attack="worst"), right)
    np.testing.assert_array_equal(report.answer == report.label, right)
    np.testing.assert_allclose(report.accuracy.sel(eps=0), mm.accuracy(model, data), rtol=1e-6)
    np.testing.assert_array_equal(report.accuracy, report.withstood.mean("image"))
    known = report.minimal_eps > report.eps
    np.testing.assert_array_equal(report.withstood, known.transpose(*report.withstood.dims))
    assert set(np.unique(report.minimal_eps)) <= {*EPS, np.inf}
    each = report.sel(attack=ATTACKS)
    np.testing.assert_array_equal(report.withstood.sel(attack="worst"), each.withstood.all("attack"))
    np.testing.assert_array_equal(report.minimal_eps.sel(attack="worst"), each.minimal_eps.min("attack"))


def test_accuracy_falls_with_eps_where_it_must(report):
    assert (report.withstood.astype(int).diff("eps") <= 0).all()
    assert report.accuracy.sel(attack="pgd", eps=0.02) > 0.5
    assert report.accuracy.sel(attack="pgd", eps=0.4) < 0.1
    assert report.accuracy.sel(attack="noise", eps=0.1) > report.accuracy.sel(attack="pgd", eps=0.1)


def test_intervals_are_bootstrap_intervals_of_the_images(report, curved):
    np.testing.assert_array_equal(report.interval, bootstrap_interval(report.withstood.values))
    low, high = report.interval
    assert (low <= report.accuracy).all() and (report.accuracy <= high).all() and (low < high).any()
    other = report_of(*curved, [0.1], attacks=["noise"], seed=7, resamples=30)
    np.testing.assert_array_equal(other.interval, bootstrap_interval(other.withstood.values, 30, seed=7))


def test_an_attack_has_its_own_random_numbers_whatever_stands_beside_it(curved):
    alone, other = (report_of(*curved, [0.1], attacks=["noise"], seed=seed) for seed in (0, 1))
    beside = report_of(*curved, [0.1], attacks=["fgsm", "noise"])
    np.testing.assert_array_equal(alone.withstood.sel(attack="noise"), beside.withstood.sel(attack="noise"))
    assert (alone.withstood != other.withstood).any()


@pytest.mark.parametrize("batch_size", [7, pytest.param(50, marks=pytest.mark.slow), 200])
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
    """An attack for the smallest change finds it, and so answers for every eps."""
    data, radii = near_the_boundary(), [0.002, 0.005, 0.01]
    distance = np.maximum(margins(data.images, data.labels, W) / np.linalg.norm(W), 0)
    right = distance > 0
    got = report_of(LINEAR, data, radii, attacks=["deepfool", "fgsm", "pgd"], norm="l2")
    for eps in radii:
        standing = got.withstood.sel(attack=["fgsm", "pgd"], eps=eps).all("attack")
        np.testing.assert_array_equal(standing, distance > eps)
    assert got.attrs["norm"] == "l2" and 0 < float(got.accuracy.sel(attack="pgd", eps=0.005)) < 0.9
    smallest = got.minimal_eps.sel(attack="deepfool")
    assert (smallest >= distance * (1 - 1e-3)).all() and (smallest[~right] == 0).all()
    assert (smallest[right] <= 1.02 * (distance[right] + NUDGE) * (1 + 1e-3)).all()  # it overshoots by 2 %
    np.testing.assert_array_equal(got.withstood.sel(attack="deepfool", eps=0.002), smallest > 0.002)
    each = got.minimal_eps.isel(attack=slice(-1))
    np.testing.assert_array_equal(got.minimal_eps.sel(attack="worst"), each.min("attack"))
    assert set(np.unique(got.minimal_eps.sel(attack="fgsm"))) <= {0, *radii, np.inf}


def test_two_attacks_that_each_break_another_half_leave_nothing_standing():
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
    """Even if an "attack" happens to mend it; and a data set is its test images, by name."""

    def one_when_black(images):
        return jnp.where((images.sum((1, 2, 3)) == 0)[:, None], jnp.eye(10)[1], jnp.eye(10)[7])

    got = report_of(one_when_black, digits(), [1.0], attacks={"mend": lambda model, x, y, eps, key: x * 0})
    seven, one = digits().test.labels == 7, digits().test.labels == 1
    assert got.attrs["dataset"] == "digits" and got.sizes["image"] == 203 and one.any()
    np.testing.assert_array_equal(got.minimal_eps.sel(attack="worst"), seven * 1.0)
    assert (got.accuracy == 0).all()


class Counting(Target):
    """A target that remembers how many images were attacked at each radius."""

    rows: dict

    def attacked(self, name, attack, eps, rows, *rest, **options):
        self.rows[eps] = len(rows)
        return super().attacked(name, attack, eps, rows, *rest, **options)


def test_an_image_broken_at_a_radius_is_broken_at_larger_ones_and_not_attacked_again():
    """An attack that fails at large radii: what it found at small ones lies in the larger balls too."""

    def only_small(model, x, y, eps, key):
        return jnp.where(eps < 0.15, mm.attacks.fgsm(model, x, y, eps), x)

    data = split()
    expected = report_of(LINEAR, data, [0, 0.02, 0.1], attacks=["fgsm"]).accuracy.values[0]
    got = report_of(LINEAR, data, [0.4, 0.1, 0.0, 0.02], attacks={"small": only_small})
    np.testing.assert_allclose(got.accuracy.sel(attack="small"), [*expected, expected[-1]])
    Counting.rows = {}
    target = Counting(**vars(prepare(LINEAR, data, "linf", 50)))
    with progress_bar(0, False) as bar:
        minimal = eps_ladder(target, "small", NamedAttack(only_small), [0.02, 0.1, 0.4], 0, bar)
    np.testing.assert_array_equal(minimal, got.minimal_eps.sel(attack="small"))
    assert Counting.rows == {0.02: 45, 0.1: round(50 * expected[1]), 0.4: round(50 * expected[2])}


def test_each_attack_is_compiled_once_whatever_the_radii_and_batches():
    traces = []

    def attack(model, x, y, eps, key):
        traces.append(1)
        return x

    report_of(LINEAR, split(n=7), [0.1], attacks={"one": attack}, batch_size=7)
    once = len(traces)
    report_of(LINEAR, split(n=40), [0.1, 0.2, 0.3], attacks={"one": attack}, batch_size=7)
    assert len(traces) == once


def test_attacks_are_named_or_functions_with_options_of_your_own():
    data = split()
    weak = partial(mm.attacks.pgd, steps=1, step_size=0.0, random_start=False)
    got = report_of(LINEAR, data, [0.05], attacks={"weak": weak, "pgd": NAMED["pgd"].function})
    assert float(got.accuracy.sel(attack="weak")[0]) == got.attrs["clean_accuracy"] == 0.9
    assert "weak: pgd(random_start=False, step_size=0.0, steps=1)" in got.attrs["attacks"]
    named = report_of(LINEAR, data, [0.05], attacks=["pgd"])
    assert named.withstood.sel(attack="pgd").identical(got.withstood.sel(attack="pgd"))
    found = mm.attacks.pgd(LINEAR, data.images, data.labels, 0.05, steps=40, restarts=2)
    right = np.asarray(LINEAR(np.stack([data.images, found]).reshape(-1, 3, 4, 2)).argmax(-1)).reshape(2, -1)
    np.testing.assert_array_equal(named.withstood[0, 0], (right == data.labels).all(0))


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


@given(st.integers(1, 40), st.integers(1, 12))
def test_batches_are_of_one_width_and_hold_each_row_once(rows, width):
    numbers = np.arange(rows) + 7
    parts = list(batches(numbers, width))
    assert {len(batch) for batch, _ in parts} == {width}
    np.testing.assert_array_equal(np.concatenate([batch[active] for batch, active in parts]), numbers)
    assert set(np.concatenate([batch for batch, _ in parts])) == set(numbers)


# One image


@pytest.mark.slow
def test_one_image_is_the_named_attack_on_a_batch_of_one():
    model, test, attack = victim("standard"), digits().test, "noise"
    image, label = test.images[5], int(test.labels[5])
    moved, logits = attack_one(model, image, label, 0.1, attack, seed=2)
    expected = NAMED[attack].function(model, image[None], np.array([label]), 0.1, key=jax.random.key(2))
    np.testing.assert_allclose(moved, expected[0], atol=1e-5)
    np.testing.assert_allclose(logits, model(np.stack([image, moved])), atol=1e-4)
    own = int(model(image[None]).argmax())  # without a label the model's own prediction is attacked
    without, with_own = (attack_one(model, image, given, 0.1, attack)[0] for given in (None, own))
    np.testing.assert_array_equal(without, with_own)


# Other types of numbers, and other kinds of models


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@unchecked()
def test_logits_in_half_precision(curved, dtype):
    model, data = curved
    half = report_of(lambda x: model(x).astype(dtype), data, [0.2], attacks=["fgsm", "apgd"])
    whole = report_of(model, data, [0.2], attacks=["fgsm", "apgd"])
    np.testing.assert_allclose(half.accuracy, whole.accuracy, atol=0.05)


@pytest.mark.slow
def test_a_function_that_computes_in_half_precision_is_no_changing_one(curved):
    """Compiled, it is rounded otherwise than step by step."""
    model, data = curved
    weights = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), nnx.state(model))
    half = nnx.merge(nnx.graphdef(model), weights)
    report_of(lambda x: half(x.astype(jnp.bfloat16)), data, [0.1], attacks=["fgsm"])


@unchecked()
def test_counts_of_numpy_count_as_pythons_own(curved):
    plain = report_of(*curved, [0.1], attacks=["fgsm"], batch_size=50, seed=3, resamples=200)
    counts = {"batch_size": np.uint8(50), "seed": jnp.int32(3), "resamples": np.array(200)}
    xr.testing.assert_identical(plain, report_of(*curved, np.array([0.1]), attacks=["fgsm"], **counts))


def test_a_network_that_draws_random_numbers_is_refused_whatever_the_batch(curved):
    class Drawing(nnx.Module):
        def __init__(self):
            self.inner, self.rngs = curved[0], nnx.Rngs(0)

        def __call__(self, images):
            return self.inner(images) + jax.random.normal(self.rngs(), (len(images), 4))

    for size in (60, 61, 62):
        for call in (report_of, partial(mm.masking, progress=False)):
            with refuses("model changes its own state", "model must be deterministic"):
                call(Drawing(), curved[1], batch_size=size)
