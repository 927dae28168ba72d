"""Checks for gradient masking: they find what is known to be masked, and leave an honest model alone."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from flax import nnx

import minmax_jax as mm
from helpers.linear import Curved, batch, linear_model
from helpers.refusal import unchecked
from minmax_jax.robustness.masking import CHECKS, masking
from minmax_jax.robustness.masking_report import Check, Masking, share_check
from minmax_jax.robustness.target import prepare

pytestmark = pytest.mark.slow


@jax.custom_vjp
def misled(images, lie):
    """The images; what flows back through them is noise where ``lie`` is 1.

    Where it is 2, so it is but for images whose first pixel is 1/2.
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


def checked(model, eps=0.03, marked=False, **options):
    """The checks of a model on 60 images that it gets right, but for every tenth.

    Images that are ``marked`` have a first pixel of 1/2.
    """
    images, _ = batch(0, 1, n=60, shape=(5, 5, 1))
    images = images.at[:, 0, 0].set(0.5) if marked else images
    labels = model(images).argmax(-1)
    data = mm.Split(images, labels.at[::10].set((labels[::10] + 1) % 4))
    return masking(model, data, eps, progress=False, **options)


def alarms(found):
    return {check.name for check in found.checks if check.outcome == "alarm"}


@pytest.fixture(scope="module")
def honest():
    return checked(Suspect(), others=[Suspect(seed=1)])


@pytest.fixture(scope="module")
def saturated():
    """Logits times 10,000: the same classes, but a cross-entropy of 0 with a gradient of 0."""
    return checked(Suspect(scale=1e4))


def test_an_honest_model_raises_no_alarm(honest):
    assert honest.passed and {check.outcome for check in honest.checks} == {"passed"}
    assert honest.summary.startswith("None of 7 checks alarms")
    assert 0 < honest.notes["pgd_accuracy"] < honest.notes["clean_accuracy"] == 0.9


def test_a_saturated_softmax_is_found_by_its_zero_gradients_and_its_scale(saturated):
    assert {"zero_gradient", "logit_scale"} <= alarms(saturated)
    assert saturated["zero_gradient"].number > 0.5
    assert re.search(r"difference of logits ratio|times 0\.01", saturated["logit_scale"].verdict)
    assert not saturated.passed and "do not trust" in saturated.summary
    check = saturated["transfer"]  # there are no other models
    assert check.outcome == "not done" and np.isnan(check.number) and "others=[...]" in check.verdict
    assert "of 6 checks" in saturated.summary


@pytest.mark.parametrize(
    ("model", "found_by", "zero_gradients"),
    [
        (Suspect(stairs=8), {"zero_gradient", "black_box", "large_eps"}, 1),
        (Suspect(lie=1.0), {"black_box", "random_direction", "large_eps"}, 0),
    ],
    ids=["stairs", "noise"],
)
def test_stairs_and_random_gradients_are_found(model, found_by, zero_gradients):
    found = checked(model)
    assert found_by <= alarms(found) and found["zero_gradient"].number == zero_gradients
    if zero_gradients:  # the same random starts, and no gradient on any scale
        assert found["logit_scale"].number == 0


def test_a_gradient_that_is_true_at_the_images_alone_is_found_by_a_single_step():
    found = checked(Suspect(lie=2.0), marked=True)
    assert {"one_step", "black_box"} <= alarms(found)
    assert found["one_step"].number > 0.1 and "FGSM" in found["one_step"].verdict


def test_where_pgd_breaks_all_images_nothing_is_left_for_the_other_checks():
    found = checked(Suspect(), eps=0.5, others=[Suspect(seed=1)])
    assert found.notes["pgd_accuracy"] == 0 and found["transfer"].outcome == "passed"
    assert found.summary == (
        "None of 7 checks alarms; PGD at eps 0.5 breaks all images, so the accuracy under it, 0 %, cannot be "
        "too high."
    )


def test_images_made_on_a_model_that_does_not_hide_its_gradient_transfer():
    found = checked(Suspect(lie=1.0), others=[Suspect(seed=5), Suspect()])
    assert "transfer" in alarms(found) and found.notes["others"] == 2
    assert found["transfer"].number > 0.1


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
    one, several = (
        share_check("x", np.arange(rows) < broken, "{share} passed.", "{share} alarm.") for broken in (1, 3)
    )
    assert one.threshold == threshold and one.outcome == "passed"  # one image alone never alarms
    assert one.verdict == f"{100 / rows:.3g} % passed."
    assert several.outcome == ("passed" if rows == 1 else "alarm")


def test_words_fit_the_extremes(saturated):
    def said(**notes):
        return Masking((Check("x", number, 0.1, "", ""),), saturated.notes | notes).summary

    number = 0.0
    assert said(pgd_accuracy=0.0).startswith("None of 1 checks alarms; PGD at eps 0.03 breaks all images")
    assert "as none can on a single image: they say nothing of the accuracy of 100 %" in said(
        pgd_accuracy=1.0, correct=1
    )
    assert "no reason to distrust the accuracy of 99.99 % under PGD" in said(pgd_accuracy=0.9999)
    number = 0.5
    assert said(pgd_accuracy=0.0).startswith("1 of 1 checks alarm (x); PGD at eps 0.03 breaks all images")
    few = share_check("x", np.arange(200) < 1, "{share} are lost: all is well.", "{share} are lost.")
    assert few.verdict == "0.5 % are lost: too few images for an alarm."
    none = share_check("x", np.zeros(200, bool), "{share} are lost: all is well.", "{share} are lost.")
    assert none.verdict == "0 % are lost: all is well."


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
    found = prepare(model, data, "linf", 20).without_gradient(np.arange(50))
    np.testing.assert_array_equal(found, (first < 0.5) | (first > 0.9))
    assert 0 < (first > 0.9).sum() < found.sum() < 50


def test_two_classes_and_l2_are_checked_too():
    model, w = linear_model()
    halves = jnp.arange(50)[:, None, None, None] % 2 == (w > 0)[None]  # images of both classes
    images = batch(0, 1, n=50)[0] * halves
    found = masking(model, mm.Split(images, model(images).argmax(-1)), 0.3, norm="l2", progress=False)
    assert found.passed and found["large_eps"].number == 0
    assert "on the margin" in found["logit_scale"].verdict


def test_a_constant_model_cannot_be_broken_and_has_no_gradient():
    images, _ = batch(0, 1, n=20)
    data = mm.Split(images, np.zeros(20, np.int32))
    found = masking(lambda x: jnp.eye(3)[jnp.zeros(len(x), int)], data, progress=False)
    assert alarms(found) == {"zero_gradient"}
    assert found["large_eps"].outcome == "not done" and "no image" in found["large_eps"].verdict


def test_it_shows_itself_as_text_and_as_a_table_and_escapes_names(honest, saturated):
    text = repr(saturated)
    assert text.startswith(saturated.summary)
    for check in saturated.checks:
        assert re.search(rf"{check.outcome}\s+{check.name}\s.*{re.escape(check.verdict)}", text)
    html = saturated._repr_html_()
    assert html.count("<tr") == 8 and "<b>alarm</b>" in html and "54 of 60 images of unnamed" in html
    assert "<b>alarm</b>" not in honest._repr_html_()
    odd = Masking((Check("x", 0.5, 0.1, "a < b", "1 < 2."),), saturated.notes | {"dataset": "<b>"})
    assert all(word in odd._repr_html_() for word in ("&lt;b&gt;", "1 &lt; 2.", "a &lt; b"))
    with pytest.raises(KeyError, match=r"check must be one of .*zero_gradient.*, got 'blackbox'"):
        honest["blackbox"]


def test_it_is_a_labelled_table_too(saturated, tmp_path):
    table = saturated.to_dataset()
    assert table.check.values.tolist() == list(CHECKS)
    for check in saturated.checks[:-1]:
        one = table.sel(check=check.name)
        assert float(one.number) == check.number and str(one.outcome.values) == check.outcome
        assert str(one.verdict.values) == check.verdict
    assert table.attrs["eps"] == 0.03 and table.attrs["norm"] == "linf" and table.attrs["summary"]
    table.to_netcdf(tmp_path / "masking.nc")
    assert xr.load_dataset(tmp_path / "masking.nc").outcome.values.tolist() == table.outcome.values.tolist()


@unchecked()
def test_half_precision_and_counts_of_numpy():
    model = Suspect()
    found = checked(lambda x: model(x).astype(jnp.bfloat16), batch_size=np.uint8(60), seed=np.int8(0))
    assert found.notes["clean_accuracy"] == 0.9 and type(found.notes["batch_size"]) is int
