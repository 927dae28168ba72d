"""What is measured of a network, compared with other ways to the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import minmax_jax as mm
from helpers.small import digits, lenet, run
from minmax_jax.robustness.masking import CHECKS
from minmax_jax.robustness.masking_report import Check, Masking
from minmax_jax.study.experiments import measurements as gauge


@pytest.fixture(scope="module")
def found():
    test = digits().test
    return gauge.gauge(run().model, test, test[:20], 0, attacks=("fgsm",))


def test_everything_is_there_and_shaped_as_said(found):
    labels = gauge.coordinates(("fgsm",))
    sizes = {name: len(axis[1] if isinstance(axis, tuple) else axis) for name, axis in labels.items()}
    assert list(found) == list(gauge.DIMENSIONS) == list(gauge.NOTES)
    for name, dims in gauge.DIMENSIONS.items():
        assert found[name].shape == tuple(sizes[dim] for dim in dims), name
        assert found[name].dtype == np.float32
    assert np.isnan(found["masking"]).all()


def test_accuracies_are_those_of_the_package(found):
    test = digits().test
    assert float(found["clean_accuracy"]) == pytest.approx(mm.accuracy(run().model, test))
    report = mm.robustness(run().model, test[:20], gauge.RADII, attacks=["fgsm"], progress=False)
    np.testing.assert_allclose(found["accuracy"], report.accuracy)
    certified = mm.certify.verified(run().model, test[:20], [0.01], progress=False).accuracy
    assert found["verified"][1] == pytest.approx(float(certified.sel(bound="combined").squeeze()))


def test_margin_and_sensitivity_by_hand(found):
    """The gradient by jax's own reverse mode through the logits, one image at a time."""
    model, test = run().model, digits().test

    def margin(image, label):
        logits = model(image[None])[0]
        return logits[label] - jnp.max(jnp.where(jnp.arange(10) == label, -jnp.inf, logits))

    pairs = [
        jax.value_and_grad(margin)(x, y) for x, y in zip(test.images[:30], test.labels[:30], strict=True)
    ]
    first, second = gauge.slopes(model, test[:30])
    assert first == pytest.approx(float(np.mean([value for value, _ in pairs])), rel=1e-4)
    assert second == pytest.approx(float(np.mean([np.abs(slope).sum() for _, slope in pairs])), rel=1e-4)


def test_weights_by_hand(found):
    kernel = np.asarray(run().model.conv2.kernel[...], np.float64)
    dense = np.asarray(run().model.dense3.kernel[...], np.float64)
    assert found["gain"][1] == pytest.approx(np.abs(kernel).sum((0, 1, 2)).max(), rel=1e-5)
    assert found["l1"][[1, 4]] == pytest.approx([np.abs(kernel).sum(), np.abs(dense).sum()], rel=1e-5)
    assert found["l2"][4] == pytest.approx((dense**2).sum(), rel=1e-5)
    assert found["largest"][1] == pytest.approx(np.abs(kernel).max())
    fuzzy = mm.fuzziness(kernel, membership="magnitude", measure="quadratic")
    assert found["fuzziness"][1, 0, 1, 1] == pytest.approx(float(fuzzy), rel=1e-5)


def test_the_checks_are_those_of_masking(monkeypatch):
    checks = tuple(Check(name, i / 100, 0.01, "", "") for i, name in enumerate(reversed(CHECKS)))
    monkeypatch.setattr(gauge, "masking", lambda *_, **__: Masking(checks, {}))
    numbers = gauge._checks(run().model, digits().test, 0, lenet())
    np.testing.assert_allclose(numbers, np.arange(len(checks))[::-1] / 100)


def test_a_network_that_is_never_right_has_no_checks():
    data = digits().test
    wrong = mm.Split(data.images[:5], (run().model(data.images[:5]).argmax(-1) + 1) % 10)
    assert np.isnan(gauge._checks(run().model, wrong, 0, lenet())).all()
