"""Checks for gradient masking: they find what is known to be masked, and leave an honest model alone."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from minmax_jax.robustness.trial import Trial

import minmax_jax as mm
from helpers.linear import Curved, batch, linear_model
from helpers.refusal import refuses
from minmax_jax.jobs.progress import Bar
from minmax_jax.robustness.masking import CHECKS, masking
from minmax_jax.robustness.masking_checks import zero_gradient
from minmax_jax.robustness.masking_report import Check, Masking
from minmax_jax.robustness.target import take


@jax.custom_vjp
def misled(images, lie):
    """The images; what flows back through them is noise, where ``lie`` is 1.

    Where it is 2, images speak the truth whose first pixel is 1/2.
    """
    return images


def _forward(images, lie):
    return images, (images, lie)


def _backward(kept, gradient):
    images, lie = kept
    liar = (lie == 1) | ((lie == 2) & (images[:, :1, :1, :1] != 0.5))
    key = jax.random.fold_in(jax.random.key(0), (1e4 * images.sum()).astype(jnp.uint32))
    noise = jax.random.normal(key, gradient.shape)
    return jnp.where(liar, noise, gradient), jnp.zeros_like(lie)


misled.defvjp(_forward, _backward)


class Suspect(nnx.Module):
    """A curved model that can hide its gradient in several ways, all of them one program."""

    def __init__(self, scale=1.0, stairs=0.0, lie=0.0, seed=0):
        self.inner = Curved(rngs=nnx.Rngs(seed))
        self.scale, self.stairs, self.lie = (nnx.Variable(jnp.float32(one)) for one in (scale, stairs, lie))

    def __call__(self, images):
        steps = self.stairs[...]
        flat = jnp.floor(images * jnp.maximum(steps, 1)) / jnp.maximum(steps, 1)
        seen = misled(jnp.where(steps > 0, flat, images), self.lie[...])
        return self.inner(seen) * self.scale[...]


def trial(model, eps=0.03, n=60, marked=False, **options):
    """The checks of a model on images that it gets right, but for every tenth.

    Images that are ``marked`` have a first pixel of 1/2.
    """
    images, _ = batch(0, 1, n=n, shape=(5, 5, 1))
    images = images.at[:, 0, 0].set(0.5) if marked else images
    labels = model(images).argmax(-1)
    data = mm.Split(images, labels.at[::10].set((labels[::10] + 1) % 4))
    return masking(model, data, eps, progress=False, **options)


def alarms(found):
    return {check.name for check in found.checks if check.outcome == "alarm"}


@pytest.fixture(scope="module")
def honest():
    return trial(Suspect(), others=[Suspect(seed=1)])


@pytest.fixture(scope="module")
def saturated():
    return trial(Suspect(scale=1e4))


def test_an_honest_model_raises_no_alarm(honest):
    assert alarms(honest) == set() and honest.passed
    assert {check.outcome for check in honest.checks} == {"passed"}
    assert honest.summary.startswith("None of 7 checks alarms")
    assert 0 < honest.notes["pgd_accuracy"] < honest.notes["clean_accuracy"] == 0.9


def test_a_saturated_softmax_is_found_by_its_zero_gradients_and_its_scale(saturated):
    """Logits times 10,000: the same classes, but a cross-entropy of 0 with a gradient of 0."""
    assert {"zero_gradient", "logit_scale"} <= alarms(saturated)
    assert saturated["zero_gradient"].number > 0.5
    assert (
        "difference of logits ratio" in saturated["logit_scale"].verdict
        or "times 0.01" in saturated["logit_scale"].verdict
    )
    assert not saturated.passed and "do not trust" in saturated.summary


def test_stairs_in_front_are_found_by_their_zero_gradients_and_by_what_needs_none():
    found = trial(Suspect(stairs=8))
    assert found["zero_gradient"].number == 1
    assert {"zero_gradient", "black_box", "large_eps"} <= alarms(found)
    assert found["logit_scale"].number == 0  # the same random starts, and no gradient on any scale


def test_a_random_gradient_is_found_by_noise_and_by_black_boxes():
    found = trial(Suspect(lie=1.0))
    assert {"black_box", "random_direction", "large_eps"} <= alarms(found)
    assert found["zero_gradient"].number == 0


def test_a_gradient_that_is_true_at_the_images_alone_is_found_by_a_single_step():
    found = trial(Suspect(lie=2.0), marked=True)
    assert {"one_step", "black_box"} <= alarms(found)
    assert found["one_step"].number > 0.1 and "FGSM" in found["one_step"].verdict


def test_where_pgd_breaks_all_images_nothing_is_left_for_the_other_checks():
    found = trial(Suspect(), eps=0.5, others=[Suspect(seed=1)])
    assert found.notes["pgd_accuracy"] == 0 and found["transfer"].outcome == "passed"


def test_images_made_on_a_model_that_does_not_hide_its_gradient_transfer():
    found = trial(Suspect(lie=1.0), others=[Suspect(seed=5), Suspect()])
    assert "transfer" in alarms(found) and found.notes["others"] == 2
    assert found["transfer"].number > 0.1


def test_without_other_models_transfer_is_not_done(saturated):
    check = saturated["transfer"]
    assert check.outcome == "not done" and np.isnan(check.number) and "others=[...]" in check.verdict
    assert "of 6 checks" in saturated.summary


def test_every_check_has_a_number_a_threshold_its_reason_and_a_sentence(honest, saturated):
    for found in (honest, saturated):
        assert [check.name for check in found.checks] == list(CHECKS)
        for check in found.checks:
            assert check.verdict.endswith(".") and "{" not in check.verdict
            if check.outcome != "not done":
                assert 0 <= check.number <= 1 and check.threshold == 1 / 54 and check.reason
                assert f"{100 * check.number:.3g} %" in check.verdict


@pytest.mark.parametrize(("rows", "threshold"), [(200, 0.01), (100, 0.01), (50, 0.02), (1, 1)])
def test_the_threshold_is_a_point_or_one_image(rows, threshold):
    model, _ = linear_model()
    images, _ = batch(0, 1, n=5)
    victim = take(model, mm.Split(images, np.zeros(5, int)), "linf", 5)
    one = Trial(victim, np.arange(rows), 0.1, 0, Bar(None))
    broken = np.arange(rows) < 1
    check = one.check("x", broken, "{share} passed.", "{share} alarm.")
    assert check.threshold == threshold and check.outcome == "passed"  # one image alone never alarms
    assert check.verdict == f"{100 / rows:.3g} % passed."
    two = one.check("x", np.arange(rows) < 3, "{share} passed.", "{share} alarm.")
    assert two.outcome == ("passed" if rows in (1,) else "alarm")


def test_zero_gradients_are_counted_by_hand():
    """A model that looks at nothing in images with a first pixel below 1/2, and breaks down above 0.9."""
    inner, _ = linear_model()

    def model(images):
        first = images[:, :1, :1, :1]
        seen = jnp.where(first < 0.5, jax.lax.stop_gradient(images), images)
        steep = jnp.sqrt(jnp.where(first > 0.9, images * 0, 1))  # no derivative at 0
        return inner(seen) + steep.sum((1, 2, 3))[:, None]

    images, _ = batch(0, 1, n=50, shape=(3, 4, 2))
    data = mm.Split(images, model(images).argmax(-1))
    first = data.images[:, 0, 0, 0]
    rows = np.arange(50)
    found = take(model, data, "linf", 20).without_gradient(rows)
    np.testing.assert_array_equal(found, (first < 0.5) | (first > 0.9))
    assert 0 < (first > 0.9).sum() < found.sum() < 50
    check = zero_gradient(Trial(take(model, data, "linf", 20), rows, 0.1, 0, Bar(None)))
    assert check.number == pytest.approx(found.mean()) and check.outcome == "alarm"
    assert check.verdict.startswith(
        f"{100 * check.number:.3g} % of images have a zero gradient: attacks that"
    )


def test_two_classes_and_l2_are_checked_too():
    model, w = linear_model()
    images = batch(0, 1, n=50)[0] * (
        jnp.arange(50)[:, None, None, None] % 2 == (w > 0)[None]
    )  # of both classes
    found = masking(model, mm.Split(images, model(images).argmax(-1)), 0.3, norm="l2", progress=False)
    assert found.passed and found["large_eps"].number == 0
    assert "on the margin" in found["logit_scale"].verdict


def test_a_constant_model_cannot_be_broken_and_has_no_gradient():
    images, _ = batch(0, 1, n=20)
    data = mm.Split(images, np.zeros(20, np.int32))
    found = masking(lambda x: jnp.eye(3)[jnp.zeros(len(x), int)], data, progress=False)
    assert alarms(found) == {"zero_gradient"}
    assert found["large_eps"].outcome == "not done" and "no image" in found["large_eps"].verdict


def test_it_shows_itself_as_text_and_as_a_table(honest, saturated):
    text = repr(saturated)
    assert text.startswith(saturated.summary)
    for check in saturated.checks:
        assert re.search(rf"{check.outcome}\s+{check.name}\s.*{re.escape(check.verdict)}", text)
    html = saturated._repr_html_()
    assert html.count("<tr") == 8 and "<b>alarm</b>" in html and "54 of 60 images of unnamed" in html
    assert "<b>alarm</b>" not in honest._repr_html_()


def test_names_from_outside_are_escaped():
    notes = {"eps": 0.1, "pgd_accuracy": 0.5, "correct": 1, "images": 2, "dataset": "<b>", "model": "M"}
    shown = Masking(
        (Check("x", 0.5, 0.1, "a < b", "1 < 2."),), notes | {"norm": "linf", "seed": 0}
    )._repr_html_()
    assert "&lt;b&gt;" in shown and "1 &lt; 2." in shown and "a &lt; b" in shown


def test_it_is_a_labelled_table_too(saturated, tmp_path):
    import xarray as xr

    table = saturated.to_dataset()
    assert table.check.values.tolist() == list(CHECKS)
    for check in saturated.checks[:-1]:
        one = table.sel(check=check.name)
        assert float(one.number) == check.number and str(one.outcome.values) == check.outcome
        assert str(one.verdict.values) == check.verdict
    assert table.attrs["eps"] == 0.03 and table.attrs["norm"] == "linf" and table.attrs["summary"]
    table.to_netcdf(tmp_path / "masking.nc")
    assert xr.load_dataset(tmp_path / "masking.nc").outcome.values.tolist() == table.outcome.values.tolist()


def test_an_unknown_check_is_named(honest):
    with pytest.raises(KeyError, match="check must be one of, got 'blackbox'"):
        honest["blackbox"]


def test_unfit_arguments_are_named():
    for eps in (0, 0.0, [0.1, 0.2]):
        with refuses(f"eps is {eps}", "one radius above 0"):
            trial(Suspect(), eps)
    with refuses("eps is 1.5", "[0, 1]"):
        trial(Suspect(), 1.5)
    with refuses("norm must be one of ('linf', 'l2'), got 'l1'"):
        trial(Suspect(), norm="l1")
    model, _ = linear_model()
    images, _ = batch(0, 1)
    with refuses("model classifies no image as labelled"):
        masking(model, mm.Split(images, 1 - model(images).argmax(-1)))
    with refuses("seed is -1", "0 to 2147483647"):
        trial(Suspect(), seed=-1)
    with refuses("others must be a list, got a Suspect", error=TypeError):
        trial(Suspect(), others=Suspect())
    with refuses("model must be a callable, got a int", error=TypeError):
        trial(Suspect(), others=[3])
